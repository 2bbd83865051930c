"""
A server that hooks are called on, and that may behave badly.

It has threads of its own, so that tests may use it that run in the reactor, and tests
that block.  Nothing of it is shared with what is tested.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from attrs import define, field

LIMIT_S = 20.0
"""No wait in here is longer."""


@define(eq=False)
class Call:
    """A request that has come."""

    head: str
    headers: dict[str, str]
    """By name in lower case."""
    body: bytes
    at_s: float = field(factory=time.monotonic)
    left: threading.Event = field(factory=threading.Event)
    """The other side has closed the connection while it was waiting."""

    @property
    def event(self) -> Any:
        """The JSON that was sent."""
        return json.loads(self.body)

    @property
    def type(self) -> str:
        """The type of the event."""
        found: str = self.event["Type"]
        return found


Act: TypeAlias = Callable[[socket.socket, Call], bool]
"""What is done about a call; whether the connection stays."""


def reply(
    fields: object = None,
    status: int = 200,
    content: bytes | None = None,
    headers: str = "",
) -> Act:
    """
    Reply.

    :param fields: the JSON of the body; ``None``: it is empty.
    :param content: the body itself, instead.
    :param headers: more of them, each with CR LF at its end.
    """
    if content is None:
        content = b"" if fields is None else json.dumps(fields).encode("ascii")

    def act(connection: socket.socket, _call: Call) -> bool:
        connection.sendall(response(content, status, headers))
        return True

    return act


def response(content: bytes, status: int = 200, headers: str = "") -> bytes:
    """Write a response."""
    head = (
        f"HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n{headers}\r\n"
    )
    return head.encode("ascii") + content


def raw(content: bytes) -> Act:
    """Send some bytes, and close."""

    def act(connection: socket.socket, _call: Call) -> bool:
        connection.sendall(content)
        return False

    return act


def slowly(content: bytes, pause_s: float) -> Act:
    """Send a response byte by byte."""

    def act(connection: socket.socket, _call: Call) -> bool:
        for i in range(len(content)):
            connection.sendall(content[i : i + 1])
            time.sleep(pause_s)
        return True

    return act


def endless(connection: socket.socket, call: Call) -> bool:
    """Send a body that does not end, until the other side has had enough."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        for _ in range(100_000):
            connection.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")
    except OSError:
        call.left.set()
    return False


def forever(begin: bytes, unit: bytes) -> Act:
    """Send something again and again, until the other side has had enough."""

    def act(connection: socket.socket, call: Call) -> bool:
        connection.sendall(begin)
        try:
            for _ in range(100_000):
                connection.sendall(unit)
        except OSError:
            call.left.set()
        return False

    return act


def hang(connection: socket.socket, call: Call) -> bool:
    """Say nothing, until the other side leaves."""
    try:
        if not connection.recv(1):
            call.left.set()
    except ConnectionResetError:
        call.left.set()
    return False


@define(eq=False)
class Receiver:
    """
    Listens on a port of its own while it is started; always on the same one.

    :param tls: a directory with a certificate to serve by.
    """

    tls: Path | None = None
    port: int = 0
    calls: list[Call] = field(factory=list)
    answer: Callable[[Call], Act] = lambda _: reply()
    """What is done about a call for which nothing is planned."""
    planned: deque[Act] = field(factory=deque)
    """What is done about the next calls."""
    connections: int = 0
    """How many connections there were."""

    _listening: socket.socket | None = None
    _open: set[socket.socket] = field(factory=set)
    _threads: list[threading.Thread] = field(factory=list)
    _lock: threading.Lock = field(factory=threading.Lock)

    @property
    def url(self) -> str:
        """Where it is called."""
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}/hooks"

    @property
    def types(self) -> list[str]:
        """The types of the events that have come."""
        return [call.type for call in self.calls]

    def plan(self, *acts: Act) -> None:
        """Say what is done about the next calls."""
        self.planned.extend(acts)

    def start(self) -> None:
        """Listen."""
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.port))
        listening.listen(100)
        self.port = listening.getsockname()[1]
        self._listening = listening
        self._spawn(self._accept, listening)

    def stop(self) -> None:
        """Close everything; harmless when it was done before."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.shutdown(socket.SHUT_RDWR)
            listening.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(LIMIT_S)
        self._threads.clear()

    def hang_up(self) -> None:
        """Close the connections, and go on listening."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):  # the other side was quicker
                    connection.shutdown(socket.SHUT_RDWR)

    def _spawn(self, run: Callable[[socket.socket], None], of: socket.socket) -> None:
        thread = threading.Thread(target=run, args=(of,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.connections += 1
                self._open.add(connection)
            self._spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        plain = connection
        try:
            if self.tls is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self.tls / "certificate", self.tls / "key")
                connection = context.wrap_socket(connection, server_side=True)
            stream = connection.makefile("rb")
            while (call := _read(stream)) is not None:
                with self._lock:
                    self.calls.append(call)
                    act = self.planned.popleft() if self.planned else self.answer(call)
                if not act(connection, call):
                    return
        except OSError:
            pass  # the other side left, or this one was stopped
        finally:
            with self._lock:
                self._open.discard(plain)
            connection.close()


def _read(stream: Any) -> Call | None:
    head = stream.readline().decode("latin-1").rstrip("\r\n")
    if not head:
        return None
    headers: dict[str, str] = {}
    while line := stream.readline().decode("latin-1").rstrip("\r\n"):
        name, _, value = line.partition(":")
        name = name.lower()
        # Several lines of a name are joined as they came.
        headers[name] = ", ".join(filter(None, [headers.get(name), value.strip()]))
    return Call(head, headers, stream.read(int(headers["content-length"])))
