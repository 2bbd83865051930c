"""Clients that believe what they are told, and notice when it was not so."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence

from attrs import define, field

from tests.integration.raw import Client

SIZE = 1024 * 1024
STUCK_S = 60.0
"""An upload that takes longer has found nobody to take it."""

ANSWER_S = 15.0


@define(eq=False)
class Findings:
    """What all clients have seen; they add to it from threads of their own."""

    done: int = 0
    answers: Counter[int] = field(factory=Counter)
    problems: list[str] = field(factory=list)
    """What must never be: bytes that were acknowledged and are gone, or are others."""


@define(eq=False)
class Uploader:
    """
    Uploads one file after the other, a piece at a time, wherever it is served.

    :param ports: where the daemons listen.
    :param ends_at: begins no upload after that, by :func:`time.monotonic`.
    """

    number: int
    ports: Sequence[int]
    ends_at: float
    findings: Findings
    random: random.Random
    thread: threading.Thread = field(init=False)
    _path: str | None = field(init=False, default=None)
    _acknowledged: int = field(init=False, default=0)

    def start(self) -> None:
        """Upload in a thread."""
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while time.monotonic() < self.ends_at:
            self._upload(self.random.randbytes(SIZE))

    def _upload(self, content: bytes) -> None:
        self._path, self._acknowledged = None, 0
        began = time.monotonic()
        while time.monotonic() - began < STUCK_S:
            try:
                if self._step(content):
                    return
            except (OSError, AssertionError):
                time.sleep(0.1)  # cut off, or refused: it is broken at the moment
        self._found(f"not done after {STUCK_S:g} s")

    def _step(self, content: bytes) -> bool:
        """Do the next thing, by a connection of its own; tell whether all is done."""
        client = Client(("127.0.0.1", self.random.choice(self.ports)))
        client.socket.settimeout(ANSWER_S)
        try:
            if self._path is None:
                self._path = client.create("/files/", SIZE)
            response = client.request("HEAD", self._path)
            self.findings.answers[response.status] += 1
            if response.status == 404:
                return self._found("gone")
            if response.status != 200:
                return False
            offset = int(response.headers["upload-offset"])
            if offset < self._acknowledged:
                return self._found(f"back at {offset}")
            if offset == SIZE:
                return self._read(client, content)
            self._send(client, content, offset)
            return False
        finally:
            client.close()

    def _read(self, client: Client, content: bytes) -> bool:
        assert self._path is not None
        response = client.request("GET", self._path)
        if response.status == 404:  # whole, and somebody died before it was finished
            client.patch(self._path, SIZE, b"")
            return False
        if response.status != 200:
            return False
        if response.body != content:
            return self._found("other bytes")
        self.findings.done += 1
        return True

    def _send(self, client: Client, content: bytes, offset: int) -> None:
        """Send a piece: most of them in two parts, some not to the end."""
        assert self._path is not None
        end = min(SIZE, offset + self.random.randint(1, SIZE // 3))
        middle = self.random.randint(offset, end)
        start = content[offset:middle]
        client.begin_patch(self._path, offset, end - offset, start=start)
        if self.random.random() < 0.3:
            time.sleep(self.random.random() / 10)
        if self.random.random() < 0.15:
            return
        client.send(content[middle:end])
        response = client.response(ANSWER_S)
        self.findings.answers[response.status] += 1
        if response.status == 204:
            self._acknowledged = int(response.headers["upload-offset"])

    def _found(self, what: str) -> bool:
        """Note what must not be, and give the upload up."""
        self.findings.problems.append(
            f"client {self.number}, {self._path}, {self._acknowledged} bytes "
            f"acknowledged: {what}"
        )
        return True
