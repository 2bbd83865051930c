"""
``X-HTTP-Method-Override``: requests that ask for another method than they were sent by.

Clients behind proxies that let only GET and POST pass send it.  What is asked for
decides what is done, and which rules hold.  How the answer is framed is decided by the
method that was sent, since that is what the client and all between look at.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.web.server import Request

from tustwisted.web.values import values


def method_asked_for(sent: bytes, overrides: Sequence[bytes]) -> bytes:
    """
    Tell which method a request asks for.

    :param sent: the method of the request line.
    :param overrides: the values of the header, one for each line sent.
    :returns: in upper case.  Several lines, and a value that names no method, give
        what no URL takes, which is then refused as any such method is.

    Spec: tus 1.0.0, X-HTTP-Method-Override; rows T-223 to T-227.
    """
    if sent == b"OPTIONS":
        return sent  # a preflight must have no effects
    return b", ".join(overrides).strip(b" \t").upper() or sent


def override_method(request: Request) -> None:
    """
    Let a request have the method that it asks for, until its answer begins.

    Spec: tus 1.0.0, X-HTTP-Method-Override; rows T-222, T-228, T-229.
    """
    overrides = values(request, b"X-HTTP-Method-Override")
    sent = request.method
    asked = method_asked_for(sent, overrides)
    if asked == sent:
        return
    write = request.write

    def begin_answer(data: bytes) -> None:
        # From here on Twisted asks the method whether there is a body, and how it ends.
        request.method = sent
        request.write = write  # type: ignore[method-assign]
        if asked == b"HEAD":
            request.setHeader(b"Content-Length", b"0")
            data = b""
        request.write(data)

    request.sent_method = sent  # type: ignore[attr-defined]
    request.method = asked
    # On the instance, as Twisted itself does it to leave the body of a HEAD out.
    request.write = begin_answer  # type: ignore[method-assign]


def was_sent_by_head(request: Request) -> bool:
    """Tell whether the client expects no body, whatever method it asks for."""
    sent: bytes = getattr(request, "sent_method", request.method)
    return sent == b"HEAD"
