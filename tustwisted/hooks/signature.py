"""
The signature of a call by HTTP, by which its receiver knows who calls, and when.

Pure.  Receivers in Python may use :func:`verify`; ``docs/hooks.rst`` says how others
do it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence

HEADER = "Tustwisted-Signature"

TOLERANCE_S = 300.0
"""For so long a call that somebody has recorded can be played again."""

MIN_SECRET_BYTES = 16
"""What is shorter can be guessed: 128 bits, if they are random."""

_HEADER = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")


class BadSignature(Exception):
    """A call that is not from whom it should be from, or not from now."""


def sign(body: bytes, secret: bytes, now_s: int) -> str:
    """
    Make the header that signs a body.

    :param now_s: seconds since 1970.
    :returns: ``t=<now_s>,v1=<HMAC-SHA256 of "<now_s>.<body>", in lower-case hex>``.
    """
    return f"t={now_s},v1={_digest(body, secret, now_s)}"


def verify(
    header: str,
    body: bytes,
    secrets: Sequence[bytes],
    now_s: float,
    tolerance_s: float = TOLERANCE_S,
) -> None:
    """
    Insist on the signature of a body; takes the same time whatever is wrong with it.

    :param header: the value of ``Tustwisted-Signature``; empty when it is missing.
    :param body: as it came, byte by byte.
    :param secrets: all that may have signed it, such as :func:`read_secrets` gives.
    :param now_s: seconds since 1970.
    :param tolerance_s: how far the clocks may differ, and the call may have waited.
    :raises BadSignature: the text says why, and may be shown.
    """
    found = _HEADER.fullmatch(header)
    if found is None:
        raise BadSignature("the signature is missing, or is none")
    signed_s, told = int(found[1]), found[2]
    matches = [
        hmac.compare_digest(told, _digest(body, secret, signed_s)) for secret in secrets
    ]
    if not any(matches):
        raise BadSignature("the signature is not by a secret that is known here")
    if abs(now_s - signed_s) > tolerance_s:
        raise BadSignature("the signature is too old, or the clocks differ")


def read_secrets(content: bytes) -> list[bytes]:
    """
    Read the secrets of a file: one in each line, without the blanks around it.

    Several are for the time in which a secret is being replaced: the first one signs,
    and each one verifies.

    :raises ValueError: there is none, or one is too short.
    """
    secrets = [line.strip() for line in content.splitlines() if line.strip()]
    if not secrets:
        raise ValueError("there is no secret in it")
    if any(len(secret) < MIN_SECRET_BYTES for secret in secrets):
        raise ValueError(f"a secret must have at least {MIN_SECRET_BYTES} bytes")
    return secrets


def _digest(body: bytes, secret: bytes, signed_s: int) -> str:
    return hmac.new(secret, b"%d.%b" % (signed_s, body), hashlib.sha256).hexdigest()
