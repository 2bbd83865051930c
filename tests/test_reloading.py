"""SIGHUP: what changes while it serves, what does not, and what is said of it."""

from __future__ import annotations

from typing import Any

from attrs import define, evolve, field
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from zope.interface import implementer, implementer_only
from zope.interface.verify import verifyObject

from tests.test_systemd import Listening
from tustwisted.config.origins import ConfigurationError
from tustwisted.config.settings import SETTINGS, Settings
from tustwisted.disk import Disk
from tustwisted.errors import StorageFailed
from tustwisted.hooks.functions import FunctionHook
from tustwisted.interfaces import IDataStore, IRereads
from tustwisted.protocol.expiration import Expiration
from tustwisted.reloading import CannotReload, IReloads, Reloading, ServingParts
from tustwisted.service import REREAD_S, UploadsService
from tustwisted.store.memory import MemoryStore
from tustwisted.systemd import Systemd
from tustwisted.uploads.limits import Limits
from tustwisted.web.drain import DrainingSite
from tustwisted.web.wants import everything


@implementer(IReloads)
@define(eq=False)
class Part:
    """Takes settings, or says why not; a test may let it take its time."""

    taken: list[Settings] = field(factory=list)
    problem: Exception | None = None
    waits: Deferred[None] | None = None

    async def reload(self, settings: Settings) -> None:
        """See :meth:`IReloads.reload`."""
        if self.problem is not None:
            raise self.problem
        self.taken.append(settings)
        if self.waits is not None:
            await self.waits


class ReloadingTests(SynchronousTestCase):
    """A configuration that a test changes."""

    def setUp(self) -> None:
        """Serve with some settings."""
        self.before = Settings(max_size=10, port=("1",), base_path="/a/")
        self.wanted: Settings | ConfigurationError = self.before
        self.part = Part()
        self.assertTrue(verifyObject(IReloads, self.part))
        self.reloading = self.make()

    def make(self, **more: Any) -> Reloading:
        """Make what reloads."""
        systemd = more.pop("systemd", Systemd(Clock()))
        return Reloading(self.read, self.before, self.part, systemd, **more)

    def read(self) -> Settings:
        """Read what there is."""
        if isinstance(self.wanted, ConfigurationError):
            raise self.wanted
        return self.wanted

    def reload(self) -> list[str]:
        """Reload; return what is logged."""
        with capturedLogs() as events:
            self.reloading.reload()
        return [formatEvent(event) for event in events]

    def test_changes(self) -> None:
        """What can change does; what cannot is named, until a restart."""
        self.wanted = evolve(
            self.before, max_size=20, idle_timeout=5.0, port=("2",), base_path="/b/"
        )
        late = "--port, --base-path: changed, but need a restart"
        done, named = self.reload()
        self.assertEqual(named, late)
        self.assertTrue(done.endswith("; changed: --idle-timeout, --max-size"), done)
        expected = evolve(self.before, max_size=20, idle_timeout=5.0)
        self.assertEqual(self.part.taken, [expected])
        done, named = self.reload()
        self.assertTrue(done.endswith("no setting changes by that"), done)
        self.assertEqual(named, late)

    def test_nothing_changes(self) -> None:
        """Then files are read again all the same, and one line says so."""
        self.assertEqual(len(self.reload()), 1)
        self.assertEqual(self.part.taken, [self.before])

    def test_every_setting(self) -> None:
        """A setting changes while it serves if it says so, and only then."""
        reloads = {name for name, setting in SETTINGS.items() if setting.reloads}
        self.assertEqual(
            reloads,
            {
                "max-size",
                "expire-after",
                "expire-finished-after",
                "lock-timeout",
                "max-connections",
                "idle-timeout",
                "max-header-size",
            },
        )

    def test_bad_configuration(self) -> None:
        """It changes nothing, and one sentence says why; the next one may be right."""
        self.wanted = ConfigurationError("max-size = 7x in /etc/t: must be a size")
        (told,) = self.reload()
        self.assertEqual(
            told,
            "SIGHUP came: max-size = 7x in /etc/t: must be a size; nothing was changed",
        )
        self.assertEqual(self.part.taken, [])
        self.wanted = evolve(self.before, max_size=20)
        self.assertEqual(len(self.reload()), 1)

    def test_cannot_be_taken(self) -> None:
        """It is the same with what is understood, and is not possible."""
        self.wanted = evolve(self.before, max_size=20)
        self.part.problem = CannotReload("too much")
        (told,) = self.reload()
        self.assertEqual(told, "SIGHUP came: too much; nothing was changed")
        self.part.problem = None
        self.assertIn("changed: --max-size", self.reload()[0])

    def test_bug(self) -> None:
        """Whatever happens, the next one is not kept from coming."""
        self.part.problem = StorageFailed()
        self.reloading.reload()
        self.assertEqual(len(self.flushLoggedErrors(StorageFailed)), 1)
        self.part.problem = None
        self.assertEqual(len(self.reload()), 1)

    def test_one_after_the_other(self) -> None:
        """However many come while one goes on: one more follows."""
        self.part.waits = Deferred()
        for _ in range(3):
            self.reloading.reload()
        self.assertEqual(len(self.part.taken), 1)
        waits, self.part.waits = self.part.waits, None
        waits.callback(None)
        self.assertEqual(len(self.part.taken), 2)

    def test_of_several_one_speaks(self) -> None:
        """A worker leaves to its supervisor what is to be said of settings."""
        self.reloading = self.make(speaks=False)
        self.wanted = evolve(self.before, max_size=20, port=("2",))
        self.assertEqual(self.reload(), [])
        self.assertEqual(len(self.part.taken), 1)

    def test_systemd(self) -> None:
        """It is told of the begin and of the end, also when nothing comes of it."""
        listening = Listening()
        self.addCleanup(listening.close)
        self.reloading = self.make(systemd=Systemd(Clock(), listening.address))
        for wanted in (self.before, ConfigurationError("no")):
            self.wanted = wanted
            self.reload()
            begin, end = listening.told()
            self.assertIn("RELOADING=1", begin)
            self.assertEqual(end, ["READY=1"])


@implementer_only(IDataStore)
class Unswept(MemoryStore):
    """A store that nobody can sweep."""


@implementer(IRereads)
class Rereading(FunctionHook):
    """A hook that reads again."""

    def __init__(self, name: str, read: Deferred[None]) -> None:
        super().__init__(name, {})
        self.read = read
        self.reads = 0

    async def reread(self) -> None:
        """Count, and read."""
        self.reads += 1
        await self.read


class ServingPartsTests(SynchronousTestCase):
    """What serves takes other settings."""

    def setUp(self) -> None:
        """Serve with the defaults."""
        self.clock = Clock()
        self.serve(MemoryStore())

    def serve(self, store: MemoryStore) -> None:
        """Serve uploads that a store keeps."""
        disk = Disk(self.clock)  # type: ignore[arg-type] # never started
        self.service = UploadsService.with_store(self.clock, store, disk, None)
        self.site = DrainingSite(Resource(), wants=everything, reactor=self.clock)
        self.parts = ServingParts(self.service, self.site, [], self.most_connections)

    def most_connections(self, settings: Settings) -> int:
        """Allow what is asked for, if it is not too much."""
        if settings.max_connections == 999_999:
            raise SystemExit("tustwisted: --max-connections 999999: too many")
        return settings.max_connections or 100

    def reload(self, settings: Settings) -> None:
        """Have them take settings."""
        self.assertTrue(verifyObject(IReloads, self.parts))
        self.successResultOf(Deferred.fromCoroutine(self.parts.reload(settings)))

    def streaming(self) -> Any:
        """Tell by what a new connection makes its requests."""
        return self.site.buildProtocol(None)._protocol._channel.requestFactory  # type: ignore[union-attr]

    def test_taken(self) -> None:
        """Each of them holds for the next request, or for the next connection."""
        settings = Settings(
            max_size=10,
            lock_timeout=3.0,
            expire_after=60.0,
            expire_finished_after=70.0,
            idle_timeout=5.0,
            max_header_size=20_000,
            max_connections=7,
        )
        self.reload(settings)
        expected = Limits(10, 3.0, Expiration(60.0, 70.0))
        self.assertEqual(self.service.uploads.limits, expected)
        factory = self.streaming()
        self.assertEqual(factory.streaming.idle_timeout_s, 5.0)
        self.assertEqual(factory.header_limits, settings.header_limits)
        self.assertEqual(self.site._most, 7)
        self.reload(Settings())
        self.assertEqual(self.service.uploads.limits, Limits())
        self.assertEqual(self.site._most, 100)

    def test_hooks(self) -> None:
        """A hook that fails, or has no end, keeps no other one from reading."""
        reads: list[Deferred[None]] = [fail(StorageFailed()), Deferred(), succeed(None)]
        hooks = [Rereading(str(number), read) for number, read in enumerate(reads)]
        disk = Disk(self.clock)  # type: ignore[arg-type] # never started
        self.service = UploadsService.with_store(
            self.clock, MemoryStore(), disk, None, hooks=hooks
        )
        self.parts = ServingParts(self.service, self.site, [], self.most_connections)
        reloading = Deferred.fromCoroutine(self.parts.reload(Settings()))
        self.assertEqual(len(self.flushLoggedErrors(StorageFailed)), 1)
        self.assertEqual([hook.reads for hook in hooks], [1, 1, 0])
        self.clock.advance(REREAD_S)
        self.assertEqual([hook.reads for hook in hooks], [1, 1, 1])
        self.successResultOf(reloading)

    def test_refused(self) -> None:
        """If one of them cannot be, none is taken."""
        for store, changes, problem in (
            (MemoryStore(), {"max_connections": 999_999}, "--max-connections 999999: "),
            (Unswept(), {"expire_after": 60.0}, "--expire-after: "),
        ):
            self.serve(store)
            settings = Settings(max_size=10, store="a:b", **changes)
            reloading = Deferred.fromCoroutine(self.parts.reload(settings))
            error = self.failureResultOf(reloading, CannotReload).value
            self.assertTrue(str(error).startswith(problem), error)
            self.assertEqual(self.service.uploads.limits, Limits())
