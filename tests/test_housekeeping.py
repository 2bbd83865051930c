"""Which of several processes keeps house, by a clock that stands still."""

from __future__ import annotations

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.errors import LocksUnavailable
from tustwisted.hooks.functions import FunctionHook
from tustwisted.hooks.outbox.memory import MemoryOutbox
from tustwisted.housekeeping import (
    ELECTION_S,
    HANDOVER_POLL_S,
    HANDOVER_S,
    HOUSE,
    Housekeeper,
)
from tustwisted.interfaces import IHook, ILock
from tustwisted.lock.memory import MemoryLocker
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.expiration import Expiration
from tustwisted.protocol.ids import is_upload_id
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.upload import UploadInfo
from tustwisted.store.memory import MemoryStore
from tustwisted.testing import ImmediateDisk
from tustwisted.uploads.uploads import Uploads

AFTER_S = 100.0
LIMIT_S = 7.0


@define(eq=False)
class FailingLocker(MemoryLocker):
    """A locker that cannot be asked for a while, and whose locks a test may lose."""

    is_reachable: bool = True
    got: list[ILock] = field(factory=list)

    async def try_acquire(self, upload_id: str) -> ILock | None:
        """Remember who got it."""
        if not self.is_reachable:
            raise LocksUnavailable
        lock = await super().try_acquire(upload_id)
        if lock is not None and upload_id == HOUSE:
            self.got.append(lock)
        return lock


class HousekeeperCase(SynchronousTestCase):
    """Has two processes with the same uploads."""

    outbox: MemoryOutbox | None = None
    """What all of them share; ``None``: each has its own."""

    def setUp(self) -> None:
        """Start the uploads of two processes, which share their locks."""
        self.clock = Clock()
        self.locker = FailingLocker(self.clock)
        self.store = MemoryStore(seconds=self.clock.seconds)
        self.all = [self.make(), self.make()]

    def make(self, *hooks: IHook) -> tuple[Uploads, Housekeeper]:
        """Start the uploads of one more process."""
        uploads = Uploads(
            self.store,
            self.locker,
            ImmediateDisk(),
            self.clock,
            hooks=hooks,
            outbox=self.outbox,
            now_s=self.clock.seconds,
            expiration=Expiration(AFTER_S),
        )
        self.successResultOf(Deferred.fromCoroutine(uploads.start()))
        return uploads, Housekeeper(uploads, self.clock, random=lambda: 0.5)

    def begin(self, *, recovers: bool) -> list[Housekeeper]:
        """Let both keep house, or wait until it is their turn."""
        for _, housekeeper in self.all:
            housekeeper.start(recovers)
        return [housekeeper for _, housekeeper in self.all]


class HousekeeperTests(HousekeeperCase):
    """Who of them keeps house."""

    def leave_unfinished(self, upload_id: str) -> None:
        """Leave an upload as a crash before its finish step does."""
        creating = self.store.create(UploadInfo(upload_id, 0))
        self.successResultOf(Deferred.fromCoroutine(creating))

    def unfinished(self) -> list[str]:
        """List what waits for its finish step."""
        found: list[str] = []

        async def look() -> None:
            found.extend(await self.store.awaiting_finish())

        self.successResultOf(Deferred.fromCoroutine(look()))
        return found

    def test_the_lock_is_no_upload(self) -> None:
        """No upload can have the id of the lock."""
        self.assertFalse(is_upload_id(HOUSE))

    def test_one_sweeps(self) -> None:
        """One of the two sweeps, the other one waits (D10)."""
        self.begin(recovers=True)
        self.successResultOf(self.all[0][0].create(3, Metadata()))
        self.clock.pump([1.0] * int(1.2 * AFTER_S))
        self.assertEqual(self.store.ids(), [])
        self.assertEqual(len(self.locker.got), 1)

    def test_another_takes_over(self) -> None:
        """When the one stops the other one is elected, and sweeps."""
        first, _ = self.begin(recovers=True)
        self.successResultOf(self.all[1][0].create(3, Metadata()))
        first.stop()
        self.clock.advance(ELECTION_S)
        self.assertEqual(len(self.locker.got), 2)
        self.clock.pump([1.0] * int(1.2 * AFTER_S))
        self.assertEqual(self.store.ids(), [])

    def test_a_lost_lock(self) -> None:
        """Whoever loses the lock sweeps no more until he is elected again."""
        first, second = self.begin(recovers=True)
        second.stop()
        self.locker.got[0].when_lost().callback(None)
        self.assertEqual(len(self.locker.got), 2)
        first.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_recovery_at_the_start(self) -> None:
        """Who takes the place of a process recovers, whoever keeps house (D3)."""
        self.begin(recovers=False)
        self.leave_unfinished("a")
        self.make()[1].start(recovers=True)
        self.assertEqual(self.unfinished(), [])

    def test_recovery_when_elected(self) -> None:
        """Who is elected finishes what the one before has left (D3)."""
        first, _ = self.begin(recovers=False)
        self.leave_unfinished("a")
        first.stop()
        self.assertEqual(self.unfinished(), ["a"])
        self.clock.advance(ELECTION_S)
        self.assertEqual(self.unfinished(), [])

    def test_stopped_while_it_recovers(self) -> None:
        """The lock is free again when a stop comes in the middle of a recovery."""
        waiting: Deferred[None] = Deferred()

        async def finish(event: Event) -> None:
            await waiting

        self.leave_unfinished("a")
        uploads = Uploads(
            self.store,
            self.locker,
            ImmediateDisk(),
            self.clock,
            hooks=[FunctionHook("finish", {EventType.PRE_FINISH: finish})],
        )
        self.successResultOf(Deferred.fromCoroutine(uploads.start()))
        housekeeper = Housekeeper(uploads, self.clock)
        housekeeper.start(recovers=False)
        self.assertEqual(len(self.locker.got), 1)
        housekeeper.stop()
        stopping = Deferred.fromCoroutine(housekeeper.stopped())
        self.assertNoResult(stopping)
        self.all[0][1].start(recovers=False)
        self.assertEqual(len(self.locker.got), 2)
        waiting.callback(None)
        self.successResultOf(stopping)

    def test_a_hook_that_hangs_while_it_recovers(self) -> None:
        """Events are told all the same, and what expires is removed."""
        self.leave_unfinished("a")
        told: list[str | None] = []
        hook = FunctionHook(
            "hook",
            {
                EventType.PRE_FINISH: lambda _: Deferred(),
                EventType.POST_CREATE: lambda event: told.append(event.upload_id),
            },
        )
        uploads, housekeeper = self.make(hook)
        housekeeper.start()
        self.successResultOf(uploads.create(3, Metadata(), "b"))
        self.clock.pump([1.0] * int(1.2 * AFTER_S))
        self.assertEqual(told, ["b"])
        self.assertEqual(self.store.ids(), ["a"])

    def test_each_delivers_what_nobody_else_has(self) -> None:
        """Events that are in the memory of one process are told by that one."""
        told: list[str | None] = []
        hook = FunctionHook(
            "hook", {EventType.POST_CREATE: lambda event: told.append(event.upload_id)}
        )
        self.all = [self.make(hook), self.make(hook)]
        both = self.begin(recovers=True)
        self.assertEqual(len(self.locker.got), 1)
        for number, (uploads, _) in enumerate(self.all):
            self.successResultOf(uploads.create(3, Metadata(), f"u{number}"))
        self.assertEqual(told, ["u0", "u1"])
        for housekeeper in both:
            housekeeper.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_uploads_apart(self) -> None:
        """Who shares a locker and no uploads keeps a house of his own."""
        self.all[1][1].house = ".other"
        self.begin(recovers=False)
        self.assertIsNotNone(self.locker._turns.try_acquire("x"))
        self.assertEqual(len(self.locker._turns), 3)

    def test_locks_that_cannot_be_reached(self) -> None:
        """An election waits until the locks can be asked again."""
        self.locker.is_reachable = False
        self.begin(recovers=True)
        self.clock.pump([ELECTION_S] * 3)
        self.assertEqual(self.locker.got, [])
        self.locker.is_reachable = True
        self.clock.advance(ELECTION_S)
        self.assertEqual(len(self.locker.got), 1)

    def test_nothing_is_left(self) -> None:
        """After a stop no timer is left, and the lock is free."""
        for housekeeper in self.begin(recovers=True):
            housekeeper.stop()
            housekeeper.stop()
            self.successResultOf(Deferred.fromCoroutine(housekeeper.stopped()))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.locker._turns), 0)


class SharedOutbox(MemoryOutbox):
    """As if it were on a disk that all processes see."""

    is_shared = True


class HandoverTests(HousekeeperCase):
    """What is due when processes stop."""

    def setUp(self) -> None:
        """Let two keep house for a hook that answers when a test lets it."""
        self.outbox = SharedOutbox()
        super().setUp()
        self.told: list[str | None] = []
        self.answers: list[Deferred[None]] = []
        self.all = [self.make(self.hook()), self.make(self.hook())]
        self.first, self.second = self.begin(recovers=True)

    def hook(self) -> FunctionHook:
        """Make the hook as one of the processes knows it."""

        async def tell(event: Event) -> None:
            self.told.append(event.upload_id)
            self.answers.append(Deferred())
            await self.answers[-1]

        return FunctionHook("hook", {EventType.POST_CREATE: tell})

    def create(self, number: int, upload_id: str) -> None:
        """Create an upload in one of the processes, which the hook is to be told."""
        self.successResultOf(self.all[number][0].create(3, Metadata(), upload_id))

    def finish(self, housekeeper: Housekeeper) -> Deferred[None]:
        """Deliver what is due, for a stop of one process."""
        return Deferred.fromCoroutine(housekeeper.finish(LIMIT_S))

    def wait_in_vain(self) -> None:
        """Let so much time pass that nobody waits any more for the lock."""
        self.clock.pump([HANDOVER_POLL_S] * round(HANDOVER_S / HANDOVER_POLL_S + 1))

    def assert_quiet(self) -> None:
        """When all have stopped nothing is left of them, and the lock is free."""
        for housekeeper in (self.first, self.second):
            housekeeper.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.locker._turns), 0)

    def test_the_one_that_keeps_house(self) -> None:
        """It tells what is due, and has the lock as long as that takes."""
        self.create(1, "a")
        finished = self.finish(self.first)
        self.assertEqual(self.told, ["a"])
        self.assertNoResult(finished)
        self.clock.advance(2 * ELECTION_S - LIMIT_S / 2)
        self.assertEqual(len(self.locker.got), 1)
        self.answers[0].callback(None)
        self.successResultOf(finished)
        self.assert_quiet()

    def test_the_other_one(self) -> None:
        """With nothing due it goes at once; else when that is delivered."""
        self.successResultOf(self.finish(self.second))
        self.create(1, "a")
        finished = self.finish(self.second)
        self.assertNoResult(finished)
        self.answers[0].callback(None)
        self.clock.advance(HANDOVER_POLL_S)
        self.successResultOf(finished)
        self.assertEqual(self.told, ["a"])
        self.assert_quiet()

    def test_not_for_long(self) -> None:
        """Who goes on keeping house may take his time."""
        self.create(1, "a")
        finished = self.finish(self.second)
        self.wait_in_vain()
        self.successResultOf(finished)
        self.assertEqual(len(self.locker.got), 1)
        self.answers[0].callback(None)
        self.assert_quiet()

    def test_both_stop(self) -> None:
        """What one causes after the last look of the other one it tells itself."""
        self.successResultOf(self.finish(self.first))
        self.create(1, "a")
        finished = self.finish(self.second)
        self.assertEqual(self.told, [])
        self.first.stop()
        self.clock.advance(HANDOVER_POLL_S)
        self.assertEqual(self.told, ["a"])
        self.assertNoResult(finished)
        self.answers[0].callback(None)
        self.successResultOf(finished)
        self.assert_quiet()

    def test_locks_that_cannot_be_reached(self) -> None:
        """Then nobody can know who delivers: what is due is left for later."""
        self.first.stop()
        self.locker.is_reachable = False
        self.create(1, "a")
        finished = self.finish(self.second)
        self.wait_in_vain()
        self.successResultOf(finished)
        self.assertEqual(self.told, [])
        self.assert_quiet()

    def test_never_started(self) -> None:
        """Who keeps no house delivers nothing."""
        self.successResultOf(self.finish(self.make(self.hook())[1]))
        self.assert_quiet()
