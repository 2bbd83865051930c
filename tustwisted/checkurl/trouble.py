"""Why no answer came, in a sentence."""

from __future__ import annotations

from collections.abc import Iterator

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.error import (
    ConnectError,
    ConnectionClosed,
    ConnectionRefusedError,
    DNSLookupError,
    NoRouteError,
    TimeoutError,
)
from twisted.python.failure import Failure
from twisted.web.client import ResponseFailed

from tustwisted.checkurl.urls import origin_of


class NoAnswer(Exception):
    """There was none; ``str()`` says why."""


def explain(url: str, failure: Failure) -> str:
    """Tell why no answer came from a URL."""
    _, host, port = origin_of(url)
    errors = list(_all(failure))
    for kind, sentence in (
        (DNSLookupError, f"the name {host} is not known to the DNS"),
        (ConnectionRefusedError, f"nobody listens on port {port} of {host}"),
        (NoRouteError, f"no route leads to {host}"),
        (TimeoutError, f"port {port} of {host} cannot be reached: no answer at all"),
        (ConnectError, f"port {port} of {host} cannot be connected to"),
        (VerificationError, f"the certificate of the server is not for {host}"),
    ):
        if any(isinstance(error, kind) for error in errors):
            return sentence
    for error in errors:
        if isinstance(error, SSL.Error):
            return _explain_tls(host, port, error)
    if any(isinstance(error, ConnectionClosed) for error in errors):
        return "the connection was closed before an answer was complete"
    if failure.check(ResponseFailed):
        return f"what answers on port {port} of {host} does not speak HTTP"
    return f"the request failed ({type(failure.value).__name__})"


def _explain_tls(host: str, port: int, error: SSL.Error) -> str:
    reasons = error.args[0] if error.args else ()
    reason = ", ".join(part[-1] for part in reasons if part) or "no reason is given"
    if "certificate verify failed" in reason:
        return (
            f"the certificate of {host} is not trusted: it is expired, or its "
            "intermediate certificates are not sent, or its authority is unknown here "
            "(SSL_CERT_FILE names one's own)"
        )
    if "wrong version number" in reason or "record layer" in reason:
        return f"port {port} of {host} does not speak TLS: is its URL http://?"
    return f"TLS with {host} failed: {reason}"


def _all(failure: Failure) -> Iterator[BaseException]:
    """Find what failed, in the failures that Twisted's client makes of it."""
    if failure.value is not None:
        yield failure.value
    for reason in getattr(failure.value, "reasons", ()):
        yield from _all(reason)
