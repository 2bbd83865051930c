"""The lifecycle of uploads, as Twisted services."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from tustwisted.abilities import IFences, IPlaces
from tustwisted.disk import Disk
from tustwisted.errors import CannotStart
from tustwisted.hooks.interfaces import IOutbox
from tustwisted.hooks.settings import HookSettings
from tustwisted.hooks.telling import make_outbox
from tustwisted.housekeeping import Housekeeper
from tustwisted.interfaces import IDataStore, IHook, ILocker, IRereads
from tustwisted.lock.directory import DirectoryLock, name_of
from tustwisted.lock.memory import MemoryLocker
from tustwisted.observing import UNOBSERVED, IObserver
from tustwisted.protocol.events import EventType
from tustwisted.protocol.expiration import Expiration
from tustwisted.protocol.extensions import Extension
from tustwisted.protocol.filenames import Placing
from tustwisted.starting import fail_if_failed
from tustwisted.stopping import SHUTDOWN_TIMEOUT_S, StopTimes
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.store.filesystem import doubts_of
from tustwisted.uploads.limits import LOCK_TIMEOUT_S, Limits
from tustwisted.uploads.uploads import Uploads
from tustwisted.waiting import WaitedTooLong, within

log = Logger()


REREAD_S: Final = 10.0
"""How long a hook may take to read again, before the next one does."""


class StillStopping(CannotStart):
    """What was started before has not come to its end yet."""

    def __str__(self) -> str:
        return "the uploads are still stopping: start them when that is over"


class UploadsService(Service):
    """
    Starts and stops the uploads that an application mounts, and nothing else.

    :param uploads: the core.
    :param disk: its threads.
    :param directory: of these uploads, by which one process keeps house for all that
        share it; ``None``: all that share the locker share the uploads.
    :param doubts: says what is doubtful about where they are kept; blocks for a moment.
    :param stop_times: how long the steps of a stop may take.
    """

    def __init__(
        self,
        uploads: Uploads,
        disk: Disk,
        directory: str | None = None,
        doubts: Callable[[], Iterable[str]] = tuple,
        stop_times: StopTimes = StopTimes(),  # noqa: B008
    ) -> None:
        self.uploads = uploads
        self._stop_times = stop_times
        self._disk = disk
        self._directory = directory
        self._doubts = doubts
        self._housekeeper = Housekeeper(uploads, uploads.clock)
        self._is_stopping = False

    @classmethod
    def in_directory(
        cls,
        reactor: Any,
        directory: str,
        *,
        locker: ILocker | None = None,
        durability: Durability = Durability.FINISH,
        file_mode: int = 0o664,
        dir_mode: int = 0o775,
        max_size_bytes: int | None = None,
        lock_timeout_s: float = LOCK_TIMEOUT_S,
        hooks: Sequence[IHook] = (),
        hook_settings: HookSettings = HookSettings(),  # noqa: B008
        placing: Placing | None = None,
        finished_directory: str | None = None,
        switched_off: Collection[Extension] = (),
        expire_after_s: float | None = None,
        expire_finished_after_s: float | None = None,
        observer: IObserver = UNOBSERVED,
        shutdown_timeout_s: float = SHUTDOWN_TIMEOUT_S,
    ) -> UploadsService:
        """
        Wire uploads that are files in a directory.

        Nothing is opened before the service starts.  The reactor provides
        ``IReactorFromThreads`` and ``IReactorTime``.

        :param locker: keeps writers apart; by default it lets no other process use
            the directory.  :func:`tustwisted.lockers.make_locker` makes others.
        :param hooks: what they are to be told is kept in the directory until then.
        :param placing: what becomes of finished files, in ``finished_directory``.
        :param shutdown_timeout_s: how long a whole stop may take, of which this has the
            greater part: the rest is for the last answers.

        The other parameters are those of
        :class:`~tustwisted.store.file.FileStore`,
        :class:`~tustwisted.uploads.uploads.Uploads` and
        :class:`~tustwisted.protocol.expiration.Expiration`.
        """
        if (placing is None) is not (finished_directory is None):
            raise ValueError("placing and finished_directory need each other")
        disk = Disk(reactor)
        outbox = None
        if hooks:
            outbox = make_outbox(directory, disk, durability, hook_settings)
        service = cls.with_store(
            reactor,
            FileStore(
                directory,
                disk,
                durability,
                file_mode,
                dir_mode,
                finished_directory=finished_directory,
            ),
            disk,
            directory,
            locker=locker,
            max_size_bytes=max_size_bytes,
            lock_timeout_s=lock_timeout_s,
            hooks=hooks,
            hook_settings=hook_settings,
            outbox=outbox,
            placing=placing,
            switched_off=switched_off,
            expire_after_s=expire_after_s,
            expire_finished_after_s=expire_finished_after_s,
            observer=observer,
            shutdown_timeout_s=shutdown_timeout_s,
        )
        service._doubts = partial(doubts_of, directory, durability, max_size_bytes)
        return service

    @classmethod
    def with_store(
        cls,
        reactor: Any,
        store: IDataStore,
        disk: Disk,
        directory: str | None,
        *,
        locker: ILocker | None = None,
        max_size_bytes: int | None = None,
        lock_timeout_s: float = LOCK_TIMEOUT_S,
        hooks: Sequence[IHook] = (),
        hook_settings: HookSettings = HookSettings(),  # noqa: B008
        outbox: IOutbox | None = None,
        placing: Placing | None = None,
        switched_off: Collection[Extension] = (),
        expire_after_s: float | None = None,
        expire_finished_after_s: float | None = None,
        observer: IObserver = UNOBSERVED,
        shutdown_timeout_s: float = SHUTDOWN_TIMEOUT_S,
    ) -> UploadsService:
        """
        Wire uploads that a store of one's own keeps.

        Nothing is opened before the service starts, which starts the store too.

        :param reactor: as for :meth:`in_directory`.
        :param store: not started yet.
        :param disk: the one that the store was given; the service starts and stops it.
        :param directory: held against other processes while the service runs, and made
            if it is missing; ``None``: no other process can reach these uploads, or the
            store itself keeps a second one out.  Unused where there is a locker.
        :param locker: as for :meth:`in_directory`; not started yet.
        :param outbox: keeps what hooks are to be told; by default in the directory, or
            where there is none only as long as this process lives.
        :param expire_after_s: as for :meth:`in_directory`; only for a store that
            provides :class:`~tustwisted.abilities.ISweeps`.
        :param expire_finished_after_s: as before.
        :param shutdown_timeout_s: as for :meth:`in_directory`.
        """
        stop_times = StopTimes(shutdown_timeout_s)
        if placing is not None and not IPlaces.providedBy(store):
            raise ValueError("placing needs a store that provides IPlaces")
        if hooks and outbox is None and directory is not None:
            outbox = make_outbox(directory, disk, Durability.FINISH, hook_settings)
        if locker is None:
            held = None if directory is None else DirectoryLock(directory)
            locker = MemoryLocker(reactor, held)
        uploads = Uploads(
            store,
            locker,
            disk,
            reactor,
            max_size_bytes,
            lock_timeout_s,
            hooks,
            hook_settings,
            outbox,
            placing,
            switched_off=switched_off,
            expiration=_expiration(hooks, expire_after_s, expire_finished_after_s),
            observer=observer,
            stop_times=stop_times,
        )
        return cls(uploads, disk, directory, stop_times=stop_times)

    def startService(self) -> None:
        """
        Take the store and the lock, then do what :meth:`keep_house` does.

        :raises StartFailed: the store or the locker cannot work.
        """
        super().startService()
        fail_if_failed(self, Deferred.fromCoroutine(self._begin()))

    async def _begin(self) -> None:
        await self.start()
        self.warn_of_place()
        self.keep_house()

    async def start(self) -> None:
        """
        Take the store and the lock.

        :raises CannotStart: the store or the locker cannot work, or is still in use by
            what has not stopped yet.
        """
        if self._is_stopping:
            raise StillStopping
        if self.uploads.locker.is_leasing and not IFences.providedBy(
            self.uploads.store
        ):
            log.warn(
                "this store cannot shut out a process that was frozen past its lease: "
                "two may write to one upload then"
            )
        await self.uploads.start()
        if self.uploads.locker.is_leasing and self._directory is not None:
            self._housekeeper.house = f".{name_of(self._directory)}"
        self._disk.start()

    def warn_of_place(self) -> None:
        """Say in the log what is doubtful about where the uploads are kept."""
        for doubt in self._doubts():
            log.warn("{doubt}", doubt=doubt)

    def keep_house(self, recovers: bool = True) -> None:
        """
        Begin to finish what a crash left unfinished, and to sweep from time to time.

        Of several processes with the same uploads one does that (D10).

        :param recovers: see :meth:`tustwisted.housekeeping.Housekeeper.start`.
        """
        self._housekeeper.start(recovers)

    def limit(
        self,
        *,
        max_size_bytes: int | None = None,
        lock_timeout_s: float = LOCK_TIMEOUT_S,
        expire_after_s: float | None = None,
        expire_finished_after_s: float | None = None,
    ) -> None:
        """
        Let other limits hold from now on, all of them, whether it runs or not.

        The parameters are those of :meth:`with_store`.
        """
        expiration = _expiration(
            self.uploads.hooks, expire_after_s, expire_finished_after_s
        )
        limits = Limits(max_size_bytes, lock_timeout_s, expiration)
        has_changed = limits.expiration != self.uploads.expiration
        self.uploads.limit(limits)
        if has_changed:
            self._housekeeper.sweep_soon()

    async def reread(self) -> None:
        """Let the hooks read again what they can: tokens, keys, secrets."""
        for hook in self.uploads.hooks:
            if IRereads.providedBy(hook):
                await self._reread(hook)

    async def _reread(self, hook: IHook) -> None:
        try:
            await within(REREAD_S, IRereads(hook).reread(), self.uploads.clock)
        except WaitedTooLong:
            log.error("hook {hook} still reads after {s} s", hook=hook.name, s=REREAD_S)
        except Exception:  # an edge: it keeps no other one from reading
            log.failure("hook {hook} could not read again", hook=hook.name)

    def stopService(self) -> Deferred[None]:
        """
        Let what arrives settle, tell what is due, then give back what was taken.

        :returns: fires when that is done, or when its time is over: a finish step that
            does not end, or a disk that does not answer, keeps what it uses.
        """
        super().stopService()
        return Deferred.fromCoroutine(self.stop())

    @property
    def is_stopping(self) -> bool:
        """What a stop began has not come to its end."""
        return self._is_stopping

    async def stop(self) -> None:
        """Do what ``stopService`` does."""
        self._is_stopping = True
        limit_s = self._stop_times.uploads_s
        try:
            await within(limit_s, self._stop(), self.uploads.clock)
        except WaitedTooLong:
            log.error("uploads are still busy after {limit_s} s", limit_s=limit_s)
        else:
            self._is_stopping = False

    async def _stop(self) -> None:
        clock = self.uploads.clock
        told_until_s = clock.seconds() + self._stop_times.telling_s
        await self.uploads.settle()
        await self._housekeeper.finish(told_until_s - clock.seconds())
        self._housekeeper.stop()
        await self.uploads.stop()
        await self._housekeeper.stopped()
        await self._disk.stop()


def _expiration(
    hooks: Sequence[IHook],
    expire_after_s: float | None,
    expire_finished_after_s: float | None,
) -> Expiration:
    return Expiration(
        expire_after_s,
        expire_finished_after_s,
        has_own_ages=any(EventType.PRE_CREATE in hook.events for hook in hooks),
    )
