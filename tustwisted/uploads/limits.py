"""The limits that hold for all uploads, and may change while they run."""

from __future__ import annotations

from typing import Final

from attrs import define, field, frozen

from tustwisted.protocol.expiration import Expiration

LOCK_TIMEOUT_S: Final = 20.0
"""How long a request waits for another one to free the upload (T-233)."""


@frozen
class Limits:
    """What is judged anew with each request, by whatever limits hold by then."""

    max_size_bytes: int | None = None
    """The longest upload; ``None`` for no limit."""

    lock_timeout_s: float = LOCK_TIMEOUT_S
    """How long a request waits for another one, seconds."""

    expiration: Expiration = field(factory=Expiration)
    """How long uploads are kept; for ever by default."""


@define(eq=False, repr=False)
class InForce:
    """The limits as they are just now; all who judge by them have this one."""

    limits: Limits
