"""The bytes that are uploaded: random, in memory, sent without a copy."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from attrs import frozen

from bench.samples import MIB
from bench.wire import LIMIT_S, Connection, WrongAnswer


@frozen
class Content:
    """Random bytes; who sends more than there are begins again at the front."""

    fd: int
    size: int

    @classmethod
    def make(cls, mib: int) -> Content:
        """:param mib: how much, MiB; nothing of it is on a disk."""
        fd = os.memfd_create("content")
        for _ in range(mib):
            os.write(fd, os.urandom(MIB))
        return cls(fd, mib * MIB)

    def send(self, client: socket.socket, start: int, size: int) -> None:
        """
        Send a piece by sendfile, which costs no more than it must.

        :param start: where the piece begins, bytes; may lie behind the end.
        """
        client.settimeout(None)  # sendfile knows nothing of Python's timeouts
        end = start + size
        while start < end:
            place = start % self.size
            most = min(end - start, self.size - place)
            start += os.sendfile(client.fileno(), self.fd, place, most)
        client.settimeout(LIMIT_S)

    def read(self, start: int, size: int) -> bytes:
        """Read a piece, up to the end; ``start`` as for :meth:`send`."""
        return os.pread(self.fd, size, start % self.size)

    def check(self, file: Path, size: int) -> None:
        """
        Compare what a server has stored with what it was sent.

        :raises WrongAnswer: it differs.
        """
        with open(file, "rb", buffering=0) as stored:
            for start in range(0, size, MIB):
                if stored.read(MIB) != self.read(start, min(MIB, size - start)):
                    raise WrongAnswer(f"what is stored differs after {start} bytes")
            if stored.read(1):
                raise WrongAnswer("more is stored than was sent")


@frozen
class Upload:
    """An upload that a client sends."""

    client: Connection
    path: str
    content: Content
    start: int = 0
    """Where in the content it begins."""

    @classmethod
    def create(
        cls, client: Connection, content: Content, size: int, start: int = 0
    ) -> Upload:
        """Create it, with a length of ``size`` bytes."""
        path = client.ask(client.site.create(size), 201).location
        return cls(client, path, content, start)

    def patch(self, offset: int, size: int) -> None:
        """
        Send a piece of it.

        :raises WrongAnswer: the server does not answer that it has all.
        """
        request = self.client.site.patch(self.path, offset, size)
        self.client.socket.sendall(request)
        self.content.send(self.client.socket, self.start + offset, size)
        found = self.client.expect(request, 204)
        if found.offset != offset + size:
            raise WrongAnswer(f"{offset + size} bytes were sent, not {found.offset}")
