"""Where blocking calls run, on real threads."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from tustwisted.disk import THREADS, Disk
from tustwisted.interfaces import IDisk
from tustwisted.patience import CONTENDED_S, LOST_S, SPARED_S


class DiskTests(TestCase):
    """Quick calls stay in the reactor, all others go to their pool."""

    timeout = 20

    def setUp(self) -> None:
        """Start a disk whose time is set by hand."""
        self.now = 0.0
        self.waits = 0
        self.disk = Disk(reactor, lambda: self.now, lambda: self.waits)  # type: ignore[arg-type]  # zope's
        self.disk.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.disk.stop()))

    def test_provides_its_interface(self) -> None:
        """Disk provides IDisk."""
        self.assertTrue(verifyObject(IDisk, self.disk))

    async def test_quick_calls_run_in_place(self) -> None:
        """A quick call runs in the reactor's thread."""
        self.assertIs(
            await self.disk.quick(threading.current_thread), threading.main_thread()
        )

    async def test_short_calls_do_not_wait_for_long_writes(self) -> None:
        """With all that write at work, a short call of a slow disk has its thread."""
        await self.run_quick(LOST_S)
        await self.run_quick(LOST_S)
        go_on = self.write_meanwhile(THREADS)
        self.assertFalse(await self.run_quick())
        await go_on()

    def write_meanwhile(self, count: int) -> Callable[[], Awaitable[None]]:
        """Occupy threads that write, until what is returned is awaited."""
        goes_on = threading.Event()
        self.addCleanup(goes_on.set)
        began = threading.Semaphore(0)

        def work() -> bool:
            began.release()
            return goes_on.wait(10)

        writes = [Deferred.fromCoroutine(self.disk.write(work)) for _ in range(count)]
        self.assertTrue(began.acquire(timeout=10))

        async def go_on() -> None:
            goes_on.set()
            self.assertEqual([await write for write in writes], [True] * count)

        return go_on

    async def test_the_interpreter_is_no_slow_disk(self) -> None:
        """A call may wait for the lock of threads that write; so it is borne longer."""
        go_on = self.write_meanwhile(1)
        for _ in range(100):
            await self.run_quick(CONTENDED_S / 2)
        self.assertTrue(await self.run_quick())
        for _ in range(3):
            await self.run_quick(CONTENDED_S + 0.001)
        self.assertFalse(await self.run_quick())
        await go_on()

    async def test_small_waits_add_up(self) -> None:
        """With no thread that writes shorter calls count, too."""
        for _ in range(10):
            await self.run_quick(LOST_S / 5)
        self.assertFalse(await self.run_quick())

    async def run_quick(self, took_s: float = 0.0, *, waits: bool = True) -> bool:
        """Make one short call; tell whether it ran in the reactor's thread."""

        def call() -> bool:
            self.now += took_s
            self.waits += waits
            return threading.current_thread() is threading.main_thread()

        return await self.disk.quick(call)

    async def test_slow_disk_spares_the_reactor(self) -> None:
        """When calls have waited for too long they go to threads, and come back."""
        await self.run_quick(LOST_S)
        await self.run_quick(LOST_S)
        thread = await self.disk.quick(threading.current_thread)
        self.assertTrue(thread.name.startswith("PoolThread-tustwisted-quick"))
        self.now += SPARED_S
        self.assertTrue(await self.run_quick())

    async def test_calls_that_did_not_wait_are_no_slow_disk(self) -> None:
        """Who was only displaced by another process goes on in the reactor."""
        for _ in range(100):
            await self.run_quick(LOST_S, waits=False)
        self.assertTrue(await self.run_quick())

    async def test_calls_in_threads_do_not_count(self) -> None:
        """What a thread waits for, were it the interpreter, keeps no call away."""
        await self.run_quick(LOST_S)
        await self.run_quick(LOST_S)
        self.assertFalse(await self.run_quick(SPARED_S))
        self.assertTrue(await self.run_quick())

    async def test_writing_and_syncing_have_threads_of_their_own(self) -> None:
        """A sync never takes the thread of a write, nor the reverse."""
        written = await self.disk.write(threading.current_thread)
        synced = await self.disk.sync(threading.current_thread)
        self.assertTrue(written.name.startswith("PoolThread-tustwisted-write"))
        self.assertTrue(synced.name.startswith("PoolThread-tustwisted-sync"))

    async def test_threads_keep_no_process_alive(self) -> None:
        """A process can end although nobody has stopped the disk."""
        for run in (self.disk.write, self.disk.sync, self.disk.read, self.disk.copy):
            thread = await run(threading.current_thread)
            self.assertTrue(thread.daemon)

    async def test_failure_of_a_call_comes_back(self) -> None:
        """What a call raises in a thread is raised where it is awaited."""

        def fail() -> None:
            raise OSError("no")

        with self.assertRaises(OSError):
            await self.disk.write(fail)

    async def test_runs_in_place_while_stopped(self) -> None:
        """Before start and after stop calls run in place, so that a start can fail."""
        disk = Disk(reactor)  # type: ignore[arg-type]  # provided by zope
        self.assertIs(
            await disk.sync(threading.current_thread), threading.main_thread()
        )

    async def test_stop_waits_for_what_runs(self) -> None:
        """Stop returns only when the calls in flight have ended."""
        began, ended = threading.Event(), threading.Event()

        def work() -> None:
            began.set()
            ended.wait(0.2)
            ended.set()

        done = Deferred.fromCoroutine(self.disk.write(work))
        began.wait(5)
        await self.disk.stop()
        self.assertTrue(ended.is_set())
        await done

    async def test_reactor_goes_on_while_it_stops(self) -> None:
        """Threads are not joined in the reactor's thread."""
        may_end = threading.Event()
        done = Deferred.fromCoroutine(self.disk.write(lambda: may_end.wait(20)))
        stopped = Deferred.fromCoroutine(self.disk.stop())
        self.assertFalse(stopped.called)
        may_end.set()
        await stopped
        await done

    async def test_can_be_started_again(self) -> None:
        """A disk that was stopped works when it is started anew."""
        await self.disk.stop()
        self.disk.start()
        thread = await self.disk.write(threading.current_thread)
        self.assertTrue(thread.name.startswith("PoolThread-tustwisted-write"))
