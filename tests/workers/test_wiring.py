"""What the supervisor judges before its workers hear of other settings."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer_only
from zope.interface.verify import verifyObject

from tests.workers.fakes import FakeSpawner
from tustwisted.config.settings import Settings
from tustwisted.interfaces import IDataStore
from tustwisted.reloading import CannotReload, IReloads
from tustwisted.store.memory import MemoryStore
from tustwisted.workers.keeper import Keeper
from tustwisted.workers.wiring import Workers, _check


@implementer_only(IDataStore)
class Unswept(MemoryStore):
    """A store that nobody can sweep."""


def make_store(directory: str, disk: Any) -> IDataStore:
    """Make it."""
    return Unswept()


class WorkersTests(SynchronousTestCase):
    """One worker, which serves."""

    def test_refused(self) -> None:
        """What it could not take it does not hear of; nor does the next one have it."""
        spawner = FakeSpawner()
        keeper = Keeper(1, Clock(), spawner)
        keeper.start()
        (process,) = spawner.processes
        process.watcher.ready()
        workers = Workers([keeper], partial(_check, Clock()))
        self.assertTrue(verifyObject(IReloads, workers))
        store = f"{__name__}:make_store"
        for changes, problem in (
            ({"max_connections": 999_999}, "--max-connections 999999: "),
            ({"expire_after": 60.0, "store": store}, "--expire-after: "),
        ):
            reloading = Deferred.fromCoroutine(workers.reload(Settings(**changes)))
            error = self.failureResultOf(reloading, CannotReload).value
            self.assertTrue(str(error).startswith(problem), error)
        self.assertEqual(process.reloads, 0)
        taken = workers.reload(Settings(max_size=1, store=store))
        self.successResultOf(Deferred.fromCoroutine(taken))
        self.assertEqual(process.reloads, 1)
