"""The lifecycle of uploads, as Twisted services."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.defer import TimeoutError as WaitedTooLong
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.logger import Logger
from twisted.python.failure import Failure

from tustwisted.disk import Disk
from tustwisted.errors import CannotListen, CannotStart
from tustwisted.lock.directory import DirectoryLock
from tustwisted.lock.memory import MemoryLocker
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.uploads.finishing import OnFinish
from tustwisted.uploads.uploads import LOCK_TIMEOUT_S, Uploads
from tustwisted.web.drain import DrainingSite

log = Logger()

GRACE_S = 7.0
"""How long a stop waits for what is going on; with the answers, less than T-241 has."""

ANSWERS_S = 2.0
"""How long a stop waits for the last answers to reach their clients."""


class StartFailed(SystemExit, Exception):
    """
    Ends the process with one sentence and status 1.

    An Exception too, so that ``twistd`` tells its parent and removes its pid file.
    """


class StillStopping(CannotStart):
    """What was started before has not come to its end yet."""

    def __str__(self) -> str:
        return "the uploads are still stopping: start them when that is over"


class UploadsService(Service):
    """
    Starts and stops the uploads that an application mounts, and nothing else.

    :param uploads: the core.
    :param disk: its threads.
    """

    def __init__(self, uploads: Uploads, disk: Disk) -> None:
        self.uploads = uploads
        self._disk = disk
        self._recovery: Deferred[None] | None = None
        self._is_stopping = False

    @classmethod
    def in_directory(
        cls,
        reactor: Any,
        directory: str,
        *,
        durability: Durability = Durability.FINISH,
        file_mode: int = 0o664,
        dir_mode: int = 0o775,
        max_size_bytes: int | None = None,
        lock_timeout_s: float = LOCK_TIMEOUT_S,
        on_finish: OnFinish | None = None,
    ) -> UploadsService:
        """
        Wire uploads that are files in a directory, for one process.

        Nothing is opened before the service starts.  The reactor provides
        ``IReactorFromThreads`` and ``IReactorTime``.  The other parameters are those of
        :class:`~tustwisted.store.file.FileStore` and
        :class:`~tustwisted.uploads.uploads.Uploads`.
        """
        disk = Disk(reactor)
        uploads = Uploads(
            FileStore(directory, disk, durability, file_mode, dir_mode),
            MemoryLocker(reactor, DirectoryLock(directory)),
            disk,
            reactor,
            max_size_bytes,
            lock_timeout_s,
            on_finish,
        )
        return cls(uploads, disk)

    def startService(self) -> None:
        """
        Take the store and the lock, then finish what a crash left unfinished.

        :raises StartFailed: the store or the locker cannot work.
        """
        super().startService()
        _fail_if_failed(self, Deferred.fromCoroutine(self.start()))
        self.recover()

    async def start(self) -> None:
        """
        Take the store and the lock.

        :raises CannotStart: the store or the locker cannot work, or is still in use by
            what has not stopped yet.
        """
        if self._is_stopping:
            raise StillStopping
        await self.uploads.start()
        self._disk.start()

    def recover(self) -> None:
        """Begin to finish what a crash left unfinished."""
        self._recovery = Deferred.fromCoroutine(self._recover())

    def stopService(self) -> Deferred[None]:
        """
        Let what arrives settle, then give back what was taken.

        :returns: fires when that is done, or after :data:`GRACE_S`: a finish step that
            does not end, or a disk that does not answer, keeps what it uses.
        """
        super().stopService()
        return Deferred.fromCoroutine(self.stop())

    async def stop(self) -> None:
        """Do what ``stopService`` does."""
        self._is_stopping = True
        stopped = Deferred.fromCoroutine(self._stop())
        try:
            await stopped.addTimeout(GRACE_S, self.uploads.clock)
        except WaitedTooLong:
            log.error("uploads are still busy after {grace_s} s", grace_s=GRACE_S)
        else:
            self._is_stopping = False

    async def _stop(self) -> None:
        await self.uploads.stop()
        if self._recovery is not None:
            await self._recovery
        await self._disk.stop()

    async def _recover(self) -> None:
        try:
            finished = await self.uploads.recover()
        except Exception:
            log.failure("looking for unfinished uploads failed")
            return
        if finished:
            log.info("{count} uploads finished after a crash", count=finished)


class DaemonService(Service):
    """
    The daemon: its uploads, and where it listens for them.

    Nothing is opened, created, locked or listened on before ``startService``, which
    ``twistd`` calls after it has forked and given up its privileges (D12).

    :param clock: measures how long the last answers take.
    :param uploads: started before it listens, stopped after.
    :param site: serves the uploads.
    :param endpoints: where to listen, by the scheme of their URLs.
    :param base_path: of the creation URL, for the line that says where it is.
    :param directory: where the uploads are, for that line.
    :param end_hard_in_time: called when a stop begins, so that it has an end whatever
        happens; what it returns is called when the stop has ended.
    :param failed: called when a start fails later than at once.
    """

    def __init__(
        self,
        *,
        clock: IReactorTime,
        uploads: UploadsService,
        site: DrainingSite,
        endpoints: Sequence[tuple[str, IStreamServerEndpoint]],
        base_path: str,
        directory: str,
        end_hard_in_time: Callable[[], Callable[[], None]],
        failed: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._uploads = uploads
        self._site = site
        self._endpoints = endpoints
        self._base_path = base_path
        self._directory = directory
        self._end_hard_in_time = end_hard_in_time
        self._failed = failed
        self._ports: list[IListeningPort] = []
        self._started: Deferred[None] | None = None

    def startService(self) -> None:
        """
        Open the store, then listen.

        :raises StartFailed: one of them cannot be done.
        """
        super().startService()
        self._started = Deferred.fromCoroutine(self._start())
        _fail_if_failed(self, self._started, self._failed)

    async def _start(self) -> None:
        await self._uploads.start()
        try:
            for scheme, endpoint in self._endpoints:
                await self._listen(scheme, endpoint)
        except BaseException:
            for port in self._ports:
                maybeDeferred(port.stopListening)  # type: ignore[unused-awaitable]
            self._ports.clear()
            await self._uploads.stop()
            raise
        self._uploads.recover()

    async def _listen(self, scheme: str, endpoint: IStreamServerEndpoint) -> None:
        try:
            port = await endpoint.listen(self._site)
        except (CannotListenError, OSError) as error:
            raise CannotListen(*_plainly(error)) from error
        self._ports.append(port)
        log.info(
            "tustwisted serves {url} and stores in {directory}",
            url=_url(scheme, port.getHost(), self._base_path),
            directory=os.path.abspath(self._directory),
        )

    def stopService(self) -> Deferred[None]:
        """Stop in the order of D12."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        has_ended = self._end_hard_in_time()
        if self._started is not None:
            self._started.cancel()
        for port in self._ports:
            await maybeDeferred(port.stopListening)
        self._ports.clear()
        drained = self._site.drain()
        await self._uploads.stop()
        with suppress(WaitedTooLong):
            await drained.addTimeout(ANSWERS_S, self._clock)
        self._site.abort()
        has_ended()


def _url(scheme: str, address: IAddress, path: str) -> str:
    """Name the creation URL at an address; of a UNIX socket, the socket."""
    if isinstance(address, IPv4Address):
        return f"{scheme}://{address.host}:{address.port}{path}"
    if isinstance(address, IPv6Address):
        return f"{scheme}://[{address.host}]:{address.port}{path}"
    return f"{path} on {address}"


def _plainly(error: CannotListenError | OSError) -> tuple[str, str]:
    """Say where could not be listened, and why."""
    if isinstance(error, OSError):  # of the lock file beside a UNIX socket
        path = error.filename2 or error.filename or "the socket"
        return os.fsdecode(path), str(error.strerror)
    reason = getattr(error.socketError, "strerror", None) or error.socketError
    if isinstance(error.port, int):
        return f"{error.interface or 'any'}:{error.port}", str(reason)
    return str(error.port), str(reason)


def _fail_if_failed(
    service: Service, started: Deferred[None], failed: Callable[[], None] | None = None
) -> None:
    """
    Turn a start that fails at once into the sentence that ends the process.

    :param failed: called when it fails later: an endpoint, or a store of somebody's
        own, may take its time.
    """
    failures: list[Failure] = []

    def fail(failure: Failure) -> None:
        service.running = 0
        failures.append(failure)
        if is_late and not failure.check(CancelledError):
            log.critical("{problem}", problem=f"tustwisted: {failure.value}")
            if failed is not None:
                failed()

    is_late = False
    started.addErrback(fail)  # type: ignore[unused-awaitable]
    is_late = True
    for failure in failures:
        if not isinstance(failure.value, CannotStart):
            failure.raiseException()
        raise StartFailed(f"tustwisted: {failure.value}") from failure.value
