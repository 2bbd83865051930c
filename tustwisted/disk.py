"""
Where calls that block run: in the reactor while the disk is quick, else in threads.

Each kind of work has a pool of its own, so that an fsync of one upload, or the copying
of a large one, never keeps the bytes of another one waiting, nor the turns of those
that flow a short call (DESIGN D7).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from threading import Thread
from typing import ParamSpec, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

from tustwisted.interfaces import IDisk
from tustwisted.patience import CONTENDED_S, LONG_S, Patience, times_waited

_P = ParamSpec("_P")
_T = TypeVar("_T")

THREADS = 4
"""In each pool: enough to keep a disk busy, few enough to share two cores."""


def _writers() -> int:
    """Count the threads that write: mostly they copy, which takes a processor each."""
    return min(THREADS, max(2, os.cpu_count() or 2))


class _Pool(ThreadPool):
    """
    A pool whose threads end with the process although nobody stopped the pool.

    Nobody does when another part of the application fails to start.
    """

    threadFactory = staticmethod(partial(Thread, daemon=True))  # type: ignore[assignment]


@implementer(IDisk)
@define(eq=False, repr=False)
class Disk:
    """
    The calls of one store.

    Before ``start`` and after ``stop`` they run in place: a service that starts may be
    ahead of the reactor, and what fails then should end it with a sentence.

    :param times_waited: counts how often the thread that calls it has waited so far.
    """

    _reactor: IReactorFromThreads
    _seconds: Callable[[], float] = time.monotonic
    _times_waited: Callable[[], int] = times_waited
    _patience: Patience = field(init=False, factory=Patience)
    _pools: dict[str, ThreadPool] = field(init=False, factory=dict)

    def start(self) -> None:
        """Use threads from now on."""
        for kind in ("quick", "write", "sync", "read", "copy"):
            threads = _writers() if kind == "write" else THREADS
            self._pools[kind] = _Pool(0, threads, f"tustwisted-{kind}")
            self._pools[kind].start()

    async def stop(self) -> None:
        """
        Join the threads, not in the reactor: ends when what they are at has ended.

        Harmless when not started.
        """
        pools = list(self._pools.values())
        self._pools.clear()
        joined: Deferred[None] = Deferred()

        def join() -> None:
            for pool in pools:
                pool.stop()
            self._reactor.callFromThread(joined.callback, None)

        if any(pool.threads for pool in pools):
            Thread(target=join, daemon=True).start()
            await joined
        else:
            for pool in pools:
                pool.stop()

    async def quick(
        self, f: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Run a short call; see :class:`tustwisted.interfaces.IDisk`."""
        began_s = self._seconds()
        if began_s < self._patience.spared_until_s:
            return await self._in_thread("quick", f, *args, **kwargs)
        waited = self._times_waited()
        try:
            return f(*args, **kwargs)
        finally:
            ended_s = self._seconds()
            took_s = ended_s - began_s
            if took_s > LONG_S and self._is_to_blame(took_s, waited):
                self._patience.waited(took_s, ended_s)

    def _is_to_blame(self, took_s: float, waited_before: int) -> bool:
        """Tell whether the disk may be what a long call in the reactor waited for."""
        if self._times_waited() == waited_before:
            return False
        writers = self._pools.get("write")
        return took_s > CONTENDED_S or writers is None or not writers.working

    async def write(
        self, f: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Run a call that moves many bytes; see :class:`~.interfaces.IDisk`."""
        return await self._in_thread("write", f, *args, **kwargs)

    async def sync(
        self, f: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Run a call that waits for the device; see :class:`~.interfaces.IDisk`."""
        return await self._in_thread("sync", f, *args, **kwargs)

    async def read(
        self, f: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Run a call that reads bytes; see :class:`~tustwisted.interfaces.IDisk`."""
        return await self._in_thread("read", f, *args, **kwargs)

    async def copy(
        self, f: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Run a call that takes long; see :class:`tustwisted.interfaces.IDisk`."""
        return await self._in_thread("copy", f, *args, **kwargs)

    async def _in_thread(
        self,
        kind: str,
        f: Callable[_P, _T],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _T:
        pool = self._pools.get(kind)
        if pool is None:
            return f(*args, **kwargs)
        return await deferToThreadPool(self._reactor, pool, f, *args, **kwargs)
