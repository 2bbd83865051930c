"""The locker of one process."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tustwisted.errors import UploadLocked
from tustwisted.interfaces import ILock, ILocker
from tustwisted.lock.memory import MemoryLocker
from tustwisted.lock.turns import MAX_WAITERS


class MemoryLockerTests(SynchronousTestCase):
    """Exclusion, take-over and bounded waits (T-230 to T-239)."""

    def setUp(self) -> None:
        """Make a locker whose time stands still."""
        self.clock = Clock()
        self.locker = MemoryLocker(self.clock)
        self.wishes: list[str] = []

    def ask(self, name: str, upload_id: str = "a") -> Deferred[ILock]:
        """Ask for a lock; ``wishes`` tells who was asked to give one back."""
        return self.locker.acquire(upload_id, lambda: self.wishes.append(name), 20.0)

    def test_provides_its_interfaces(self) -> None:
        """The locker and its locks provide what they promise."""
        self.assertTrue(verifyObject(ILocker, self.locker))
        self.assertTrue(verifyObject(ILock, self.successResultOf(self.ask("x"))))

    def test_free_upload_is_locked_at_once(self) -> None:
        """Nobody waits for a lock that nobody holds."""
        self.successResultOf(self.ask("first"))
        self.assertEqual(self.wishes, [])

    def test_other_uploads_are_not_held_up(self) -> None:
        """Different uploads never block each other (T-238)."""
        self.successResultOf(self.ask("first", "a"))
        self.successResultOf(self.ask("second", "b"))

    def test_holder_is_asked_once_and_waiter_gets_the_lock(self) -> None:
        """The wish reaches the holder once; its release passes the lock on (T-230)."""
        held = self.successResultOf(self.ask("first"))
        second = self.ask("second")
        third = self.ask("third")
        self.assertEqual(self.wishes, ["first"])
        self.assertNoResult(second)
        held.release()
        self.successResultOf(second)
        self.assertNoResult(third)

    def test_waiters_behind_a_new_holder_are_made_known_to_it(self) -> None:
        """Who gets the lock while others wait is asked for it right away."""
        held = self.successResultOf(self.ask("first"))
        second, third = self.ask("second"), self.ask("third")
        held.release()
        self.assertEqual(self.wishes, ["first", "second"])
        self.successResultOf(second).release()
        self.successResultOf(third)

    def test_wait_ends_at_its_timeout(self) -> None:
        """A holder that does not yield costs the waiter its timeout (T-233)."""
        held = self.successResultOf(self.ask("first"))
        waiting = self.ask("second")
        self.clock.advance(19.9)
        self.assertNoResult(waiting)
        self.clock.advance(0.2)
        error = self.failureResultOf(waiting, UploadLocked).value
        self.assertEqual(error.waited_s, 20.0)
        held.release()
        self.successResultOf(self.ask("third"))

    def test_cancelled_waiter_leaves_nothing_behind(self) -> None:
        """A waiter that goes is forgotten with its timeout (T-239)."""
        held = self.successResultOf(self.ask("first"))
        waiting = self.ask("second")
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        held.release()
        self.successResultOf(self.ask("third"))
        self.assertEqual(self.wishes, ["first"])

    def test_granted_lock_leaves_no_timer(self) -> None:
        """A wait that was granted cancels its timeout."""
        held = self.successResultOf(self.ask("first"))
        waiting = self.ask("second")
        held.release()
        self.successResultOf(waiting)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_release_counts_once(self) -> None:
        """A second release of the same lock frees nobody else's."""
        held = self.successResultOf(self.ask("first"))
        held.release()
        second = self.successResultOf(self.ask("second"))
        held.release()
        self.assertNoResult(self.ask("third"))
        second.release()

    def test_released_holder_is_not_asked(self) -> None:
        """Nobody is asked for a lock that was given back."""
        self.successResultOf(self.ask("first")).release()
        self.successResultOf(self.ask("second"))
        self.assertEqual(self.wishes, [])

    def test_release_inside_the_wish_passes_the_lock_on(self) -> None:
        """A holder may give the lock back while it is being asked for it."""
        held: list[ILock] = []
        first = self.locker.acquire("a", lambda: held[0].release(), 20.0)  # noqa: PLW0108
        held.append(self.successResultOf(first))
        self.successResultOf(self.ask("second"))

    def test_nothing_remains_of_released_locks(self) -> None:
        """Ten thousand uploads locked and released leave the locker empty."""
        locks = [self.successResultOf(self.ask("x", f"u{n}")) for n in range(10_000)]
        for lock in locks:
            lock.release()
        self.assertEqual(len(self.locker._turns), 0)

    def test_any_number_of_waiters_is_served(self) -> None:
        """Waiters that release what they are granted at once are served in a loop."""
        held = self.successResultOf(self.ask("first"))
        served: list[ILock] = []

        def serve(lock: ILock) -> None:
            served.append(lock)
            lock.release()

        waiting = [self.ask("next").addCallback(serve) for _ in range(MAX_WAITERS)]
        held.release()
        for waiter in waiting:
            self.successResultOf(waiter)
        self.assertEqual(len(served), MAX_WAITERS)
        self.successResultOf(self.ask("last"))

    def test_waiters_have_a_limit(self) -> None:
        """Whoever finds a full queue is told so at once, and holds nothing."""
        self.successResultOf(self.ask("first"))
        for waiter in [self.ask("next") for _ in range(MAX_WAITERS)]:
            self.assertNoResult(waiter)
        self.failureResultOf(self.ask("one too many"), UploadLocked)

    def test_holder_that_fails_when_asked_disturbs_nobody(self) -> None:
        """What a wish raises is logged; the waiter waits on."""

        def fail() -> None:
            raise KeyError("x")

        held = self.successResultOf(self.locker.acquire("a", fail, 20.0))
        waiting = self.ask("second")
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        held.release()
        self.successResultOf(waiting)


class TryTests(SynchronousTestCase):
    """Taking a lock only if nobody holds it."""

    def setUp(self) -> None:
        """Make a locker whose time stands still."""
        self.clock = Clock()
        self.locker = MemoryLocker(self.clock)
        self.wishes: list[str] = []

    def try_it(self) -> ILock | None:
        """Try to get the lock."""
        trying = Deferred.fromCoroutine(self.locker.try_acquire("a"))
        return self.successResultOf(trying)

    def ask(self) -> Deferred[ILock]:
        """Ask for the lock, noting when it is wanted back."""
        return self.locker.acquire("a", lambda: self.wishes.append("wanted"), 20.0)

    def test_free(self) -> None:
        """A lock that is free is got, and kept from others until its release."""
        held = self.try_it()
        assert held is not None
        waiting = self.ask()
        self.assertNoResult(waiting)
        self.assertIsNone(self.try_it())
        held.release()
        self.successResultOf(waiting).release()
        self.assertEqual(len(self.locker._turns), 0)

    def test_held(self) -> None:
        """A holder is not told that somebody tried, and keeps the lock (T-159)."""
        held = self.successResultOf(self.ask())
        self.assertIsNone(self.try_it())
        self.assertEqual(self.wishes, [])
        held.release()
        self.assertIsNotNone(self.try_it())
