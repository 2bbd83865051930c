"""
A connection to somebody who may send headers without an end.

Twisted's client bounds each line before the body of a response, but not how many there
are: headers pile up, and each response from 100 to 199 is a line in our log.
"""

from __future__ import annotations

from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (  # type: ignore[attr-defined]
    HTTP11ClientProtocol,
    _HTTP11ClientFactory,
)
from twisted.web.iweb import IResponse

_T = TypeVar("_T")

MAX_HEAD_BYTES = 16 * 1024
"""What may come before the body of a response, as in most servers and proxies."""


class HeadTooLong(Exception):
    """More came before the body than there may be; ``str()`` says how much that is."""


class BoundedClient(HTTP11ClientProtocol):
    """Ends the connection when the head of a response does not end."""

    _is_awaited = False
    _came_bytes = 0
    _is_too_long = False

    def request(self, request: Any) -> Deferred[IResponse]:
        """Send a request, and count what comes until there is a response."""
        self._is_awaited, self._came_bytes = True, 0
        requesting: Deferred[IResponse] = super().request(request)

        def answered(result: _T) -> _T:
            self._is_awaited = False
            return result

        return requesting.addBoth(answered)

    def dataReceived(self, bytes: bytes) -> None:
        """Take what came, unless it is too much."""
        if self._is_awaited:
            room = MAX_HEAD_BYTES - self._came_bytes
            head, bytes = bytes[:room], bytes[room:]
            self._came_bytes += len(head)
            super().dataReceived(head)
            if not bytes:
                return
            if self._is_awaited:
                self._is_too_long = True
                transport: Any = self.transport
                transport.abortConnection()
                return
        super().dataReceived(bytes)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Say why it was ended, if that was done here."""
        if self._is_too_long:
            problem = f"what comes before its body exceeds {MAX_HEAD_BYTES} bytes"
            reason = Failure(HeadTooLong(problem))
        super().connectionLost(reason)


class BoundedFactory(_HTTP11ClientFactory):
    """Makes such connections for a pool."""

    def buildProtocol(self, addr: IAddress | None) -> HTTP11ClientProtocol:
        """Make one."""
        return BoundedClient(self._quiescentCallback)
