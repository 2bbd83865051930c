"""The daemon, the receiver of its events, and who kills the one and stops the other."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from attrs import define, field, frozen

from tests.hooks.receiver import Act, Call, Receiver, raw, reply
from tests.integration.daemon import environment, free_port, script, until
from tests.integration.raw import Client

START_S = 60.0

_BAD_LINE = re.compile(r"Traceback|Unhandled|#critical\]")

EVENTS = "post-create,post-finish,post-terminate,post-expire"


@frozen
class Noted:
    """An event that the receiver has taken note of."""

    event_id: str
    type: str
    upload_id: str
    sequence: int


@define(eq=False)
class World:
    """
    One directory of uploads, served by one daemon after the other.

    :param options: of the daemon, beside those that it needs.
    :param expire_after_s: when what is left alone is removed.
    """

    place: Path
    random: random.Random
    options: Sequence[str] = ()
    expire_after_s: float = 60.0
    noted: list[Noted] = field(init=False, factory=list)
    did: Counter[str] = field(init=False, factory=Counter)
    port: int = field(init=False, factory=free_port)
    receiver: Receiver = field(init=False, factory=Receiver)
    _daemon: subprocess.Popen[bytes] | None = field(init=False, default=None)
    _back_at_s: float | None = field(init=False, default=None)

    @property
    def uploads(self) -> Path:
        """Where the uploads are."""
        return self.place / "uploads"

    @property
    def outbox(self) -> Path:
        """Where the events wait."""
        return self.uploads / ".tustwisted.outbox"

    def start(self) -> None:
        """Begin to listen to events, and serve."""
        self.receiver.answer = self._hear
        self.receiver.start()
        self.serve()

    def serve(self) -> None:
        """Start a daemon, and wait until it answers."""
        command = [
            *(script("twistd"), "-n", "--pidfile=", "tus", "--port", str(self.port)),
            *("--upload-dir", str(self.uploads), "--hooks-http", self.receiver.url),
            *("--hooks-enabled-events", EVENTS, "--hooks-http-retry", "1"),
            *("--hooks-http-timeout", "3s"),
            *("--expire-after", f"{self.expire_after_s:g}s", *self.options),
        ]
        with open(self.place / "daemon.log", "ab") as log:
            self._daemon = subprocess.Popen(
                command,
                cwd=self.place,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that it dies with its workers
            )
        until(self._answers, "a daemon answers", START_S)

    def _answers(self) -> bool:
        try:
            client = Client(("127.0.0.1", self.port))
            client.socket.settimeout(5)
            with suppress(OSError):
                return client.request("OPTIONS", "/files/").status == 204
        except ConnectionError:  # refused, or reset by one that is being killed
            pass
        return False

    def kill(self) -> None:
        """Kill all of the daemon, or one of its workers, at a random moment."""
        time.sleep(self.random.choice([0.1, 0.5, 2.0, 4.0]) * self.random.random())
        assert self._daemon is not None
        workers = self._workers()
        if workers and self.random.random() < 0.4:
            self.did["worker killed"] += 1
            with suppress(ProcessLookupError):
                os.kill(self.random.choice(workers), signal.SIGKILL)
            return
        self.did["all killed"] += 1
        self.end()
        self.serve()

    def end(self) -> None:
        """Kill what there is; harmless when there is nothing."""
        if self._daemon is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._daemon.pid, signal.SIGKILL)
            self._daemon.wait()

    def _workers(self) -> list[int]:
        assert self._daemon is not None
        pid = self._daemon.pid
        with suppress(OSError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
            return [int(child) for child in children.split()]
        return []

    def go_away(self) -> None:
        """Have the receiver be away for seconds, now and then."""
        now_s = time.monotonic()
        if self._back_at_s is None and self.random.random() < 0.1:
            self.did["receiver away"] += 1
            self._back_at_s = now_s + 1 + 4 * self.random.random()
            self.receiver.stop()
        elif self._back_at_s is not None and now_s >= self._back_at_s:
            self.come_back()

    def come_back(self) -> None:
        """Have the receiver be there."""
        if self._back_at_s is not None:
            self._back_at_s = None
            self.receiver.start()

    def _hear(self, call: Call) -> Act:
        """Fail a tenth of the calls, half of them after having taken note."""
        chance = self.random.random()
        if chance < 0.05:
            self.did["call failed"] += 1
            return reply({}, 500)
        event = call.event["Event"]
        self.noted.append(
            Noted(event["ID"], call.type, event["UploadID"], event["Sequence"])
        )
        if chance < 0.1:
            self.did["answer lost"] += 1
            return raw(b"")
        return reply({})

    # -- the end -----------------------------------------------------------------------

    def stored(self) -> set[str]:
        """List the uploads that are there."""
        return {path.stem for path in self.uploads.glob("*.info")}

    def waiting(self) -> list[str]:
        """List what is in the outbox, but for what was being written at a kill."""
        found = [
            path
            for path in self.outbox.rglob("*")
            if not path.is_dir() and not path.name.startswith(".")
        ]
        return sorted(str(path.relative_to(self.outbox)) for path in found)

    def log_faults(self) -> list[str]:
        """List the lines of the log that should not be there."""
        lines = (self.place / "daemon.log").read_text().splitlines()
        return [line for line in lines if _BAD_LINE.search(line)]
