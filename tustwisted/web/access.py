"""
Who makes a request, as the hooks are told, and whether he may make it at all.

It is asked when version, path and method have been judged, and before anything else of
the request is looked at or a byte of its body is read (D11, T-271).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from attrs import frozen
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.web.http_headers import Headers
from twisted.web.server import Request

from tustwisted.protocol.requests import RequestInfo
from tustwisted.uploads.caller import Caller
from tustwisted.uploads.uploads import Uploads
from tustwisted.web.forwarded import client_told
from tustwisted.web.override import method_asked_for
from tustwisted.web.values import values


@frozen(eq=False, repr=False)
class Callers:
    """
    Lets requests in.

    :param uploads: the core, which asks the hooks.
    :param behind_proxy: a proxy tells, to be believed, who its client is.
    """

    _uploads: Uploads
    _behind_proxy: bool = False

    async def admit(self, request: Request, upload_id: str | None) -> Caller:
        """
        Ask whether a request may be made, and remember by whom it is.

        :param upload_id: which upload it is about; ``None``: the creation URL.
        :returns: who asks; where no hook could want to know it, nobody in particular.
        :raises AccessDenied: it may not be made.
        :raises HookFailed: a hook failed.
        """
        peer = self._peer_of(request)
        if not self._uploads.has_hooks:
            return Caller(peer=peer)
        info = request_info(request)
        if self._uploads.asks_access:
            caller = await self._uploads.admit(info, upload_id)
        else:
            caller = Caller(info)
        caller.peer = peer
        request.hook_caller = caller  # type: ignore[attr-defined]
        return caller

    def _peer_of(self, request: Request) -> Callable[[], str]:
        """Tell who makes a request, when asked; without the request, which is large."""
        headers = request.requestHeaders if self._behind_proxy else None
        return partial(_peer, request.getClientAddress(), request.getHost(), headers)


def caller_of(request: Any) -> Caller | None:
    """Tell who was let in with a request, if that was asked."""
    caller: Caller | None = getattr(request, "hook_caller", None)
    return caller


def request_info(request: Request) -> RequestInfo:
    """Describe a request as hooks see it; its body is not touched."""
    overrides = values(request, b"X-HTTP-Method-Override")
    headers = {
        _canonical(name): tuple(line.decode("latin-1") for line in lines)
        for name, lines in request.requestHeaders.getAllRawHeaders()
    }
    expectation = getattr(request, "expectation", None)
    if expectation is not None:  # a streaming request has taken it out
        headers["Expect"] = (expectation.decode("latin-1"),)
    return RequestInfo(
        method_asked_for(request.method, overrides).decode("latin-1"),
        request.uri.decode("latin-1"),
        _peer(request.getClientAddress(), request.getHost()),
        headers,
    )


@lru_cache(maxsize=256)
def _canonical(name: bytes) -> str:
    """Spell the name of a header as Go does, such as ``X-Request-Id``."""
    parts = name.split(b"-")
    return b"-".join(part.capitalize() for part in parts).decode("latin-1")


def _peer(client: object, here: object, headers: Headers | None = None) -> str:
    """
    Name the other end of a connection; of a UNIX socket, which has none, ours.

    :param headers: in which a proxy tells, to be believed, who its client is.
    """
    told = None if headers is None else client_told(headers)
    if told is not None:
        return told
    match client:
        case IPv4Address(host=host, port=port):
            return f"{host}:{port}"
        case IPv6Address(host=host, port=port):
            return f"[{host}]:{port}"
    if isinstance(here, UNIXAddress) and here.name:
        return str(here.name, "utf-8", "backslashreplace")
    return ""
