"""Any row of takings, releases and faults, over one Redis in memory."""

from __future__ import annotations

from typing import Any

from attrs import define
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.lock.redis.fake import REPLY_TIMEOUT_S, FakeRedis
from tests.lock.redis.support import Process
from tustwisted.errors import LockLost, LocksUnavailable, UploadLocked
from tustwisted.lock.redis.taking import SECOND_TRY_S
from tustwisted.lock.redis.terms import TTL_S
from tustwisted.lock.shared import IProcessLock

STEP_S = 0.1

SLACK_S = 2 * REPLY_TIMEOUT_S + SECOND_TRY_S + 2 * STEP_S
"""How long after its timeout a wait may end: Redis is asked once more, or twice."""

UPLOADS = ["a", "b"]
IDS = st.sampled_from("aaab")
DELAYS = st.sampled_from([0.0, 0.3, 0.8, 1.5, None])
PROCESSES = st.integers(0, 2)


@define(eq=False)
class User:
    """Somebody in a process who wants an upload, and later has it."""

    process: Process
    upload_id: str
    ends_at: float
    waiting: Deferred[Any]
    lock: IProcessLock | None = None
    is_done: bool = False

    def settled(self, result: IProcessLock | Failure | None) -> None:
        """Take note of what became of it."""
        if isinstance(result, Failure):
            result.trap(UploadLocked, LocksUnavailable, CancelledError)
        elif result is not None:
            self.lock = result
            return
        self.is_done = True

    @property
    def holds(self) -> bool:
        """Whether this one may write now."""
        if self.lock is None or self.is_done:
            return False
        try:
            self.lock.require_held()
        except LockLost:
            return False
        return True


class Locks(RuleBasedStateMachine):
    """Three processes, each with a clock that may stand still, and one Redis."""

    @initialize(rate=st.sampled_from([1.0, 1.1, 0.9]))
    def begin(self, rate: float) -> None:
        """Start all; the server's clock may be as wrong as the margin allows."""
        self.time = Clock()
        self.redis = FakeRedis(self.time, rate)
        self.processes = [
            Process(self.redis, clock, TTL_S, self.time.seconds, number / 3, clock)
            for number, clock in enumerate([Clock(), Clock(), Clock()])
        ]
        self.frozen: set[Process] = set()
        self.users: list[User] = []
        self.pass_time(TTL_S * 1.2)

    # -- what users do -----------------------------------------------------------------

    @rule(number=PROCESSES, upload_id=IDS, timeout_s=st.sampled_from([0.0, 3.0]))
    def take(self, number: int, upload_id: str, timeout_s: float) -> None:
        """Take an upload that nobody in the process has or waits for."""
        process = self.processes[number]
        if self._may_take(process, upload_id):
            self._took(process, upload_id, process.locks.take(upload_id, timeout_s))
            self.users[-1].ends_at += timeout_s

    @rule(number=PROCESSES, upload_id=IDS)
    def take_slowly(self, number: int, upload_id: str) -> None:
        """Take an upload, with much patience."""
        self.take(number, upload_id, 30.0)

    @rule(number=PROCESSES, upload_id=IDS)
    def try_take(self, number: int, upload_id: str) -> None:
        """Take an upload if it is free."""
        process = self.processes[number]
        if self._may_take(process, upload_id):
            trying = Deferred.fromCoroutine(process.locks.try_take(upload_id))
            self._took(process, upload_id, trying)

    def _may_take(self, process: Process, upload_id: str) -> bool:
        return process not in self.frozen and not any(
            user.process is process and user.upload_id == upload_id
            for user in self.users
        )

    def _took(self, process: Process, upload_id: str, waiting: Deferred[Any]) -> None:
        user = User(process, upload_id, self.time.seconds(), waiting)
        self.users.append(user)
        waiting.addBoth(user.settled)  # type: ignore[unused-awaitable]

    @rule(number=st.integers(0, 5))
    def leave(self, number: int) -> None:
        """Release, or wait no more."""
        if number < len(self.users) and self.users[number].process not in self.frozen:
            self._end(self.users[number])

    def _end(self, user: User) -> None:
        if user.lock is not None:
            user.lock.release()
            user.is_done = True
        else:
            user.waiting.cancel()

    # -- what happens to them ----------------------------------------------------------

    @rule(time_s=st.sampled_from([0.1, 0.3, 1.0, 3.4, 9.1, 10.1]))
    def pass_time(self, time_s: float) -> None:
        """Let time pass for all that are not frozen."""
        end = self.time.seconds() + time_s
        while self.time.seconds() < end:
            self.time.advance(STEP_S)
            for process in self.processes:
                if process not in self.frozen:
                    process.clock.advance(STEP_S)
            self.one_holder()

    @rule(number=PROCESSES)
    def freeze(self, number: int) -> None:
        """Let a process stand still; what it sent before still arrives."""
        self.frozen.add(self.processes[number])
        self.processes[number].leases.freeze()

    @rule(number=PROCESSES, reads_first=st.booleans())
    def thaw(self, number: int, reads_first: bool) -> None:
        """Let it go on: its timers run late, and it reads late what came."""
        process = self.processes[number]
        if process not in self.frozen:
            return
        self.frozen.remove(process)
        if reads_first:
            process.leases.thaw()
        process.clock.advance(self.time.seconds() - process.clock.seconds())
        process.leases.thaw()

    @rule(number=PROCESSES, request_s=DELAYS, reply_s=DELAYS, message_s=DELAYS)
    def disturb(
        self,
        number: int,
        request_s: float | None,
        reply_s: float | None,
        message_s: float | None,
    ) -> None:
        """Let what is sent from now on be late, or lost."""
        leases = self.processes[number].leases
        leases.request_s, leases.reply_s = request_s, reply_s
        leases.message_s = message_s

    @rule(number=PROCESSES, mends=st.booleans())
    def cut(self, number: int, mends: bool) -> None:
        """End a connection; what was sent may arrive all the same."""
        self.processes[number].leases.cut()
        if mends:
            self.processes[number].leases.mend()

    @rule()
    def mend(self) -> None:
        """Let all reach Redis again, without delay."""
        for process in self.processes:
            process.leases.mend()

    @rule(restarts=st.booleans())
    def forget(self, restarts: bool) -> None:
        """Let Redis forget everything."""
        if not restarts:
            self.redis.flush()
            return
        self.redis.restart()
        self.mend()

    # -- what holds all the time -------------------------------------------------------

    @invariant()
    def one_holder(self) -> None:
        """No two may write to one upload."""
        for upload_id in UPLOADS:
            users = [user for user in self.users if user.upload_id == upload_id]
            assert sum(user.holds for user in users) <= 1, users
        self.users = [user for user in self.users if not user.is_done]

    @invariant()
    def nobody_waits_too_long(self) -> None:
        """Every wait ends with its timeout, or a little later if Redis is silent."""
        for user in self.users:
            if user.lock is None and user.process not in self.frozen:
                assert self.time.seconds() <= user.ends_at + SLACK_S, user

    @invariant()
    def few_timers(self) -> None:
        """A process has one timer for its locks, one for what it owes, one per wait."""
        for process in self.processes:
            waits = [u for u in self.users if u.process is process and not u.lock]
            timers = len(process.clock.getDelayedCalls()) - process.leases.unanswered
            assert timers <= 2 + len(waits)

    def teardown(self) -> None:
        """End all: everything can be had again, and no timer is left."""
        for number, process in enumerate(self.processes):
            self.thaw(number, True)
            process.leases.mend()
        for user in list(self.users):
            self._end(user)
        self.pass_time(TTL_S * 1.3)
        for upload_id in UPLOADS:
            for process in self.processes:
                self._take_and_release(process, upload_id)
        for process in self.processes:
            process.stop()
            assert process.clock.getDelayedCalls() == []

    def _take_and_release(self, process: Process, upload_id: str) -> None:
        locks: list[IProcessLock] = []
        taking = process.locks.take(upload_id, 0.0)
        taking.addCallback(locks.append)  # type: ignore[unused-awaitable]
        assert locks, upload_id
        locks[0].release()


class MachineTests(SynchronousTestCase):
    """Any row of events."""

    def test_locks(self) -> None:
        """
        Whatever is late, lost, frozen or forgotten: no two processes may ever write to
        one upload, no wait outlasts its timeout, and nothing is left behind.
        """
        run_state_machine_as_test(
            Locks, settings=settings(max_examples=150, stateful_step_count=40)
        )
        self.assertEqual(self.flushLoggedErrors(), [])
