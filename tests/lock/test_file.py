"""Tests for :mod:`tustwisted.lock.file`: several processes, played in one reactor."""

from __future__ import annotations

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from zope.interface.verify import verifyObject

from tests.lock.fellow import (
    Fellow,
    FellowCase,
    hear_each_other,
    soon,
    turn,
    until,
)
from tustwisted.errors import LockLost, UploadLocked
from tustwisted.lock.file import FileLocks
from tustwisted.lock.shared import IProcessLock, IProcessLocks


class TakeTests(FellowCase):
    """Who gets an upload, and when."""

    async def start_two(self) -> tuple[Fellow, Fellow]:
        """Start two of them."""
        return await self.fellow(), await self.fellow()

    async def test_interfaces(self) -> None:
        """They are what a locker of several processes is made of."""
        one = await self.fellow()
        verifyObject(IProcessLocks, one.locks)
        self.assertFalse(one.locks.is_leasing)
        verifyObject(IProcessLock, await one.take("u"))

    async def test_one_holder(self) -> None:
        """While one holds an upload, the other cannot take it."""
        one, other = await self.start_two()
        await one.take("u")
        self.assertIsNone(await other.locks.try_take("u"))
        with self.assertRaises(UploadLocked) as caught:
            await other.take("u", 0.02)
        self.assertEqual(caught.exception.waited_s, 0.02)

    async def test_others_are_free(self) -> None:
        """Another upload can be taken, at once."""
        one, other = await self.start_two()
        await one.take("u")
        taking = other.take("v")
        self.assertTrue(taking.called)
        await taking

    async def test_any_id(self) -> None:
        """Any string is an id here."""
        one, other = await self.start_two()
        for upload_id in ("", "users/7/film.mp4", "two\nlines", "\udcff", "x" * 9999):
            lock = await one.take(upload_id)
            self.assertIsNone(await other.locks.try_take(upload_id))
            lock.release()
            (await other.took(upload_id)).release()

    async def test_take_over(self) -> None:
        """The holder is told that it is wanted, and its release wakes the waiter."""
        one, other = await self.start_two()
        lock = await one.take("u")
        taking = other.take("u")
        await one.wish("u")
        self.assertFalse(taking.called)
        lock.release()
        taken = await soon(taking)
        taken.require_held()
        self.assertIsNone(await one.locks.try_take("u"))

    async def test_to_and_fro(self) -> None:
        """It can be taken over any number of times, from either side."""
        taking, giving = await self.start_two()
        lock = await giving.take("u")
        for _ in range(50):
            work = taking.take("u")
            await giving.wish("u")
            giving.wishes.clear()
            lock.release()
            lock = await soon(work)
            taking, giving = giving, taking

    async def test_release_before_the_wish_arrives(self) -> None:
        """A release that crosses the wish on its way wakes the waiter as well."""
        one, other = await self.start_two()
        lock = await one.take("u")
        taking = other.take("u")
        lock.release()
        await soon(taking)
        self.assertEqual(one.wishes, [])

    async def test_release_twice(self) -> None:
        """The second release of a lock frees nothing that was taken meanwhile."""
        one, other = await self.start_two()
        lock = await one.take("u")
        lock.release()
        lock.release()
        again = await one.take("u")
        lock.release()
        self.assertIsNone(await other.locks.try_take("u"))
        again.release()
        await other.took("u")

    async def test_require_held(self) -> None:
        """A lock is held until it is released, and never lost."""
        lock = await (await self.fellow()).take("u")
        lost = lock.when_lost()
        self.assertIs(lock.when_lost(), lost)
        lock.require_held()
        lock.release()
        self.assertRaises(LockLost, lock.require_held)
        self.assertNoResult(lost)

    async def test_try_take_tells_nobody(self) -> None:
        """Whoever holds it does not hear of an attempt."""
        one, other = await self.start_two()
        await one.take("u")
        self.assertIsNone(await other.locks.try_take("u"))
        await hear_each_other(one, other)
        self.assertEqual(one.wishes, [])

    async def test_three_take_turns(self) -> None:
        """All who wait get it, one after the other, and each is told of the next."""
        one, other = await self.start_two()
        third = await self.fellow()
        lock = await one.take("u")
        waiting = {other: other.take("u"), third: third.take("u")}
        await one.wish("u")
        lock.release()
        await until(lambda: any(work.called for work in waiting.values()))
        (first,) = (fellow for fellow, work in waiting.items() if work.called)
        await first.wish("u")
        (await waiting.pop(first)).release()
        (last,) = waiting.values()
        (await soon(last)).release()
        await hear_each_other(other, third)
        self.assertEqual(len([*other.wishes, *third.wishes]), 1)

    async def test_waiter_goes_first(self) -> None:
        """Who comes back at once for what he gave away does not get ahead."""
        one, other = await self.start_two()
        lock = await one.take("u")
        taking = other.take("u")
        await one.wish("u")
        lock.release()
        again = one.take("u")
        taken = await soon(taking)
        self.assertFalse(again.called)
        await other.wish("u")
        taken.release()
        await soon(again)

    async def test_same_byte(self) -> None:
        """Two waiters of one process for one byte: the second is sent away."""
        one, other = await self.start_two()
        lock = await one.take("u")
        taking = other.take("u")
        await self.assertFailure(other.take("u"), UploadLocked)
        lock.release()
        await soon(taking)
        await self.assertFailure(other.take("u", 0.01), UploadLocked)
        self.assertIsNone(await other.locks.try_take("u"))


class WishTests(FellowCase):
    """Wishes stand until they are taken back, and no longer."""

    async def test_after_the_timeout(self) -> None:
        """A wish whose time is over reaches nobody who takes the upload later."""
        one, other = await self.fellow(), await self.fellow()
        lock = await one.take("u")
        await self.assertFailure(other.take("u", 0.02), UploadLocked)
        await hear_each_other(one, other)
        one.wishes.clear()
        lock.release()
        await one.take("u")
        await hear_each_other(one, other)
        self.assertEqual(one.wishes, [])

    async def test_cancelled_at_any_step(self) -> None:
        """Cancelling leaves no wish and no lock, however far the wait had come."""
        one, other, third = [await self.fellow() for _ in range(3)]
        for is_released in (False, True):
            for turns in range(8):
                lock = await one.take("u")
                taking = other.take("u")
                for _ in range(turns):
                    await turn()
                if is_released:
                    lock.release()
                was_taken = taking.called
                taking.cancel()
                if was_taken:
                    (await taking).release()
                else:
                    await self.assertFailure(taking, CancelledError)
                lock.release()
                await hear_each_other(one, other)
                one.wishes.clear()
                (await third.take("u")).release()
                self.assertEqual(third.wishes, [])

    async def test_cancelled_while_it_is_freed(self) -> None:
        """Nor does a cancellation at any turn after the release leave anything."""
        one, other = await self.fellow(), await self.fellow()
        outcomes = set()
        for turns in range(8):
            lock = await one.take("u")
            taking = other.take("u")
            await one.wish("u")
            lock.release()
            for _ in range(turns):
                await turn()
            outcomes.add(taking.called)
            if taking.called:
                (await taking).release()
            else:
                taking.cancel()
                await self.assertFailure(taking, CancelledError)
            await hear_each_other(one, other)
            one.wishes.clear()
            (await one.took("u")).release()
        self.assertEqual(outcomes, {True, False})

    async def test_next_holder_knows(self) -> None:
        """Who takes an upload that others wait for is told so once he has it."""
        one, other, third = [await self.fellow() for _ in range(3)]
        lock = await one.take("u")
        taking = other.take("u")
        await third.locks.try_take("u")
        await one.wish("u")
        await hear_each_other(other, third)
        lock.release()
        sneaked = await third.took("u")
        self.assertEqual(third.wishes, [])
        await third.wish("u")
        sneaked.release()
        await soon(taking)

    async def test_late_joiner_knows(self) -> None:
        """A wish reaches also who joins after it was made, before he takes anything."""
        one, other = await self.fellow(), await self.fellow()
        lock = await one.take("u")
        taking = other.take("u")
        late = await self.fellow()
        lock.release()
        sneaked = await late.took("u")
        await late.wish("u")
        sneaked.release()
        await soon(taking)

    async def test_past_holder_is_left_alone(self) -> None:
        """A wish disturbs only who holds that upload, not who held it."""
        one, other, third = [await self.fellow() for _ in range(3)]
        (await one.take("u")).release()
        await other.take("u")
        await one.take("v")
        taking = third.take("u")
        await other.wish("u")
        await hear_each_other(one, third)
        self.assertEqual(one.wishes, [])
        taking.cancel()
        await self.assertFailure(taking, CancelledError)

    async def test_gone_before_it_is_told(self) -> None:
        """A holder who gives it back at once is not told of older wishes."""
        one, other = await self.fellow(), await self.fellow()
        lock = await one.take("u")
        taking = other.take("u")
        await one.wish("u")
        one.wishes.clear()
        lock.release()
        (await one.took("u")).release()
        await soon(taking)
        self.assertEqual(one.wishes, [])

    async def test_careless_holder(self) -> None:
        """A holder that fails when it is told is logged; nothing else happens."""

        def fail(upload_id: str) -> None:
            raise RuntimeError(upload_id)

        one, other = FileLocks(self.directory, reactor), await self.fellow()
        await one.start(fail)
        self.addCleanup(lambda: Deferred.fromCoroutine(one.stop()))
        lock = await one.take("u", 1)
        taking = other.take("u")
        await until(lambda: bool(self.flushLoggedErrors(RuntimeError)))
        lock.release()
        await soon(taking)
