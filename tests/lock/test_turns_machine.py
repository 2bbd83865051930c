"""Any order of asking, leaving, releasing and waiting, beside a simple model."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.errors import UploadLocked
from tustwisted.interfaces import ILock
from tustwisted.lock.memory import MemoryLocker

IDS = st.sampled_from(["a", "b"])
TIMES_S = st.sampled_from([0.0, 1.0, 5.0])


class Asked:
    """One who asked for an upload, and what became of that."""

    def __init__(self, upload_id: str, ends_s: float) -> None:
        self.upload_id = upload_id
        self.ends_s = ends_s
        self.wishes = 0
        self.releases_when_granted = False
        self.waiting: Deferred[ILock] | None = None
        self.lock: ILock | None = None
        self.failure: Failure | None = None

    @property
    def waits(self) -> bool:
        """Neither granted nor refused yet."""
        return self.lock is None and self.failure is None

    def wanted(self) -> None:
        """Count the wishes."""
        self.wishes += 1

    def granted(self, lock: ILock) -> None:
        """Take the lock, and perhaps give it back at once."""
        self.lock = lock
        if self.releases_when_granted:
            lock.release()

    def refused(self, failure: Failure) -> None:
        """Take note of the refusal."""
        self.failure = failure


class Turns(RuleBasedStateMachine):
    """A memory locker, and in ``order`` who should hold it (the first) or wait."""

    asked = Bundle("asked")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.locker = MemoryLocker(self.clock)
        self.order: dict[str, list[Asked]] = {"a": [], "b": []}

    @rule(target=asked, upload_id=IDS, timeout_s=TIMES_S, hurries=st.booleans())
    def ask(self, upload_id: str, timeout_s: float, hurries: bool) -> Asked:
        """Ask for an upload; who hurries releases it in the moment he gets it."""
        one = Asked(upload_id, self.clock.seconds() + timeout_s)
        one.releases_when_granted = hurries
        self.order[upload_id].append(one)
        one.waiting = self.locker.acquire(upload_id, one.wanted, timeout_s)
        one.waiting.addCallbacks(  # type: ignore[unused-awaitable]
            one.granted, one.refused
        )
        self.settle(upload_id)
        return one

    @rule(target=asked, upload_id=IDS)
    def try_it(self, upload_id: str) -> object:
        """Try to get an upload: it is had exactly when nobody holds it."""
        got: list[ILock | None] = []
        trying = Deferred.fromCoroutine(self.locker.try_acquire(upload_id))
        trying.addCallback(got.append)  # type: ignore[unused-awaitable]
        assert (got[0] is None) == bool(self.order[upload_id])
        if got[0] is None:
            return multiple()
        one = Asked(upload_id, 0.0)
        one.lock = got[0]
        self.order[upload_id].append(one)
        return one

    @rule(one=asked)
    def leave(self, one: Asked) -> None:
        """Give up waiting; harmless for who does not wait."""
        if one.waits:
            assert one.waiting is not None
            self.order[one.upload_id].remove(one)
            one.waiting.cancel()

    @rule(one=consumes(asked))
    def release(self, one: Asked) -> None:
        """Release; harmless for who has done so before."""
        if one.lock is not None:
            order = self.order[one.upload_id]
            if order and order[0] is one:
                order.pop(0)
            one.lock.release()
            self.settle(one.upload_id)

    @rule(seconds=TIMES_S)
    def pass_time(self, seconds: float) -> None:
        """Let time pass: waits that were over by then have ended."""
        self.clock.advance(seconds)
        for order in self.order.values():
            for one in order[1:]:
                if one.ends_s <= self.clock.seconds():
                    assert one.failure is not None and one.failure.check(UploadLocked)
                    order.remove(one)

    def settle(self, upload_id: str) -> None:
        """Take those off the model's head who released it in the moment they got it."""
        order = self.order[upload_id]
        while order and order[0].releases_when_granted:
            assert order.pop(0).lock is not None

    @invariant()
    def one_holds_it(self) -> None:
        """The first has it and no other; who has it knows of those who wait."""
        for order in self.order.values():
            assert [one.lock is not None for one in order] == [
                index == 0 for index in range(len(order))
            ]
            assert all(one.failure is None and one.wishes <= 1 for one in order)
            if len(order) > 1 and order[0].waiting is not None:
                assert order[0].wishes == 1

    @invariant()
    def nothing_is_left(self) -> None:
        """Only those who wait have a timer, and only what is held is known."""
        waiting = sum(max(0, len(order) - 1) for order in self.order.values())
        assert len(self.clock.getDelayedCalls()) == waiting
        assert len(self.locker._turns) == sum(map(bool, self.order.values()))


class TurnsTests(SynchronousTestCase):
    """Any row of calls."""

    def test_any_order(self) -> None:
        """
        Whatever is asked, given up, released and waited for, in any order: one holds an
        upload, those who wait are served in the order they came, nothing is left behind
        (T-234, T-239).
        """
        run_state_machine_as_test(
            Turns,
            settings=settings(max_examples=150, stateful_step_count=40, deadline=None),
        )
        self.assertEqual(self.flushLoggedErrors(), [])
