"""
One connection to Redis: txredisapi's protocol, with its traps cured.

txredisapi imports the reactor, so this module is imported only once that is chosen.
What is private in it and used here was checked with 1.6.0, and is pinned by
``tests/lock/redis/test_wire.py``:

- ``connectionMade``: the original authenticates, and lets its factory give up for good
  when the connection breaks in the middle (its issue 146).  Ours leaves all that to
  :mod:`tustwisted.lock.redis.link`.
- ``callLater``: bound to the global reactor; ours is the clock that we are given.
- ``connected``: a command on a connection that is gone raises instead of failing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import txredisapi
from twisted.internet.interfaces import IReactorTime, ITCPTransport
from twisted.python.failure import Failure

from tustwisted.lock.redis.leases import Message, Refused, Unanswered, Unreachable
from tustwisted.lock.redis.scripts import read_message
from tustwisted.lock.redis.url import RedisURL
from tustwisted.outcome import Outcome


class _Wire:
    """
    What both kinds of connections have in common; mixed in before txredisapi's class.

    :ivar closed: settled when the connection is gone.
    :ivar why: the reason, from then on.
    """

    transport: Any

    def __init__(self, clock: IReactorTime, reply_timeout_s: float) -> None:
        super().__init__(  # type: ignore[call-arg]  # txredisapi's, not object's
            charset=None, convertNumbers=False, replyTimeout=reply_timeout_s
        )
        self.callLater = clock.callLater
        self.closed: Outcome[None] = Outcome()
        self.why: Failure | None = None
        self._has_failed = False

    @property
    def is_usable(self) -> bool:
        """Whether a command has a chance."""
        is_open = self.transport is not None and not self.closed.is_settled
        return is_open and not (self._has_failed or self.transport.disconnecting)

    async def ask(self, *command: object) -> Any:
        """
        Send a command, see :meth:`asked`.

        :returns: an ``int``, ``bytes`` or a list of such; ``str`` for a status line.
        """
        return await self.asked("execute_command", *command)

    async def asked(self, method: str, *args: object) -> Any:
        """
        Call a method of txredisapi's and wait for the reply.

        :raises Unreachable: nothing was sent.
        :raises Unanswered: nobody knows what was done; the connection is gone.
        :raises Refused: the server says no.
        """
        if not self.is_usable:
            raise Unreachable
        try:
            return await getattr(self, method)(*args)
        except txredisapi.ResponseError as error:
            raise Refused(str(error)) from error
        except txredisapi.RedisError as error:
            self.drop()
            raise Unanswered from error

    async def introduce(self, url: RedisURL) -> None:
        """Say who we are, and choose the database."""
        if url.password is not None:
            await self.asked("auth", url.password, url.user)
        if url.db:
            await self.ask("SELECT", url.db)

    async def ping(self) -> None:
        """Find out whether somebody is there; if nobody is, the connection goes."""
        await self.ask("PING")

    def drop(self) -> None:
        """End the connection now; nothing more is sent."""
        self._has_failed = True
        if self.transport is not None and self.why is None:
            self.transport.abortConnection()

    def close(self) -> None:
        """End the connection after what was written."""
        self._has_failed = True
        if self.why is None:
            self.transport.loseConnection()

    # -- what Twisted calls ------------------------------------------------------------

    def connectionMade(self) -> None:
        """Make the connection quick, and let the kernel find out when it is dead."""
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
            self.transport.setTcpKeepAlive(True)

    def connectionLost(self, reason: Failure) -> None:
        """Fail what was not answered."""
        self.why = reason
        super().connectionLost(reason)  # type: ignore[misc]  # txredisapi's
        self.closed.settle(None)

    def dataReceived(self, data: bytes, unpause: bool = False) -> None:
        """Read replies; a peer that does not speak Redis loses the connection."""
        try:
            super().dataReceived(data, unpause)  # type: ignore[misc]  # txredisapi's
        except (UnicodeDecodeError, txredisapi.RedisError):
            self.drop()


class Commands(_Wire, txredisapi.BaseRedisProtocol):  # type: ignore[misc]  # untyped
    """A connection for commands."""

    async def run_id(self) -> bytes:
        """Tell which run of which server this is; nothing if we may not ask that."""
        try:
            info = await self.ask("INFO", "server")
        except Refused as error:
            if str(error).startswith("NOPERM"):
                return b""
            raise
        found = re.search(rb"^run_id:(\w+)", info, re.MULTILINE)
        return found[1] if found else b""

    async def eviction_policy(self) -> str:
        """
        Tell which keys the server drops when its memory is full.

        :returns: nothing if it drops none, or if we may not ask.
        """
        try:
            info = await self.ask("INFO", "memory")
        except Refused:
            return ""
        limit = re.search(rb"^maxmemory:([1-9])", info, re.MULTILINE)
        policy = re.search(rb"^maxmemory_policy:(\S+)", info, re.MULTILINE)
        if limit is None or policy is None or policy[1] == b"noeviction":
            return ""
        return policy[1].decode()

    async def run(self, script: str, keys: list[bytes], args: list[object]) -> Any:
        """Run a script, which is sent only if the server does not know it."""
        return await self.asked("eval", script, keys, args)


class Ears(_Wire, txredisapi.SubscriberProtocol):  # type: ignore[misc]  # untyped
    """A connection that hears what is published."""

    def __init__(
        self,
        clock: IReactorTime,
        reply_timeout_s: float,
        hear: Callable[[Message], None],
    ) -> None:
        super().__init__(clock, reply_timeout_s)
        self._hear = hear

    async def listen(self, channel: bytes) -> None:
        """Hear a channel from now on."""
        await self.ask("SUBSCRIBE", channel)

    def messageReceived(self, pattern: object, channel: object, message: bytes) -> None:
        """Pass a message on."""
        read = read_message(message)
        if read is not None:
            self._hear(read)


Wire = TypeVar("Wire", Commands, Ears)
