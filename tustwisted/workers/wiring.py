"""What ``--workers`` means, and the supervisor that it makes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from attrs import asdict, frozen
from zope.interface import implementer

from tustwisted.config.settings import Settings
from tustwisted.daemon import say_where
from tustwisted.disk import Disk
from tustwisted.making import connections_of, make_admin, make_endpoint
from tustwisted.process import end_hard_after
from tustwisted.reloading import CannotReload, IReloads, Reloading, check_ages
from tustwisted.stopping import StopTimes
from tustwisted.store.named import make_named_store
from tustwisted.systemd import Systemd
from tustwisted.workers.inheriting import HoldingReactor
from tustwisted.workers.keeper import Keeper
from tustwisted.workers.questions import WorkersVitals
from tustwisted.workers.spawning import Spawner
from tustwisted.workers.supervisor import Supervisor


def make_supervisor(
    reactor: Any,
    settings: Settings,
    words: Sequence[str],
    failed: Callable[[], None],
    systemd: Systemd,
    *,
    read: Callable[[], Settings],
) -> Supervisor:
    """
    Make the service that starts and keeps the workers; opens and starts nothing.

    :param words: the options, as they were given.
    :param failed: called when a start fails later than at once.
    :param systemd: is told how it goes.
    :param read: reads the settings again.
    """
    connections_of(settings)  # here, where it can still be said in one sentence
    workers, stop_times = settings.workers, StopTimes(settings.shutdown_timeout)
    holding = HoldingReactor(reactor)
    vitals = WorkersVitals(reactor)
    spawner = Spawner(
        reactor,
        words,
        os.getcwd(),
        workers,
        lambda: [port.fileno() for port in holding.ports],
        stop_times.orphan_s,
        alive_every_s=systemd.watchdog_s and systemd.watchdog_s / 2,
        asks=None if settings.admin_port is None else vitals.ask_at,
        settings=lambda: asdict(reloading.settings, recurse=False),
    )
    keepers = [Keeper(number, reactor, spawner) for number in range(1, workers + 1)]

    part = Workers(keepers, partial(_check, reactor))
    reloading = Reloading(read, settings, part, systemd)

    def processes() -> dict[str, int]:
        pids = {str(keeper.number): keeper.pid for keeper in keepers}
        return {"0": os.getpid(), **{n: pid for n, pid in pids.items() if pid}}

    admin = None
    if settings.admin_port is not None:
        admin = make_admin(reactor, settings, vitals, processes)

    def settle(is_settled: Callable[[], bool], limit_s: float) -> None:
        if not reactor.running:
            spawner.settle(is_settled, limit_s)

    return Supervisor(
        clock=reactor,
        holding=holding,
        endpoints=[make_endpoint(holding, port) for port in settings.endpoints],
        keepers=keepers,
        tell=partial(
            say_where,
            base_path=settings.base_path,
            directory=settings.upload_dir,
            store_name=settings.store,
            is_open=not settings.asks_who,
            workers=workers,
        ),
        settle=settle,
        end_hard_in_time=partial(
            end_hard_after, stop_times.supervisor_s, goes_on=reactor.running
        ),
        failed=failed,
        systemd=systemd,
        stop_times=stop_times,
        reload=reloading.reload,
        admin=admin,
    )


def _check(reactor: Any, settings: Settings) -> None:
    """Judge settings as each worker would that is to take them."""
    connections_of(settings)
    if settings.store is not None:
        disk = Disk(reactor)  # never started, and nothing is opened
        check_ages(
            settings, make_named_store(settings.store, settings.upload_dir, disk)
        )


@implementer(IReloads)
@frozen
class Workers:
    """
    What the workers serve with: each of them reads the settings itself.

    :param check: raises what it does when they could not take them.
    """

    _keepers: Sequence[Keeper]
    _check: Callable[[Settings], None]

    async def reload(self, settings: Settings) -> None:
        """See :meth:`IReloads.reload`."""
        try:
            self._check(settings)
        except (ValueError, SystemExit) as error:
            raise CannotReload(str(error).removeprefix("tustwisted: ")) from error
        for keeper in self._keepers:
            keeper.reload()
