"""The service that opens the ports and keeps the workers that serve them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, FirstError, gatherResults
from twisted.internet.interfaces import (
    IAddress,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Factory

from tustwisted.daemon import Companion, listen_at
from tustwisted.starting import fail_if_failed, when_served
from tustwisted.stopping import StopTimes
from tustwisted.systemd import Systemd
from tustwisted.workers.inheriting import HoldingReactor
from tustwisted.workers.keeper import Keeper

START_S: Final = 30.0
"""How long a command that starts workers waits for them before it returns."""

Settle = Callable[[Callable[[], bool], float], None]


class Supervisor(Service):
    """
    Opens the ports, starts the workers, and accepts nothing.

    As with :class:`~tustwisted.daemon.DaemonService`, nothing is opened or started
    before ``startService``.

    :param clock: measures how long a stop takes.
    :param holding: what the endpoints listen with.
    :param endpoints: where to listen, by the scheme of their URLs.
    :param keepers: of the workers.
    :param tell: called with each scheme and address when all workers serve; returns
        the URL there.
    :param settle: waits, until a condition holds or for some seconds, as far as that is
        possible before the reactor runs, and not at all when it does.
    :param end_hard_in_time: as for ``DaemonService``.
    :param failed: as for ``DaemonService``.
    :param systemd: as for ``DaemonService``; its signs of life ask for those of the
        workers.
    :param stop_times: as for ``DaemonService``: workers, which end by themselves
        before, are killed when their time is over (T-241).
    :param reload: as for ``DaemonService``.
    :param admin: as for ``DaemonService``.
    """

    def __init__(
        self,
        *,
        clock: IReactorTime,
        holding: HoldingReactor,
        endpoints: Sequence[tuple[str, IStreamServerEndpoint]],
        keepers: Sequence[Keeper],
        tell: Callable[[str, IAddress], str],
        settle: Settle,
        end_hard_in_time: Callable[[], Callable[[], None]],
        failed: Callable[[], None],
        systemd: Systemd | None = None,
        stop_times: StopTimes = StopTimes(),  # noqa: B008
        reload: Callable[[], None] = lambda: None,
        admin: Companion | None = None,
    ) -> None:
        self._clock = clock
        self._holding = holding
        self._endpoints = endpoints
        self._keepers = keepers
        self._tell = tell
        self._settle = settle
        self._end_hard_in_time = end_hard_in_time
        self._failed = failed
        self._systemd = systemd or Systemd(clock)
        self._stop_times = stop_times
        self._reload = reload
        self._admin = admin
        self._started: Deferred[None] | None = None

    def startService(self) -> None:
        """
        Listen, then start the workers.

        :raises StartFailed: a port cannot be had, or a worker cannot serve.
        """
        super().startService()
        self._started = Deferred.fromCoroutine(self._start())
        fail_if_failed(self, self._started, self._failed)

    async def _start(self) -> None:
        try:
            if self._admin is not None:
                await self._admin.start()
            hosts = [
                (scheme, (await listen_at(endpoint, Factory())).getHost())
                for scheme, endpoint in self._endpoints
            ]
            await self._start_workers()
        except BaseException:
            await self._stop_workers()
            # Not awaited: the reactor may never run.
            self._holding.close()  # type: ignore[unused-awaitable]
            if self._admin is not None:
                self._admin.stop()  # type: ignore[unused-awaitable]
            raise
        where = " and ".join([self._tell(scheme, host) for scheme, host in hosts])

        def status() -> str:
            serving = sum(keeper.serves for keeper in self._keepers)
            return f"serves {where}; workers: {serving} of {len(self._keepers)}"

        self._systemd.serves(status, self._look)

    def _look(self) -> None:
        if self._systemd.watchdog_s is not None:
            for keeper in self._keepers:
                keeper.look()

    async def _start_workers(self) -> None:
        for keeper in self._keepers:
            keeper.start()
        first = gatherResults([k.first for k in self._keepers], consumeErrors=True)
        self._settle(lambda: bool(first.called), START_S)
        try:
            await first
        except FirstError as error:
            error.subFailure.raiseException()

    def reload(self) -> None:
        """Read the configuration again, and take what may change, when it serves."""
        when_served(self, self._started, self._reload)

    def stopService(self) -> Deferred[None]:
        """Stop in the order of D12: listening ends, then what the workers do."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        has_ended = self._end_hard_in_time()
        self._systemd.stops(self._stop_times.supervisor_s)
        if self._started is not None:
            self._started.cancel()
        await self._holding.close()
        are_well = await self._stop_workers()
        if self._admin is not None:
            await self._admin.stop()
        if are_well:
            has_ended()

    async def _stop_workers(self) -> bool:
        """Stop all workers; tell whether all have ended well."""
        kill_s = self._stop_times.kill_s
        stopped = gatherResults([keeper.stop() for keeper in self._keepers])
        killing = self._clock.callLater(kill_s, self._kill)
        self._settle(lambda: bool(stopped.called), kill_s)
        are_well = await stopped
        if killing.active():
            killing.cancel()
        return all(are_well)

    def _kill(self) -> None:
        for keeper in self._keepers:
            keeper.kill()
