"""Many small uploads on some kept-alive connections, from one loop without threads."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Sequence

from attrs import define

from bench.wire import Answer, Site, WrongAnswer, parse_answer

_LIMIT_S = 60.0


@define(eq=False)
class Uploader:
    """One connection: it asks again as soon as it has an answer."""

    site: Site
    content: bytes
    with_body: bool
    """Whether ``POST`` carries the content; else a ``PATCH`` follows."""

    client: socket.socket
    _create: bytes
    _received: bytes = b""
    _patches: bool = False

    @classmethod
    def connect(cls, site: Site, content: bytes, with_body: bool) -> Uploader:
        """Open the connection."""
        client = socket.create_connection(("127.0.0.1", site.port), _LIMIT_S)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        create = site.create(len(content), content if with_body else None)
        return cls(site, content, with_body, client, create)

    def begin(self) -> None:
        """Begin an upload."""
        self._patches = False
        self.client.sendall(self._create)

    def read(self) -> bool:
        """Take what came; returns whether an upload is finished."""
        piece = self.client.recv(65536)
        if not piece:
            raise WrongAnswer("the server left in the middle of small uploads")
        self._received += piece
        found = parse_answer(self._received)
        if found is None:
            return False
        self._received = b""
        return self._answered(found)

    def _answered(self, found: Answer) -> bool:
        if found.status != (204 if self._patches else 201):
            request = "PATCH" if self._patches else "POST"
            raise WrongAnswer(f"a small {request} was answered with {found.status}")
        if self._patches or self.with_body:
            if found.offset != len(self.content):
                raise WrongAnswer(f"a small upload has {found.offset} bytes")
            return True
        self._patches = True
        head = self.site.patch(found.location, 0, len(self.content))
        self.client.sendall(head + self.content)
        return False


def upload(uploaders: Sequence[Uploader], count: int) -> None:
    """Make so many uploads, on all connections together."""
    with selectors.DefaultSelector() as selector:
        for each in uploaders:
            selector.register(each.client, selectors.EVENT_READ, each)
        begun = finished = 0
        for each in uploaders[:count]:
            each.begin()
            begun += 1
        while finished < count:
            ready = selector.select(_LIMIT_S)
            if not ready:
                raise WrongAnswer(f"no answer to a small upload in {_LIMIT_S:.0f} s")
            for key, _ in ready:
                if key.data.read():
                    finished += 1
                    if begun < count:
                        key.data.begin()
                        begun += 1
