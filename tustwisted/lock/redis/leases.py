"""
What is asked of a Redis that keeps locks, and how it may fail.

Between :class:`tustwisted.lock.redis.locks.RedisLocks`, which knows time, and
:class:`tustwisted.lock.redis.server.RedisLeases`, which knows Redis, so that the first
is tested with a clock and a stand-in for the second.
"""

# ruff: noqa: N805 (zope interfaces have no self)

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, frozen
from zope.interface import Interface

from tustwisted.errors import CannotStart

TOKEN_BYTES = 32
"""The length of a token: 128 random bits in hexadecimal."""

BATCH = 100
"""How many leases one call names at the most: about 2 ms of the reactor's time."""


@define(slots=False, eq=False, repr=False)
class RedisUnusable(CannotStart):
    """The Redis that was asked for cannot be used for locks."""

    address: str
    problem: str

    def __str__(self) -> str:
        return f"cannot keep locks in Redis at {self.address}: {self.problem}"


class Unreachable(Exception):
    """There is no connection: nothing was sent."""


class Unanswered(Exception):
    """The connection broke, or no answer came in time: it was done or it was not."""


class Refused(Exception):
    """Redis answered with an error; some of it may have been done."""


FAILURES = (Unreachable, Unanswered, Refused)
"""What each call may raise."""


@frozen
class Granted:
    """The lease is ours, for as long as it was asked for."""


@frozen
class Held:
    """Somebody else has the lease."""


@frozen
class NotYet:
    """
    This Redis may have forgotten leases: it grants none until they have all ended.

    :param wait_s: until then, seconds, above 0.
    """

    wait_s: float


Answer = Granted | Held | NotYet


@frozen
class Wanted:
    """Somebody wants the lease that belongs to a token."""

    token: bytes
    upload_id: str


@frozen
class Freed:
    """A lease that somebody wanted was given back."""

    upload_id: str


Message = Wanted | Freed

Lease = tuple[str, bytes]
"""An upload id and the token of who has it."""


class ILeases(Interface):
    """
    The leases of one Redis, as one process sees them.

    What is asked is done in the order it was asked in, while the connection lasts.
    Each call ends within about a second; it raises :class:`Unreachable` at once when
    there is no connection, and may raise :class:`Unanswered` or :class:`Refused`.
    """

    async def start(lease_ms: int, hear: Callable[[Message], None]) -> None:
        """
        Connect; from then on the connection comes back by itself.

        :param lease_ms: how long every lease is, milliseconds; the same in all
            processes that share a Redis.
        :param hear: called with each message.  One may be lost, and may be about
            somebody else.
        :raises RedisUnusable: it cannot be used; nothing stays open.
        """

    async def stop() -> None:
        """Disconnect; what was asked and not answered fails.  May be started again."""

    async def acquire(upload_id: str, token: bytes, asks: bool) -> Answer:
        """
        Take or prolong a lease.

        :param token: who asks; granted too if the lease is this token's already, so
            that a call without an answer may be repeated.
        :param asks: whether the holder is told, and the caller is told of the end.
        """

    async def renew(leases: Sequence[Lease]) -> Sequence[bool]:
        """
        Prolong leases.

        :param leases: at most :data:`BATCH`.
        :returns: for each whether it was there still.
        """

    async def ping() -> None:
        """Find out whether Redis answers."""

    async def release(leases: Sequence[Lease]) -> None:
        """
        Give leases back; those of other tokens are left alone.

        :param leases: at most :data:`BATCH`.
        """
