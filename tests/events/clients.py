"""Clients that note what they are told, and go on until they know what has become."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

from attrs import define, field

from tests.integration.raw import Client, Response

MAX_SIZE = 100_000
STUCK_S = 300.0
"""An upload that takes longer has found nobody to take it."""

ANSWER_S = 10.0


Ask: TypeAlias = Callable[[Client], Response]


@define(eq=False)
class Ledger:
    """What the clients were told, by the ids of the uploads."""

    created: set[str] = field(factory=set)
    finished: set[str] = field(factory=set)
    terminated: set[str] = field(factory=set)
    left: set[str] = field(factory=set)
    """Those that their clients have begun and left alone."""

    answers: Counter[int] = field(factory=Counter)
    problems: list[str] = field(factory=list)


class _CutOffError(Exception):
    """The server is gone, or busy: try again."""


@define(eq=False)
class Uploader:
    """
    Uploads one small file after the other, until it is told to end.

    :param ending: set when no other upload shall be begun.
    :param leaves: some are left alone.
    """

    number: int
    port: int
    ledger: Ledger
    random: random.Random
    ending: threading.Event
    leaves: bool = True
    thread: threading.Thread = field(init=False)

    def start(self) -> None:
        """Upload in a thread."""
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while not self.ending.is_set():
            content = self.random.randbytes(self.random.randint(1, MAX_SIZE))
            try:
                self._upload(content)
            except TimeoutError as error:
                self.ledger.problems.append(f"client {self.number}: {error}")

    def _upload(self, content: bytes) -> None:
        path = self._create(content)
        plan = self.random.random()
        if plan < 0.1 and self.leaves:
            self._leave(path, content)
        elif plan < 0.2:
            self._terminate(path)
        else:
            self._finish(path, content)
            if plan < 0.35:
                self._terminate(path)

    def _create(self, content: bytes) -> str:
        """Create an upload; one whose answer was lost is left to itself."""
        whole = content if self.random.random() < 0.2 else b""
        response = self._until_answered(
            "a creation", lambda client: self._post(client, len(content), whole), {201}
        )
        path = "/files/" + response.headers["location"].rpartition("/")[2]
        self.ledger.created.add(_id(path))
        if whole and response.headers.get("upload-offset") == str(len(content)):
            self.ledger.finished.add(_id(path))
        return path

    def _post(self, client: Client, length: int, body: bytes) -> Response:
        kind = "Content-Type: application/offset+octet-stream\r\n" if body else ""
        head = (
            f"POST /files/ HTTP/1.1\r\nHost: {client.host}\r\nTus-Resumable: 1.0.0\r\n"
            f"Upload-Length: {length}\r\n{kind}Content-Length: {len(body)}\r\n\r\n"
        )
        client.send(head.encode() + body)
        return client.response(ANSWER_S)

    def _leave(self, path: str, content: bytes) -> None:
        """Send a part, which may not arrive, and never come back."""
        if _id(path) in self.ledger.finished:
            return
        self.ledger.left.add(_id(path))
        with suppress(_CutOffError):
            self._once(lambda client: client.patch(path, 0, content[:-1]))

    def _finish(self, path: str, content: bytes) -> None:
        """Send all of it, and go on until it is known to be finished."""
        until = time.monotonic() + STUCK_S
        heard: Counter[str] = Counter()
        while _id(path) not in self.ledger.finished:
            if time.monotonic() > until:
                raise TimeoutError(
                    f"{path} is not finished after {STUCK_S:g} s, but {dict(heard)}"
                )
            try:
                response = self._once(lambda client: self._send(client, path, content))
            except _CutOffError as error:
                heard[repr(error.__cause__)] += 1
                time.sleep(0.1)
                continue
            heard[str(response.status)] += 1
            if response.status in (404, 410):
                raise TimeoutError(f"{path} was gone before it was finished")

    def _send(self, client: Client, path: str, content: bytes) -> Response:
        response = client.request("HEAD", path)
        if response.status != 200:
            return response
        offset = int(response.headers["upload-offset"])
        rest = len(content) - offset
        end = offset + (self.random.randint(0, rest) if rest > 1000 else rest)
        response = client.patch(path, offset, content[offset:end])
        if response.status == 204 and end == len(content):
            self.ledger.finished.add(_id(path))
        return response

    def _terminate(self, path: str) -> None:
        tries = 0

        def delete(client: Client) -> Response:
            nonlocal tries
            tries += 1
            return client.request("DELETE", path)

        response = self._until_answered("a removal", delete, {204, 404, 410})
        if response.status == 204 or tries > 1:
            self.ledger.terminated.add(_id(path))
        else:
            self.ledger.problems.append(f"{path} was gone before it was removed")

    def _until_answered(self, what: str, ask: Ask, statuses: set[int]) -> Response:
        until = time.monotonic() + STUCK_S
        while time.monotonic() < until:
            try:
                response = self._once(ask)
            except _CutOffError:
                time.sleep(0.1)
                continue
            if response.status in statuses:
                return response
            time.sleep(0.1)
        raise TimeoutError(f"{what} had no good answer for {STUCK_S:g} s")

    def _once(self, ask: Ask) -> Response:
        """Ask by a connection of its own."""
        try:
            client = Client(("127.0.0.1", self.port))
        except OSError as error:
            raise _CutOffError from error
        client.socket.settimeout(ANSWER_S)
        try:
            response = ask(client)
        except OSError as error:
            raise _CutOffError from error
        finally:
            client.close()
        self.ledger.answers[response.status] += 1
        return response


def _id(path: str) -> str:
    return path.rpartition("/")[2]
