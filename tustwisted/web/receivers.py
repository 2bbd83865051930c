"""How receivers of bodies are called: what they raise must not break a connection."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

_log = Logger()


def tell(call: Callable[..., object], *args: object) -> bool:
    """
    Call a receiver, and log what it raises.

    :returns: whether it raised nothing.
    """
    try:
        call(*args)
    except Exception:
        _log.failure("a receiver of a request's body failed")
        return False
    return True
