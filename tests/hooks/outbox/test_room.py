"""How many events wait is known without counting them each time."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.errors import EventsWaiting
from tustwisted.hooks.outbox.room import RECOUNT_S, Room


class RoomTests(SynchronousTestCase):
    """A limit of ten."""

    def setUp(self) -> None:
        """Let nothing wait."""
        self.clock = Clock()
        self.counts: list[Deferred[int]] = []
        self.room = Room(10, self.count, self.clock.seconds)

    async def count(self) -> int:
        """Take as long as a test wants."""
        self.counts.append(Deferred())
        return await self.counts[-1]

    def require(self) -> Deferred[None]:
        """Ask for room."""
        return Deferred.fromCoroutine(self.room.require())

    def begin(self, count: int) -> None:
        """Have it count for the first time."""
        first = self.require()
        self.counts.pop().callback(count)
        self.successResultOf(first)

    def test_counts_first(self) -> None:
        """Nobody knows what others have left there."""
        first = self.require()
        self.assertNoResult(first)
        self.counts.pop().callback(10)
        self.failureResultOf(first, EventsWaiting)

    def test_goes_on_by_itself(self) -> None:
        """What this process does needs no other count, for some time."""
        self.begin(8)
        self.room.take(1)
        self.successResultOf(self.require())
        self.room.take(1)
        self.failureResultOf(self.require(), EventsWaiting)
        self.room.give_back()
        self.successResultOf(self.require())
        self.assertEqual(self.counts, [])

    def test_counts_again(self) -> None:
        """From time to time, and nobody waits for that while there is room."""
        self.begin(8)
        self.clock.advance(RECOUNT_S)
        self.successResultOf(self.require())
        self.successResultOf(self.require())
        self.room.take(1)
        self.counts.pop().callback(9)
        self.assertEqual(self.counts, [])
        self.failureResultOf(self.require(), EventsWaiting)

    def test_when_it_is_full(self) -> None:
        """Whoever comes then waits for the count, if it is time for one."""
        self.begin(9)
        self.room.take(1)
        self.clock.advance(RECOUNT_S)
        asking = self.require()
        self.assertNoResult(asking)
        self.counts.pop().callback(3)
        self.successResultOf(asking)

    def test_a_long_count_is_rare(self) -> None:
        """It takes no more than a fiftieth of the time."""
        first = self.require()
        self.clock.advance(1)
        self.counts.pop().callback(0)
        self.successResultOf(first)
        self.clock.advance(49)
        self.successResultOf(self.require())
        self.assertEqual(self.counts, [])
        self.clock.advance(1)
        self.successResultOf(self.require())
        self.assertEqual(len(self.counts), 1)

    def test_the_end(self) -> None:
        """A count that goes on is waited for."""
        self.begin(0)
        self.clock.advance(RECOUNT_S)
        self.successResultOf(self.require())
        stopping = Deferred.fromCoroutine(self.room.stop())
        self.assertNoResult(stopping)
        self.counts.pop().callback(0)
        self.successResultOf(stopping)
