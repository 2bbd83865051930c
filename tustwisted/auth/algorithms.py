"""Which signatures of JSON Web Tokens may be trusted; nothing here needs PyJWT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

SECRET: Final = ("HS256", "HS384", "HS512")
"""Made with a secret that both sides have."""

PUBLIC: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""Verified with a public key."""


def check_algorithms(names: Sequence[str]) -> None:
    """
    Refuse algorithms that may not be used, or not together.

    A public key is no secret: whoever may choose could sign with it as if it were one.

    :raises ValueError: one is unknown, or ``none``, or they need different keys, or
        there are none.

    Spec: RFC 8725, sections 3.1 and 3.2; RFC 7518, section 3.1.
    """
    if not names:
        raise ValueError("at least one algorithm is needed")
    for name in names:
        check_algorithm(name)
    if len({name in SECRET for name in names}) > 1:
        raise ValueError("algorithms with a secret and with a public key do not mix")


def check_algorithm(name: str) -> str:
    """
    Refuse an algorithm that may not be used.

    :raises ValueError: that says which may be.
    """
    if name not in (*SECRET, *PUBLIC):
        raise ValueError(f"must be one of {', '.join((*SECRET, *PUBLIC))}")
    return name
