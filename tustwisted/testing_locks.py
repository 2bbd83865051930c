"""
For those who write a locker: its contract as tests.

::

    class MyLockerTests(LockContract, TestCase):
        clock = reactor

        async def make_locker(self) -> ILocker: ...

Each promise is tried among requests of one process.  Where :meth:`make_locker` gives
lockers that share their locks it is tried among processes too, for which they stand.
"""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from zope.interface.verify import verifyObject

from tustwisted.errors import UploadLocked
from tustwisted.interfaces import ILock, ILocker
from tustwisted.waiting import within

if TYPE_CHECKING:
    from twisted.trial.unittest import TestCase as _Mixin
else:
    _Mixin = object

_T = TypeVar("_T")
_E = TypeVar("_E", bound=Exception)

AT_ONCE_S = 5.0
"""What must happen soon fails its test after so long: test machines are busy."""

SHORT_S = 0.2
"""A wait that is meant to end in vain, and a moment in which nothing may happen."""

MAX_BYTES = 1024
"""What one of many locks that are held may cost."""

CANCELLED_AFTER = (*range(12), 20, 40)
"""Turns of the reactor after which a waiter gives up."""


class LockContract(_Mixin):
    """
    Every promise of ILocker and ILock.

    To be mixed with :class:`twisted.trial.unittest.TestCase`; see this module's head.
    """

    clock: IReactorTime
    """The reactor."""

    has_peers = False
    """All lockers that :meth:`make_locker` returns share their locks."""

    death_s = 0.0
    """How long the locks of a process that died may stay held, seconds."""

    many = 10_000
    """So many locks are held at once, for at most :data:`MAX_BYTES` each."""

    async def make_locker(self) -> ILocker:
        """Return a locker that was started; a cleanup of the test stops it."""
        raise NotImplementedError

    async def kill(self, locker: ILocker) -> None:
        """
        End a locker as the death of its process would: it releases nothing itself.

        Only where there are peers; its cleanup must be harmless after that.
        """
        raise NotImplementedError

    # -- who holds it ------------------------------------------------------------------

    async def test_provides_the_interfaces(self) -> None:
        """The locker and its locks provide what they promise."""
        locker = await self.make_locker()
        verifyObject(ILocker, locker)
        verifyObject(ILock, await self._take(locker))

    async def test_a_free_lock_is_had_at_once(self) -> None:
        """Nobody waits for an upload that nobody holds, whatever else is held."""
        async for locker, other in self._pairs():
            one, two = await self._take(locker), await self._take(other, "b")
            one.release()
            two.release()
            tried = await locker.try_acquire("c")
            assert tried is not None
            tried.release()

    async def test_one_holds_it(self) -> None:
        """Who asks for what somebody holds waits until it is released."""
        async for locker, other in self._pairs():
            lock = await self._take(locker)
            waiting = other.acquire("a", _ignore, AT_ONCE_S)
            await self._moment()
            self.assertFalse(waiting.called)
            self.assertIsNone(await other.try_acquire("a"))
            lock.require_held()
            lock.release()
            (await self._soon(waiting)).release()

    async def test_who_tries_is_not_noticed(self) -> None:
        """A holder is not told that somebody tried."""
        async for locker, other in self._pairs():
            wishes: list[str] = []
            lock = await self._take(locker, wishes=wishes)
            self.assertIsNone(await other.try_acquire("a"))
            await self._moment()
            self.assertEqual(wishes, [])
            lock.release()

    async def test_what_was_tried_is_held(self) -> None:
        """Who got a lock by trying keeps others out until he releases it."""
        async for locker, other in self._pairs():
            lock = await locker.try_acquire("a")
            assert lock is not None
            waiting = other.acquire("a", _ignore, AT_ONCE_S)
            await self._moment()
            self.assertFalse(waiting.called)
            lock.release()
            (await self._soon(waiting)).release()

    async def test_contenders(self) -> None:
        """However many fight for an upload, each gets it, one at a time."""
        lockers = [await self.make_locker()]
        if self.has_peers:
            lockers += [await self.make_locker(), await self.make_locker()]
        inside: list[int] = []
        served: list[int] = []

        async def contend(locker: ILocker, number: int) -> None:
            for _ in range(5):
                lock = await locker.acquire("a", _ignore, 4 * AT_ONCE_S)
                inside.append(number)
                await deferLater(self.clock, 0.001)
                self.assertEqual(inside, [number])
                inside.remove(number)
                served.append(number)
                lock.release()

        contenders = [
            Deferred.fromCoroutine(contend(locker, 10 * index + number))
            for index, locker in enumerate(lockers)
            for number in range(4)
        ]
        await within(4 * AT_ONCE_S, _all(contenders), self.clock)
        self.assertEqual(len(served), 5 * len(contenders))

    # -- the wish ----------------------------------------------------------------------

    async def test_the_wish_reaches_the_holder(self) -> None:
        """A holder is told once that it is wanted; his release passes it on (T-230)."""
        async for locker, other in self._pairs():
            told: Deferred[None] = Deferred()  # to fire it twice would be logged
            wanted = partial(told.callback, None)
            lock = await self._soon(locker.acquire("a", wanted, AT_ONCE_S))
            waiting = [other.acquire("a", _ignore, AT_ONCE_S) for _ in range(3)]
            await self._soon(told)
            lock.release()
            for waiter in waiting:
                (await self._soon(waiter)).release()

    async def test_a_holder_may_release_in_the_wish(self) -> None:
        """It is passed on when it is released as soon as somebody wants it."""
        async for locker, other in self._pairs():
            held: list[ILock] = []
            wanted = partial(_release_first, held)
            held.append(await self._soon(locker.acquire("a", wanted, AT_ONCE_S)))
            (await self._soon(other.acquire("a", _ignore, AT_ONCE_S))).release()

    async def test_new_holders_learn_of_older_wishes(self) -> None:
        """Who gets it while others wait is told that they do."""
        async for locker, other in self._pairs():
            first = await self._take(locker)
            told: Deferred[None] = Deferred()
            second = locker.acquire("a", partial(told.callback, None), AT_ONCE_S)
            third = other.acquire("a", _ignore, AT_ONCE_S)
            await self._moment()
            first.release()
            winner = await self._first(second, third)
            if winner is second:
                await self._soon(told)
            (await self._soon(winner)).release()
            (await self._soon(third if winner is second else second)).release()

    async def test_a_wish_for_a_past_holder_disturbs_nobody(self) -> None:
        """When who wanted it has given up, the next holder is not told."""
        async for locker, other in self._pairs():
            lock = await self._take(locker)
            waiting = other.acquire("a", _ignore, AT_ONCE_S)
            await self._moment()
            waiting.cancel()
            await self._refused(waiting, CancelledError)
            await self._moment()  # or it is not known yet
            lock.release()
            wishes: list[str] = []
            lock = await self._take(locker, wishes=wishes)
            await self._moment()
            self.assertEqual(wishes, [])
            lock.release()

    async def test_a_holder_that_fails_when_asked(self) -> None:
        """What a wish raises is logged, and disturbs nobody."""
        async for locker, other in self._pairs():
            told: Deferred[None] = Deferred()
            wanted = partial(_fail, told)
            lock = await self._soon(locker.acquire("a", wanted, AT_ONCE_S))
            waiting = other.acquire("a", _ignore, AT_ONCE_S)
            await self._soon(told)
            await self._turns(1)
            self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
            lock.release()
            (await self._soon(waiting)).release()

    # -- the end of a wait -------------------------------------------------------------

    async def test_a_wait_has_an_end(self) -> None:
        """Who waits for a holder that does not yield loses his time (T-233)."""
        async for locker, other in self._pairs():
            lock = await self._take(locker)
            began = self.clock.seconds()
            waiting = other.acquire("a", _ignore, SHORT_S)
            error = await self._refused(waiting, UploadLocked)
            self.assertEqual(error.waited_s, SHORT_S)
            self.assertGreaterEqual(self.clock.seconds() - began, 0.9 * SHORT_S)
            lock.require_held()
            self.assertIsNone(await other.try_acquire("a"))
            lock.release()
            (await self._take(other)).release()

    async def test_a_waiter_may_leave_at_any_point(self) -> None:
        """Who gives up, after however many steps, leaves nothing behind (T-239)."""
        async for locker, other in self._pairs():
            for turns in CANCELLED_AFTER:
                lock = await self._take(locker)
                waiting = other.acquire("a", _ignore, AT_ONCE_S)
                await self._turns(turns)
                waiting.cancel()
                await self._refused(waiting, CancelledError)
                lock.release()
                (await self._take(locker)).release()
                (await self._take(other)).release()

    async def test_a_waiter_may_leave_when_it_is_freed(self) -> None:
        """Who gives up while it is passed to him has it, or leaves nothing behind."""
        async for locker, other in self._pairs():
            for turns in CANCELLED_AFTER:
                lock = await self._take(locker)
                waiting = other.acquire("a", _ignore, AT_ONCE_S)
                await self._turns(3)
                lock.release()
                await self._turns(turns)
                await self._given_up(waiting)
                (await self._take(locker)).release()
                (await self._take(other)).release()

    async def test_who_asks_for_a_free_one_may_leave(self) -> None:
        """Who gives up while he is about to get what is free holds nothing."""
        async for locker, other in self._pairs():
            for turns in CANCELLED_AFTER:
                asking = other.acquire("a", _ignore, AT_ONCE_S)
                await self._turns(turns)
                await self._given_up(asking)
                (await self._take(locker)).release()

    # -- release -----------------------------------------------------------------------

    async def test_release_counts_once(self) -> None:
        """A second release frees nobody else's lock."""
        async for locker, other in self._pairs():
            first = await self._take(locker)
            first.release()
            second = await self._take(other)
            first.release()
            await self._moment()
            self.assertIsNone(await locker.try_acquire("a"))
            second.require_held()
            second.release()

    async def test_nothing_is_lost_that_is_held(self) -> None:
        """While it is held ``when_lost`` does not fire, and it is one Deferred."""
        locker = await self.make_locker()
        lock = await self._take(locker)
        lost = lock.when_lost()
        self.assertIs(lock.when_lost(), lost)
        await self._moment()
        self.assertFalse(lost.called)
        lock.release()

    async def test_it_may_be_started_again(self) -> None:
        """After a stop and another start it locks as before."""
        locker = await self.make_locker()
        (await self._take(locker)).release()
        await locker.stop()
        await locker.start()
        (await self._take(locker)).release()

    async def test_a_stop_frees_everything(self) -> None:
        """Nothing is held any more by a process that has stopped."""
        if not self.has_peers:
            return
        locker, other = await self.make_locker(), await self.make_locker()
        await self._take(locker)
        waiting = other.acquire("a", _ignore, AT_ONCE_S)
        await self._moment()
        await locker.stop()
        (await self._soon(waiting)).release()

    async def test_death_frees_everything(self) -> None:
        """What a process held that died can be had, soon or after its lease (T-242)."""
        if not self.has_peers:
            return
        locker, other = await self.make_locker(), await self.make_locker()
        await self._take(locker)
        waiting = other.acquire("a", _ignore, AT_ONCE_S + self.death_s)
        await self._moment()
        await self.kill(locker)
        lock = await within(AT_ONCE_S + self.death_s, waiting, self.clock)
        lock.require_held()
        lock.release()

    # -- many --------------------------------------------------------------------------

    async def test_many_locks(self) -> None:
        """Many cost at most 1 KiB each, and no descriptor."""
        locker = await self.make_locker()
        ids = [f"{number:032x}" for number in range(self.many)]
        (await self._take(locker)).release()
        descriptors = _descriptors()
        with _counted() as used:
            locks = await self._take_all(locker, ids)
        self.assertLessEqual(used[0] / self.many, MAX_BYTES)
        self.assertEqual(_descriptors(), descriptors)
        for lock in locks:
            lock.require_held()
            lock.release()
        await self._moment()
        (await self._take(locker, ids[0])).release()

    async def _take_all(self, locker: ILocker, ids: list[str]) -> list[ILock]:
        """Take many, a hundred at a time: each may need an answer from afar."""
        locks: list[ILock] = []
        for start in range(0, len(ids), 100):
            group: list[Deferred[ILock]] = [
                locker.acquire(each, _ignore, AT_ONCE_S)
                for each in ids[start : start + 100]
            ]
            locks += await within(AT_ONCE_S, _all(group), self.clock)
        return locks

    # -- what they are made of ---------------------------------------------------------

    async def _pairs(self) -> AsyncIterator[tuple[ILocker, ILocker]]:
        """Give two who may fight for an upload: of one process, then of two."""
        locker = await self.make_locker()
        yield locker, locker
        if self.has_peers:
            yield locker, await self.make_locker()

    async def _take(
        self, locker: ILocker, upload_id: str = "a", wishes: list[str] | None = None
    ) -> ILock:
        """Take what is free, or is freed this moment."""
        noted = [] if wishes is None else wishes

        def note() -> None:
            noted.append(upload_id)

        return await self._soon(locker.acquire(upload_id, note, AT_ONCE_S))

    def _soon(self, work: Deferred[_T]) -> Deferred[_T]:
        return within(2 * AT_ONCE_S, work, self.clock)

    async def _refused(self, work: Deferred[ILock], kind: type[_E]) -> _E:
        """Return the error that a wait must end with."""
        try:
            await self._soon(work)
        except kind as error:
            return error
        raise self.failureException(f"nobody was refused with {kind.__name__}")

    async def _given_up(self, waiting: Deferred[ILock]) -> None:
        """Cancel a wait, which may have come to its end before."""
        waiting.cancel()
        with suppress(CancelledError):
            (await self._soon(waiting)).release()

    async def _first(self, *waiting: Deferred[ILock]) -> Deferred[ILock]:
        ends_s = self.clock.seconds() + AT_ONCE_S
        while self.clock.seconds() < ends_s:
            for waiter in waiting:
                if waiter.called:
                    return waiter
            await self._turns(1)
        raise self.failureException("nobody got the lock")

    async def _moment(self) -> None:
        await deferLater(self.clock, SHORT_S)

    async def _turns(self, count: int) -> None:
        for _ in range(count):
            await deferLater(self.clock, 0)


def _ignore() -> None:
    """Heed no wish."""


async def _all(waiting: list[Deferred[_T]]) -> list[_T]:
    return [await waiter for waiter in waiting]


def _fail(told: Deferred[None]) -> None:
    told.callback(None)
    raise KeyError("x")


def _release_first(held: list[ILock]) -> None:
    held[0].release()


def _descriptors() -> int:
    """
    Count the open descriptors of this process, where the system tells them.

    Those that only the collector of cycles would close do not count.
    """
    gc.collect()
    with suppress(OSError):
        return len(os.listdir("/proc/self/fd"))
    return 0


@contextmanager
def _counted() -> Iterator[list[int]]:
    """Count the bytes that Python takes meanwhile; there when the block has ended."""
    used: list[int] = []
    gc.collect()
    tracemalloc.start()
    try:
        yield used
        gc.collect()
    finally:
        used.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
