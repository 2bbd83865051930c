"""Which requests must name the protocol's version, and which versions there are."""

from __future__ import annotations

from collections.abc import Sequence

from tustwisted.errors import UnsupportedVersion

TUS_VERSION = "1.0.0"
"""The one version spoken; also the value of ``Tus-Version`` (T-009)."""

_NEVER_ASKED = frozenset({"OPTIONS", "GET"})
_MAY_LEAVE_IT_OUT = frozenset({"HEAD"})


def check_version(method: str, values: Sequence[bytes]) -> None:
    """
    Refuse a request that speaks another version than ours.

    :param method: the method, after any override.
    :param values: the values of ``Tus-Resumable``, one for each line sent.
    :raises UnsupportedVersion: the method needs a version and it is missing, repeated
        or another one.

    Spec: tus 1.0.0, Tus-Resumable; rows T-002 to T-007, T-027.
    """
    if method in _NEVER_ASKED:
        return
    if not values:
        if method in _MAY_LEAVE_IT_OUT:
            return
        raise UnsupportedVersion(None)
    if list(values) != [TUS_VERSION.encode("ascii")]:
        raise UnsupportedVersion(b", ".join(values).decode("ascii", "replace"))
