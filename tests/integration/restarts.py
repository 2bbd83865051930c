"""
Uploads that go on while the daemon is restarted, and what their clients notice of it.

The socket outlives the daemon: real ``systemd-socket-activate`` opens it, and
:mod:`tests.integration.holding` keeps it, as systemd does for a socket unit.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from attrs import define, field, frozen

from tests.integration.content import MIB, Running
from tests.integration.daemon import environment, script, until
from tests.integration.raw import Client, Response

SMALL_BYTES: Final = 20_000
LONG_BYTES: Final = 8 * MIB
PIECE_BYTES: Final = 32 * 1024
PAUSE_S: Final = 0.005
"""Between two pieces of a long upload, which so is under way when a restart comes."""

AGAIN_S: Final = 0.01
"""After so long a client that was cut tries again."""

AFTER_S: Final = 0.5
"""So long after a restart its effects are still counted."""

LIMIT_S: Final = 60.0

WAYS: Final = ("plain", "overlap")

ROOT: Final = Path(__file__).resolve().parents[2]

_Result = TypeVar("_Result")


class Cut(Exception):
    """The server says that it stops."""


@frozen
class Restart:
    """
    A restart, by the machine's clock.

    :param way: ``plain`` stops the daemon, then starts another one; ``overlap`` starts
        it before.
    """

    way: str
    began: float
    ended: float


@define(eq=False)
class Noticed:
    """What all the clients noticed, and when."""

    refused: int = 0
    cuts: list[tuple[str, float]] = field(factory=list)
    """Why a client had to try again."""
    uploads: list[tuple[str, float]] = field(factory=list)
    """Which uploads ended whole, small ones or long ones."""
    waits: list[tuple[float, float]] = field(factory=list)
    """From when to when clients waited for what small uploads ask, tries and all."""

    def longest_s(self, restart: Restart) -> float:
        """Tell the longest wait that a restart fell into."""
        return max(
            (b - a for a, b in self.waits if b > restart.began and a < restart.ended),
            default=0.0,
        )

    def during(self, restart: Restart, what: list[tuple[str, float]]) -> Counter[str]:
        """Count what happened during a restart, or just after it."""
        end = restart.ended + AFTER_S
        return Counter(name for name, at in what if restart.began <= at <= end)


@define(eq=False)
class Uploader:
    """
    One client, which uploads again and again.

    :param directory: where the daemon stores, to compare what arrived.
    :param stopping: when it is set, the upload that is under way is the last, and is
        sent as fast as it goes.
    """

    _port: int
    _directory: Path
    _noticed: Noticed
    _stopping: threading.Event
    _size: int
    _name: str
    _pause_s: float
    _client: Client | None = None

    def run(self) -> None:
        """Upload until it is told to stop."""
        while not self._stopping.is_set():
            self._upload(os.urandom(self._size))
        self._close()

    def _upload(self, content: bytes) -> None:
        path = self._tried(self._create)
        self._tried(lambda client: self._send(client, path, content))
        stored = self._directory / path.rpartition("/")[2]
        assert stored.read_bytes() == content, f"{path} is not what was sent"
        self._noticed.uploads.append((self._name, time.monotonic()))

    def _create(self, client: Client) -> str:
        response = self._answered(client.post("/files/", self._size))
        return re.sub("^https?://[^/]+", "", response.headers["location"])

    def _send(self, client: Client, path: str, content: bytes) -> None:
        """Send what is missing."""
        told = self._answered(client.request("HEAD", path))
        offset = int(told.headers["upload-offset"])
        if offset == self._size:
            return  # the answer was cut, not the upload
        client.begin_patch(path, offset, self._size - offset)
        for start in range(offset, self._size, PIECE_BYTES):
            client.send(content[start : start + PIECE_BYTES])
            if select.select([client.socket], [], [], 0)[0]:
                break  # it says early what it has to say
            self._stopping.wait(self._pause_s)
        self._answered(client.response(LIMIT_S))

    def _answered(self, response: Response) -> Response:
        if response.status == 503:
            raise Cut
        assert response.status in (200, 201, 204), response
        return response

    def _tried(self, ask: Callable[[Client], _Result]) -> _Result:
        """Ask until there is an answer, by new connections when it must be."""
        began = time.monotonic()
        while time.monotonic() - began < LIMIT_S:
            try:
                self._client = self._client or Client(("127.0.0.1", self._port))
                answer = ask(self._client)
            except ConnectionRefusedError:
                self._noticed.refused += 1
            except Cut:
                self._cut("503")
            except ConnectionError:
                self._cut("closed")
            else:
                if not self._pause_s:
                    self._noticed.waits.append((began, time.monotonic()))
                return answer
            self._close()
            time.sleep(AGAIN_S)
        raise AssertionError(f"no answer within {LIMIT_S:g} s")

    def _cut(self, why: str) -> None:
        self._noticed.cuts.append((f"{self._name}: {why}", time.monotonic()))

    def _close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def connects(port: int) -> bool:
    """Connect, if there is somebody to connect to."""
    try:
        Client(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


@define(eq=False)
class Held:
    """
    A daemon whose socket outlives it.

    :param place: its working directory; the log goes there, and the uploads.
    :param options: for ``twistd tus``.
    """

    port: int
    place: Path
    options: Sequence[str] = ()
    process: subprocess.Popen[str] = field(init=False)

    @property
    def uploads(self) -> Path:
        """Where the uploads are."""
        return self.place / "uploads"

    @property
    def log(self) -> str:
        """What all its processes have written."""
        return (self.place / "daemon.log").read_text()

    def start(self) -> None:
        """Open the socket, and start the first daemon by connecting to it."""
        port = ("--port", "systemd:domain=INET:name=tus")
        with open(self.place / "daemon.log", "ab") as log:
            self.process = subprocess.Popen(
                (
                    *("systemd-socket-activate", "--fdname=tus"),
                    *("-l", f"127.0.0.1:{self.port}", "-E", f"PYTHONPATH={ROOT}"),
                    *(sys.executable, "-m", "tests.integration.holding"),
                    *(
                        script("twistd"),
                        "-n",
                        "--pidfile=",
                        "tus",
                        *port,
                        *self.options,
                    ),
                ),
                cwd=self.place,
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        until(lambda: connects(self.port), "the socket is open")
        self._told()

    def restart(self, way: str) -> Restart:
        """Restart the daemon."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{way}\n")
        self.process.stdin.flush()
        began, ended = self._told().split()
        return Restart(way, float(began), float(ended))

    def stop(self) -> int:
        """Stop the daemon and who has its socket; return the status of that."""
        try:
            self.process.communicate(timeout=LIMIT_S)
        finally:
            self.process.kill()
        return self.process.returncode

    def _told(self) -> str:
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], LIMIT_S)[0]:
            raise AssertionError(f"no restart within {LIMIT_S:g} s:\n{self.log}")
        return self.process.stdout.readline()

    @contextmanager
    def uploading(self, clients: int) -> Iterator[Noticed]:
        """Upload meanwhile: so many clients small ones, and one long ones."""
        noticed, stopping = Noticed(), threading.Event()
        kinds = [("small", SMALL_BYTES, 0.0)] * clients
        running = [
            Running(
                Uploader(
                    self.port, self.uploads, noticed, stopping, size, name, pause_s
                ).run
            )
            for name, size, pause_s in (*kinds, ("long", LONG_BYTES, PAUSE_S))
        ]
        try:
            yield noticed
        finally:
            stopping.set()
            for client in running:
                client.done(LIMIT_S)
