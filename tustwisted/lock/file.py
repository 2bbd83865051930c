"""
What keeps the processes of one machine off each other's uploads.

The locks are the kernel's (:mod:`tustwisted.lock.kernel`), so none outlives its holder
and none is ever broken; the processes wake each other
(:mod:`tustwisted.lock.peers`), so none of them polls.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from zope.interface import implementer

from tustwisted.errors import (
    LockerUnusable,
    LocksUnavailable,
    TusError,
    UploadLocked,
)
from tustwisted.lock.filelock import FileLock
from tustwisted.lock.filesystem import network_filesystem
from tustwisted.lock.kernel import ByteLocks, byte_of_upload, has_byte_locks
from tustwisted.lock.peers import Peers
from tustwisted.lock.shared import IProcessLock, IProcessLocks
from tustwisted.lock.sockets import Sockets
from tustwisted.outcome import Outcome
from tustwisted.waiting import Bell, WaitedTooLong, within

log = Logger()

LOCKS_NAME = ".tustwisted.locks"
"""No upload id begins with a dot, so no upload ever meets this file."""


GIVING_WAY_S = 0.05
"""
How long who comes lets those go first that wait in other processes, seconds.

So one whose clients come again and again does not shut the others out.  They take what
is free within a millisecond, unless they are frozen.
"""


@define(eq=False, repr=False)
class _Open:
    """What is open between start and stop."""

    kernel: ByteLocks
    sockets: Sockets
    peers: Peers


@implementer(IProcessLocks)
@define(eq=False, repr=False)
class FileLocks:
    """
    Locks for the processes of one machine that share a directory; needs Linux.

    :param directory: of the uploads.  A file and a directory with hidden names are
        kept there.
    :param reactor: provides ``IReactorTime``, ``IReactorUNIX``, ``IReactorSocket``.
    :param network_filesystem: names the file system of a directory if other machines
        may use it too.
    :param has_byte_locks: this system has :class:`tustwisted.lock.kernel.ByteLocks`.
    """

    is_leasing = False

    _directory: str
    _reactor: Any
    _network_filesystem: Callable[[str], str | None] = network_filesystem
    _has_byte_locks: bool = field(factory=has_byte_locks)
    _wished: Callable[[str], None] = field(init=False)
    _open: _Open | None = field(init=False, default=None)
    _stopping: Outcome[None] | None = field(init=False, default=None)
    _held: dict[int, FileLock] = field(init=False, factory=dict)
    _waiting: dict[int, Bell] = field(init=False, factory=dict)
    _wanted_early: list[FileLock] = field(init=False, factory=list)
    _telling: IDelayedCall | None = field(init=False, default=None)

    async def start(self, wished: Callable[[str], None]) -> None:
        """See :meth:`tustwisted.lock.shared.IProcessLocks.start`."""
        if not self._has_byte_locks:
            raise LockerUnusable(self._directory, "the file locker needs Linux")
        self._wished, self._stopping = wished, None
        try:
            self._open = self._opened()
            await self._open.peers.start()
        except (OSError, CannotListenError) as error:
            await self.stop()
            raise LockerUnusable(self._directory, _plainly(error)) from error
        except BaseException:
            await self.stop()
            raise
        self._warn_of_network()

    def _opened(self) -> _Open:
        os.makedirs(self._directory, exist_ok=True)
        kernel = ByteLocks.open(os.path.join(self._directory, LOCKS_NAME))
        try:
            sockets = Sockets.open(self._directory)
        except BaseException:
            kernel.close()
            raise
        peers = Peers(self._reactor, kernel, sockets, self._wish_heard, self._ring)
        return _Open(kernel, sockets, peers)

    def _warn_of_network(self) -> None:
        name = self._network_filesystem(self._directory)
        if name is not None:
            log.warn(
                "{directory} lies on a network file system ({name}): processes of "
                "other machines are not kept apart by --locker file; if there are "
                "any, use --locker redis://...",
                directory=self._directory,
                name=name,
            )

    async def stop(self) -> None:
        """
        See :meth:`tustwisted.lock.shared.IProcessLocks.stop`.

        All is let go of before the others see the connections end: then they try again.
        """
        if self._open is None:
            return
        if self._stopping is None:
            self._stopping = Outcome.of(self._let_go(self._open))
        await self._stopping.wait()

    async def _let_go(self, running: _Open) -> None:
        await running.peers.stop_listening()
        running.kernel.close()
        self._forget_all()
        running.peers.leave()
        await running.peers.all_left()
        running.sockets.close()
        self._open = None

    def _forget_all(self) -> None:
        held, self._held = self._held, {}
        for lock in held.values():
            lock.lose()
        self._ring(None)
        self._wanted_early.clear()
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None

    # -- taking ------------------------------------------------------------------------

    def take(self, upload_id: str, timeout_s: float) -> Deferred[IProcessLock]:
        """See :meth:`tustwisted.lock.shared.IProcessLocks.take`."""
        byte = byte_of_upload(upload_id)
        try:
            lock = self._take_free(upload_id, byte)
        except TusError:
            return fail()
        if lock is not None:
            return succeed(lock)
        return Deferred.fromCoroutine(self._take_later(upload_id, byte, timeout_s))

    def _take_free(self, upload_id: str, byte: int) -> FileLock | None:
        if byte in self._waiting:  # by another id of the same byte
            raise UploadLocked(0)
        if self._running().peers.is_wanted(byte):
            return None
        return self._try(upload_id, byte)

    async def _take_later(
        self, upload_id: str, byte: int, timeout_s: float
    ) -> IProcessLock:
        waiting = self._wait(upload_id, byte, timeout_s)
        try:
            return await within(timeout_s, waiting, self._reactor)
        except WaitedTooLong:
            raise UploadLocked(timeout_s) from None

    async def try_take(self, upload_id: str) -> IProcessLock | None:
        """See :meth:`tustwisted.lock.shared.IProcessLocks.try_take`."""
        return self._try(upload_id, byte_of_upload(upload_id))

    async def _wait(self, upload_id: str, byte: int, timeout_s: float) -> IProcessLock:
        """Let all others know, and try again whenever one of them says it is free."""
        peers = self._running().peers
        bell = self._waiting[byte] = Bell()
        peers.want(byte, timeout_s)
        try:
            if peers.is_wanted(byte):
                with suppress(WaitedTooLong):
                    await within(GIVING_WAY_S, bell.rung(), self._reactor)
            lock = self._try(upload_id, byte)
            while lock is None:
                await bell.rung()
                lock = self._try(upload_id, byte)
            return lock
        finally:
            del self._waiting[byte]
            peers.unwant(byte)

    def _try(self, upload_id: str, byte: int) -> FileLock | None:
        running = self._running()
        try:
            if byte in self._held or not running.kernel.try_lock(byte):
                return None
        except OSError as error:
            raise LocksUnavailable from error
        lock = self._held[byte] = FileLock(upload_id, byte, self._release)
        if running.peers.is_wanted(byte):
            self._tell_soon(lock)
        return lock

    def _running(self) -> _Open:
        if self._open is None or self._stopping is not None:
            raise LocksUnavailable
        return self._open

    def _release(self, lock: FileLock) -> None:
        assert self._open is not None, "what is stopped holds nothing"
        del self._held[lock.byte]
        self._open.kernel.unlock(lock.byte)
        self._open.peers.free(lock.byte)

    # -- who else wants it -------------------------------------------------------------

    def _wish_heard(self, byte: int) -> bool:
        lock = self._held.get(byte)
        if lock is not None:
            self._tell(lock)
        return lock is not None

    def _tell(self, lock: FileLock) -> None:
        try:
            self._wished(lock.upload_id)
        except Exception:
            log.failure("a holder of a lock failed when it was asked for it")

    def _tell_soon(self, lock: FileLock) -> None:
        """Tell that it was wanted already, after its holder has got it."""
        self._wanted_early.append(lock)
        if self._telling is None:
            self._telling = self._reactor.callLater(0, self._tell_early)

    def _tell_early(self) -> None:
        self._telling = None
        early, self._wanted_early = self._wanted_early, []
        assert self._open is not None, "a stop cancels this call"
        for lock in early:
            is_held = self._held.get(lock.byte) is lock
            if is_held and self._open.peers.is_wanted(lock.byte):
                self._tell(lock)

    def _ring(self, byte: int | None) -> None:
        """Wake who waits for a byte, or for any."""
        if byte is None:
            for bell in list(self._waiting.values()):
                bell.ring()
        elif byte in self._waiting:
            self._waiting[byte].ring()


def _plainly(error: OSError | CannotListenError) -> str:
    number = (error if isinstance(error, OSError) else error.socketError).errno
    return os.strerror(number or 0).lower()
