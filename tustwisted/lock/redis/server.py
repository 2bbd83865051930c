"""The leases of a real Redis: two connections, one for commands, one that hears."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.logger import Logger
from zope.interface import implementer

from tustwisted.lock.redis import scripts
from tustwisted.lock.redis.leases import (
    Answer,
    ILeases,
    Lease,
    Message,
    RedisUnusable,
    Refused,
)
from tustwisted.lock.redis.link import Link
from tustwisted.lock.redis.trouble import TROUBLE, explain, is_of_no_use
from tustwisted.lock.redis.url import RedisURL
from tustwisted.lock.redis.wire import Commands, Ears

log = Logger()

REPLY_TIMEOUT_S = 1.0
START_TIMEOUT_S = 5.0


@implementer(ILeases)
@define(eq=False, repr=False)
class RedisLeases:
    """
    Asks a Redis.

    :param endpoint: leads to the server of ``url``.
    :param jitter: gives numbers from 0 to 1 by chance.
    :param reply_timeout_s: a connection that leaves a command unanswered for so long is
        given up.
    :param start_timeout_s: how long ``start`` may take.
    """

    _clock: IReactorTime
    _url: RedisURL
    _endpoint: IStreamClientEndpoint
    _jitter: Callable[[], float]
    _reply_timeout_s: float = REPLY_TIMEOUT_S
    _start_timeout_s: float = START_TIMEOUT_S
    _lease_ms: int = field(init=False, default=0)
    _run_id: bytes = field(init=False, default=b"")
    _is_refusing: bool = field(init=False, default=False)
    _hear: Callable[[Message], None] = field(init=False)
    _commands: Link[Commands] = field(init=False)
    _ears: Link[Ears] = field(init=False)

    def __attrs_post_init__(self) -> None:
        clock, endpoint, timeout_s = self._clock, self._endpoint, self._reply_timeout_s
        self._commands = Link(
            clock,
            endpoint,
            lambda: Commands(clock, timeout_s),
            self._greet,
            self._tell,
            self._tell_why,
            self._jitter,
        )
        self._ears = Link(  # they are lost together, or the other one is enough
            clock,
            endpoint,
            lambda: Ears(clock, timeout_s, self._hear),
            self._listen,
            _say_nothing,
            _say_nothing,
            self._jitter,
        )

    async def start(self, lease_ms: int, hear: Callable[[Message], None]) -> None:
        """See :meth:`tustwisted.lock.redis.leases.ILeases.start`."""
        self._lease_ms, self._hear = lease_ms, hear
        try:
            await self._connect()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """See :meth:`tustwisted.lock.redis.leases.ILeases.stop`."""
        await self._commands.stop()
        await self._ears.stop()

    async def acquire(self, upload_id: str, token: bytes, asks: bool) -> Answer:
        """See :meth:`tustwisted.lock.redis.leases.ILeases.acquire`."""
        keys = [*scripts.EPOCH_KEYS, scripts.lock_key(upload_id)]
        channel = self._channel if asks else b""
        args = [self._run_id, self._lease_ms, token, channel]
        args.append(scripts.as_bytes(upload_id))
        reply = await self._run(scripts.ACQUIRE, keys, args)
        self._is_refusing = False
        return scripts.read_answer(reply)

    async def renew(self, leases: Sequence[Lease]) -> Sequence[bool]:
        """See :meth:`tustwisted.lock.redis.leases.ILeases.renew`."""
        keys = [scripts.lock_key(upload_id) for upload_id, _ in leases]
        args = [self._lease_ms, *(token for _, token in leases)]
        reply = await self._run(scripts.RENEW, keys, args)
        return [kept == "1" for kept in reply]

    async def release(self, leases: Sequence[Lease]) -> None:
        """See :meth:`tustwisted.lock.redis.leases.ILeases.release`."""
        keys = [scripts.lock_key(upload_id) for upload_id, _ in leases]
        args: list[object] = [self._channel]
        for upload_id, token in leases:
            args += [token, scripts.as_bytes(upload_id)]
        await self._run(scripts.RELEASE, keys, args)

    async def ping(self) -> None:
        """See :meth:`tustwisted.lock.redis.leases.ILeases.ping`."""
        await self._commands.wire().ping()

    @property
    def _channel(self) -> bytes:
        return scripts.channel(self._url.db)

    async def _run(self, script: str, keys: list[bytes], args: list[object]) -> Any:
        wire = self._commands.wire()
        try:
            return await wire.run(script, keys, args)
        except Refused as error:
            self._refused(str(error))
            if is_of_no_use(error):
                wire.drop()
            raise

    def _refused(self, reason: str) -> None:
        if not self._is_refusing:
            self._is_refusing = True
            log.warn(
                "Redis at {address} refuses to keep locks: {reason}",
                address=self._url.address,
                reason=reason,
            )

    async def _connect(self) -> None:
        end = self._clock.seconds() + self._start_timeout_s
        try:
            await self._commands.start(self._start_timeout_s)
            await self._ears.start(end - self._clock.seconds())
            policy = await self._commands.wire().eviction_policy()
        except TROUBLE as error:
            problem = explain(error, self._url)
            raise RedisUnusable(self._url.address, problem) from error
        if policy:
            log.warn(
                "Redis at {address} may drop locks when its memory is full: set its "
                "maxmemory-policy to noeviction instead of {policy}",
                address=self._url.address,
                policy=policy,
            )

    async def _greet(self, wire: Commands) -> None:
        await wire.introduce(self._url)
        self._run_id = await wire.run_id()
        args = [self._run_id, self._lease_ms]
        await wire.run(scripts.MARK_EPOCH, scripts.EPOCH_KEYS, args)

    async def _listen(self, wire: Ears) -> None:
        await wire.introduce(self._url)
        await wire.listen(scripts.channel(self._url.db))

    def _tell(self, is_there: bool) -> None:
        address = self._url.address
        if is_there:
            log.info("Redis at {address} is back", address=address)
        else:
            log.warn(
                "Redis at {address} is lost: locks end unless it comes back in time",
                address=address,
            )

    def _tell_why(self, error: Exception) -> None:
        log.warn(
            "Redis at {address} is still lost: {problem}",
            address=self._url.address,
            problem=explain(error, self._url),
        )


def _say_nothing(_: object) -> None:
    pass
