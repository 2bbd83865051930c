"""
The private names of Twisted that streaming needs.

They are used in :mod:`tustwisted.web.line` and :mod:`tustwisted.web.request`, and
nowhere else; listed here with the version that they were checked on.  A test pins each
of them.
"""

from __future__ import annotations

from typing import Final

from twisted.web import http
from twisted.web.http import HTTPChannel
from twisted.web.http import Request as HTTPRequest

PRIVATE_NAMES: Final = {  # of Twisted 26.10
    # name: the method that sets or reads it, what it is for
    "_command": ("lineReceived", "the method, before the body has come"),
    "_path": ("lineReceived", "the URI, before the body has come"),
    "_version": ("lineReceived", "the version, before the body has come"),
    "_networkProducer": ("connectionMade", "pauses the socket alone"),
    "_waitingForTransport": ("pauseProducing", "the send buffer is full: no resuming"),
    "_savedTimeOut": (
        "requestDone",
        "the idle timeout that comes back after a request",
    ),
    "_send100Continue": ("allHeadersReceived", "writes the 100 response"),
    "_transferDecoder": ("rawDataReceived", "holds the trailer of a chunked body"),
    "_respondToBadRequestAndDisconnect": ("rawDataReceived", "refuses a bad body"),
    # of the request
    "queued": ("finish", "true: the answer ends, and the channel is not told yet"),
    "_cleanup": ("finish", "tells the channel that the request is done"),
    # of what decodes chunks
    "_trailerHeaders": ("_dataReceived_TRAILER", "the lines of the trailer"),
}


_DECODER: type = getattr(http, "_ChunkedTransferDecoder", object)


def missing_names(
    channel: type = HTTPChannel,
    request: type = HTTPRequest,
    decoder: type = _DECODER,
) -> list[str]:
    """List those of :data:`PRIVATE_NAMES` that these classes do not use any more."""
    owners = {"finish": request, "_dataReceived_TRAILER": decoder}

    def used(owner: type, method: str, name: str) -> bool:
        code = getattr(getattr(owner, method, None), "__code__", None)
        return name in getattr(code, "co_names", ())

    return [
        name
        for name, (method, _) in PRIVATE_NAMES.items()
        if not used(owners.get(method, channel), method, name)
    ]
