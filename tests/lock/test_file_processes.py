"""The file locker in several real processes, some of them killed or frozen."""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import tempfile
import time
from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from tests.lock.processes import LIMIT_S, Process
from tustwisted.lock.peers import MEETING_S
from tustwisted.lock.sockets import SOCKETS_NAME

WAKES_S = 0.1
"""How soon a waiter has what another process gave back (DESIGN section 6)."""

NAMESPACES = ("unshare", "--pid", "--net", "--mount-proc", "--fork", "--kill-child")
"""Starts a program as the first process of a container, as it were."""


class ProcessCase(SynchronousTestCase):
    """Has a directory, and processes that share it."""

    def setUp(self) -> None:
        """Make the directory."""
        self.directory = tempfile.mkdtemp(prefix="tus")
        self.addCleanup(shutil.rmtree, self.directory)

    def start(self) -> Process:
        """Start a process, and wait until it is ready."""
        return self.start_all(1)[0]

    def start_all(self, count: int, before: Sequence[str] = ()) -> list[Process]:
        """Start some at the same time, and wait until all are ready."""
        started = [Process(self, self.directory, before) for _ in range(count)]
        for process in started:
            process.expect("ready")
        return started

    def sockets(self) -> list[str]:
        """List the sockets that are there."""
        return os.listdir(os.path.join(self.directory, SOCKETS_NAME))

    def assert_kept_apart(self, one: Process, other: Process) -> None:
        """What one holds the other cannot take, and it can take it over."""
        one.take("apart")
        other.tell("try apart")
        other.expect("locked apart")
        other.tell(f"take apart {LIMIT_S}")
        one.expect("wished apart")
        one.tell("release apart")
        other.expect("took apart")
        other.tell("release apart")


class ProcessTests(ProcessCase):
    """Two or three processes."""

    def test_take_over(self) -> None:
        """They keep each other out, and take over in either direction (T-240)."""
        one, other = self.start_all(2)
        self.assert_kept_apart(one, other)
        self.assert_kept_apart(other, one)

    def test_take_over_is_quick(self) -> None:
        """From the wish to the lock it takes less than a tenth of a second."""
        one, other = self.start_all(2)
        took = []
        for _ in range(20):
            one.take("u")
            other.tell(f"take u {LIMIT_S}")
            one.expect("wished u")
            one.tell("release u")
            released = one.expect("released u")
            took.append(other.expect("took u") - released)
            other.tell("release u")
            other.expect("released u")
        self.assertLess(statistics.median(took), WAKES_S)

    def test_clean_stop(self) -> None:
        """One that stops frees what it holds, and removes its socket."""
        one, other = self.start_all(2)
        one.take("u")
        other.tell(f"take u {LIMIT_S}")
        one.expect("wished u")
        one.tell("stop")
        one.expect("stopped")
        other.expect("took u")
        self.assertEqual(len(self.sockets()), 1)

    def test_waiting_costs_nothing(self) -> None:
        """Neither who waits nor who is waited for uses the processor meanwhile."""
        one, other = self.start_all(2)
        one.take("u")
        before = [process.cpu_s() for process in (one, other)]
        other.tell("take u 3")
        one.expect("wished u")
        other.expect("locked u")
        for process, used in zip((one, other), before, strict=True):
            self.assertLess(process.cpu_s() - used, 0.03)

    def test_namespaces(self) -> None:
        """Processes of two containers that share a directory keep each other out."""
        one, other = self.start_all(2, NAMESPACES)
        self.assert_kept_apart(one, other)
        self.assert_kept_apart(other, one)
        outside = self.start()
        self.assert_kept_apart(outside, one)
        self.assert_kept_apart(other, outside)


class KilledTests(ProcessCase):
    """Processes that are killed (T-242)."""

    def test_frees_and_wakes(self) -> None:
        """A killed holder frees at once, and wakes who waits."""
        waiter, *holders = self.start_all(4)
        took = []
        for holder in holders:
            holder.take("u")
            waiter.tell(f"take u {LIMIT_S}")
            holder.expect("wished u")
            killed = holder.send(signal.SIGKILL)
            took.append(waiter.expect("took u") - killed)
            waiter.tell("release u")
        self.assertLess(min(took), WAKES_S)
        self.assertLess(max(took), 2.0)

    def test_many_locks(self) -> None:
        """So does one that held a thousand others."""
        waiter, holder = self.start_all(2)
        for i in range(1000):
            holder.tell(f"try {i}")
        holder.expect("took 999")
        waiter.tell(f"take 999 {LIMIT_S}")
        holder.expect("wished 999")
        holder.send(signal.SIGKILL)
        waiter.expect("took 999")
        waiter.tell("try 0")
        waiter.expect("took 0")

    def test_nobody_waits(self) -> None:
        """What a killed process held can be taken; its socket is removed."""
        holder, other = self.start_all(2)
        holder.take("u")
        holder.end()
        other.take("u")
        other.take("v")
        third = self.start()
        third.tell("try u")
        third.expect("locked u")
        self.assertEqual(len(self.sockets()), 2)

    def test_all_killed(self) -> None:
        """What was left by processes that were all killed is removed at a start."""
        processes = self.start_all(3)
        for process in processes:
            process.take(str(process.pid))
        for process in processes:
            process.send(signal.SIGSTOP)  # so that none removes another's
        for process in processes:
            process.end()
        self.assertEqual(len(self.sockets()), 3)
        self.start()
        self.assertEqual(len(self.sockets()), 1)

    def test_waiter_is_killed(self) -> None:
        """The wish of a killed waiter dies with it."""
        holder, waiter = self.start_all(2)
        holder.take("u")
        waiter.tell(f"take u {LIMIT_S}")
        holder.expect("wished u")
        waiter.end()
        other = self.start()
        holder.tell("release u")
        other.take("u")
        other.tell("release u")
        holder.take("u")
        before = len(holder.heard)  # its wish may have been told twice
        self.assert_kept_apart(other, self.start())
        self.assertNotIn("wished u", [line for line, _ in holder.heard[before:]])

    def test_programs_inherit_no_lock(self) -> None:
        """What a killed process has started does not keep its locks."""
        holder, other = self.start_all(2)
        holder.take("u")
        holder.tell("spawn")
        pid = int(holder.hear("spawned")[0])
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        holder.end()
        other.take("u")


class FrozenTests(ProcessCase):
    """Processes that are frozen: nobody breaks what they hold."""

    def test_holder(self) -> None:
        """Who waits for a frozen holder waits in vain, and disturbs nobody later."""
        holder, waiter = self.start_all(2)
        holder.take("u")
        holder.take("v")
        holder.send(signal.SIGSTOP)
        waiter.tell("take u 0.5")
        waiter.expect("locked u")
        holder.send(signal.SIGCONT)
        waiter.tell(f"take v {LIMIT_S}")
        holder.expect("wished v")
        # A wish may be told more than once; the one that is over is not told at all.
        self.assertEqual({line for line, _ in holder.heard} - {"wished v"}, set())
        waiter.tell("try u")
        waiter.expect("locked u")
        holder.tell("release v")
        waiter.expect("took v")

    def test_holder_thaws(self) -> None:
        """A holder that is thawed in time is told of the wish that still stands."""
        holder, waiter = self.start_all(2)
        holder.take("u")
        holder.send(signal.SIGSTOP)
        waiter.tell(f"take u {LIMIT_S}")
        waiter.cpu_s()
        holder.send(signal.SIGCONT)
        holder.expect("wished u")
        holder.tell("release u")
        waiter.expect("took u")

    def test_killed_while_frozen(self) -> None:
        """A holder that is killed while it is frozen frees what it held."""
        holder, waiter = self.start_all(2)
        holder.take("u")
        holder.send(signal.SIGSTOP)
        waiter.tell(f"take u {LIMIT_S}")
        waiter.cpu_s()
        holder.send(signal.SIGKILL)
        waiter.expect("took u")

    def test_start_beside_a_frozen_one(self) -> None:
        """One that is frozen keeps none from starting, and joins them when it thaws."""
        frozen = self.start()
        frozen.take("u")
        frozen.send(signal.SIGSTOP)
        began = time.monotonic()
        late, later = self.start_all(2)
        self.assertLess(time.monotonic() - began, 2 * MEETING_S + 5)
        self.assert_kept_apart(late, later)
        late.tell("take u 0.1")
        late.expect("locked u")
        frozen.send(signal.SIGCONT)
        late.tell(f"take u {LIMIT_S}")
        frozen.expect("wished u")
        frozen.tell("release u")
        late.expect("took u")

    def test_waiter_is_frozen(self) -> None:
        """A waiter that is frozen keeps nobody from taking what it waits for."""
        holder, waiter, other = self.start_all(3)
        holder.take("u")
        waiter.tell(f"take u {LIMIT_S}")
        holder.expect("wished u")
        waiter.send(signal.SIGSTOP)
        holder.tell("release u")
        holder.expect("released u")
        for process in (other, holder):
            process.take("u", 5)
            process.tell("release u")
            process.expect("released u")
        waiter.send(signal.SIGCONT)
        waiter.expect("took u")
