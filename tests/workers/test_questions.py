"""What a supervisor tells of its workers, by real sockets."""

from __future__ import annotations

import os
import socket

from attrs import define, field
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.integration.workers import open_files
from tustwisted.metrics import table
from tustwisted.metrics.counts import Counts
from tustwisted.vitals import IVitals
from tustwisted.workers import questions
from tustwisted.workers.questions import Answering, WorkersVitals, answer_at


def sockets() -> set[str]:
    """Name the sockets that this process has open."""
    return {name for name in open_files(os.getpid()) if name.startswith("socket:")}


@implementer(IVitals)
@define(eq=False)
class Worker:
    """How one worker is; the test says it."""

    said: list[str] = field(factory=list)
    created: int = 0
    silence: Deferred[None] | None = None
    asked: int = 0

    async def problems(self) -> list[str]:
        self.asked += 1
        if self.silence is not None:
            await self.silence
        return self.said

    async def counts(self) -> Counts:
        counts = Counts()
        counts.add(table.CREATED, by=self.created)
        counts.put(table.CONNECTIONS, value=1)
        counts.put(table.FREE_BYTES, value=self.created)
        return counts


class WorkersVitalsTests(TestCase):
    """Several workers, as one."""

    timeout = 30

    def setUp(self) -> None:
        self.vitals = WorkersVitals(reactor)
        verifyObject(IVitals, self.vitals)
        self.ends: dict[int, socket.socket] = {}

    def begin(self, number: int, worker: Worker) -> None:
        """Let a worker begin."""
        ours, theirs = socket.socketpair()
        self.ends[number] = theirs.dup()
        self.vitals.ask_at(number, ours)
        answer_at(reactor, theirs.detach(), worker)
        self.addCleanup(self.end, number)

    async def end(self, number: int) -> None:
        """End a worker, however often."""
        end = self.ends.pop(number, None)
        if end is not None:
            with end:
                end.shutdown(socket.SHUT_RDWR)
            while number in self.vitals._lines:
                await deferLater(reactor, 0)
            await deferLater(reactor, 0)  # the other end takes note, too

    async def numbers(self) -> dict[str, float]:
        """What is counted, without labels."""
        counts = await self.vitals.counts()
        return {
            metric.name.removeprefix("tustwisted_"): numbers[0]
            for metric in (table.CREATED, table.CONNECTIONS, table.FREE_BYTES)
            for _, numbers in counts.of(metric)
        }

    async def test_counts(self) -> None:
        """They are added; what all see alike is told once."""
        self.begin(1, Worker(created=5))
        self.begin(2, Worker(created=7))
        self.assertEqual(
            await self.numbers(),
            {"uploads_created_total": 12, "connections": 2, "free_bytes": 7},
        )

    async def test_counts_of_who_has_ended(self) -> None:
        """A worker that another one replaces takes nothing away but its gauges."""
        self.begin(1, Worker(created=5))
        self.begin(2, Worker(created=7))
        await self.numbers()
        await self.end(1)
        self.assertEqual(
            await self.numbers(),
            {"uploads_created_total": 12, "connections": 1, "free_bytes": 7},
        )
        self.begin(1, Worker(created=1))
        self.assertEqual((await self.numbers())["uploads_created_total"], 13)
        self.assertEqual((await self.numbers())["uploads_created_total"], 13)

    async def test_readiness(self) -> None:
        """One worker that is ready is enough; if none is, each says why."""
        one, other = Worker(["store: full"]), Worker()
        self.begin(1, one)
        self.begin(2, other)
        self.assertEqual(await self.vitals.problems(), [])
        other.said = ["store: full", "locks: does not work"]
        self.assertEqual(
            await self.vitals.problems(),
            [
                "worker 1: store: full",
                "worker 2: store: full",
                "worker 2: locks: does not work",
            ],
        )

    async def test_silence(self) -> None:
        """A worker that hangs is waited for, and is not asked twice."""
        self.patch(questions, "PATIENCE_S", 0.05)
        silent = Worker(silence=Deferred(), created=5)
        self.begin(1, silent)
        for _ in range(2):
            self.assertEqual(
                await self.vitals.problems(), ["worker 1: does not answer"]
            )
        self.assertEqual(silent.asked, 1)
        self.assertEqual((await self.numbers())["uploads_created_total"], 5)
        assert silent.silence is not None
        silent.silence.callback(None)
        self.assertEqual(await self.vitals.problems(), [])

    async def test_end_while_it_is_asked(self) -> None:
        """A worker that ends instead of answering does not answer."""
        self.begin(1, Worker(silence=Deferred()))
        asking = Deferred.fromCoroutine(self.vitals.problems())
        await deferLater(reactor, 0.01)
        await self.end(1)
        self.assertEqual(await asking, ["worker 1: does not answer"])
        self.assertEqual(await self.vitals.problems(), ["workers: none of them runs"])

    async def test_nothing_blocks(self) -> None:
        """Neither end waits for the other one while it writes."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self.vitals.ask_at(1, ours.dup())
            answer_at(reactor, theirs.dup().detach(), Worker())
            self.assertFalse(os.get_blocking(ours.fileno()))
            self.assertFalse(os.get_blocking(theirs.fileno()))
            self.ends[1] = ours.dup()
            await self.end(1)

    async def test_nothing_stays_open(self) -> None:
        """After the end of a worker the supervisor has no socket of it."""
        before = sockets()
        self.begin(1, Worker())
        await self.vitals.problems()
        await self.end(1)
        for _ in range(100):  # the worker's end, which is here as well, takes its time
            if sockets() == before:
                return
            await deferLater(reactor, 0.01)
        self.fail("a socket stays open")

    def test_failure(self) -> None:
        """What a worker cannot tell it logs."""
        worker = Answering(Worker(silence=Deferred()))
        worker.lineReceived(b"problems")
        vitals = worker._vitals
        assert isinstance(vitals, Worker)
        assert vitals.silence is not None
        vitals.silence.errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
