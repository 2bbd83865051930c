"""
The core: what a route, or a program without HTTP, does with uploads.

The one place where lock, store, limits and the finish step meet.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import define, evolve, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from tustwisted.abilities import IConcatenates
from tustwisted.errors import AccessDenied, ExtensionDisabled
from tustwisted.hooks.asking import Hooks
from tustwisted.hooks.interfaces import IMail, IOutbox, Kept
from tustwisted.hooks.observed import observed
from tustwisted.hooks.settings import HookSettings
from tustwisted.hooks.telling import make_delivery, make_memory_outbox
from tustwisted.interfaces import IDataStore, IDisk, IHook, ILocker
from tustwisted.observing import UNOBSERVED, IObserver
from tustwisted.protocol.events import EventType
from tustwisted.protocol.expiration import Expiration
from tustwisted.protocol.extensions import Extension
from tustwisted.protocol.filenames import Placing
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.requests import RequestInfo
from tustwisted.protocol.upload import UploadInfo
from tustwisted.receive.receiver import Receiver
from tustwisted.stopping import StopTimes
from tustwisted.uploads.caller import Caller
from tustwisted.uploads.checks import check_checksum, check_size
from tustwisted.uploads.chunk import Chunk
from tustwisted.uploads.claim import Deliver
from tustwisted.uploads.concatenation import Concatenation
from tustwisted.uploads.creating import Creating
from tustwisted.uploads.events import Events
from tustwisted.uploads.finishing import Finishing, FinishStep
from tustwisted.uploads.life import Life
from tustwisted.uploads.limits import LOCK_TIMEOUT_S, InForce, Limits
from tustwisted.uploads.locks import Locks
from tustwisted.uploads.lookup import Lookup
from tustwisted.uploads.offers import offered
from tustwisted.uploads.ongoing import Arriving, Ongoing, quietly
from tustwisted.uploads.opening import Opening
from tustwisted.uploads.progress import Progress
from tustwisted.uploads.reading import Reading, Readings
from tustwisted.uploads.receiving import Receiving
from tustwisted.uploads.removing import Removing
from tustwisted.uploads.sweeping import Sweeping, Swept
from tustwisted.waiting import within

if TYPE_CHECKING:
    from tustwisted.hooks.delivery import Delivery

log = Logger()

STATUS_PATIENCE_S = 0.1
"""How long a status waits for bytes on their way to the store (D5)."""


@define(eq=False, repr=False)
class Uploads:
    """
    The uploads of one store.

    :param store: keeps them.
    :param locker: keeps two writers off one upload.
    :param disk: runs the writers.
    :param clock: measures waits.
    :param max_size_bytes: the longest upload; ``None`` for no limit.
    :param lock_timeout_s: how long a request waits for another one, seconds.
    :param hooks: are asked before something happens to an upload, and told of it after,
        in this order; no two have one name.
    :param hook_settings: what holds for all of them.
    :param outbox: keeps what they are to be told; by default only as long as this
        process lives.  Unused where there are none.
    :param placing: gives the files of finished uploads other names; only for a store
        that provides :class:`~tustwisted.abilities.IPlaces`.
    :param switched_off: extensions that are not offered although the store has them.
    :param expiration: how long uploads are kept; for ever by default.
    :param observer: is told what is done; nobody by default.
    :param stop_times: how long the steps of a stop may take.
    """

    store: IDataStore
    locker: ILocker
    _disk: IDisk
    clock: IReactorTime
    _max_size_bytes: int | None = None
    _lock_timeout_s: float = LOCK_TIMEOUT_S
    hooks: Sequence[IHook] = ()
    _hook_settings: HookSettings = field(factory=HookSettings)
    _outbox: IOutbox | None = None
    _placing: Placing | None = None
    _random_bytes: Callable[[int], bytes] = os.urandom
    _now_s: Callable[[], float] = time.time
    _switched_off: Collection[Extension] = ()
    _expiration: Expiration = field(factory=Expiration)
    observer: IObserver = UNOBSERVED
    _stop_times: StopTimes = field(factory=StopTimes)
    extensions: tuple[Extension, ...] = field(init=False)
    """What is offered: what the store can do and the configuration allows."""
    _in_force: InForce = field(init=False)
    _ongoing: Ongoing = field(init=False)
    _locks: Locks = field(init=False)
    _lookup: Lookup = field(init=False)
    _events: Events = field(init=False)
    _delivery: Delivery | None = field(init=False, default=None)
    _progress: Progress = field(init=False)
    _removing: Removing = field(init=False)
    _finishing: Finishing = field(init=False)
    _creating: Creating = field(init=False)
    _receiving: Receiving = field(init=False)
    _readings: Readings = field(init=False)
    _sweeping: Sweeping = field(init=False)
    _life: Life = field(init=False)

    def __attrs_post_init__(self) -> None:
        limits = Limits(self._max_size_bytes, self._lock_timeout_s, self._expiration)
        self._in_force = InForce(limits)
        self.limit(limits)
        self.hooks = observed(self.hooks, self.observer, self.clock)
        self._ongoing = Ongoing(self.observer)
        self._locks = Locks(
            self.locker, self.store, self._in_force, self.clock, self.observer
        )
        self._lookup = Lookup(self.store, self._in_force, self._now_s, self._ongoing)
        self._prepare_events()
        self._prepare_requests()
        self._sweeping = Sweeping(
            self.store,
            self._locks,
            self._lookup,
            self._finishing,
            self._removing,
            self._events,
            self.clock,
            is_wanted=lambda: self.is_running,
        )

    def _prepare_events(self) -> None:
        settings = self._hook_settings
        outbox = self._outbox
        if self.hooks:
            if outbox is None:
                outbox = make_memory_outbox(settings)
            self._delivery = make_delivery(outbox, self.hooks, self.clock, settings)
        self._events = Events(
            Hooks(self.hooks),
            outbox,
            self.store,
            self._random_bytes,
            self.observer,
        )
        self._progress = Progress(
            self._events,
            self.clock,
            settings.progress_interval_s,
            settings.progress_bytes,
            lambda upload, response: self._removing.stop_soon(
                upload.upload_id, response
            ),
        )
        self._removing = Removing(
            self.store,
            self._lookup,
            self._locks,
            self._events,
            self._progress,
            self._ongoing,
        )

    def _prepare_requests(self) -> None:
        in_force, locks, lookup = self._in_force, self._locks, self._lookup
        step = FinishStep(self._events, self._progress, self._placing, self._now_s)
        self._finishing = Finishing(self.store, lookup, locks, self._ongoing, step)
        self._creating = Creating(
            self.store,
            in_force,
            self._random_bytes,
            self._now_s,
            locks,
            self._events,
            self._finishing,
            self._removing,
        )
        self._receiving = Receiving(
            locks,
            lookup,
            self._ongoing,
            Opening(lookup, self._disk, step, self._removing, in_force),
            self._removing,
            self._progress,
            in_force,
            self.observer,
        )
        self._readings = Readings(self.store, lookup, self._disk, self.clock)
        events = self._events
        kept = [events.outbox] if events.has_durable else []
        self._life = Life(
            [self.store, self.locker, *kept, events.hooks],
            events.hooks,
            self._ongoing,
            self._receiving,
            self._readings,
            self._progress,
            self._delivery,
            self.clock,
            self._stop_times,
        )

    # -- life --------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Between :meth:`start` and :meth:`stop`; at other times calls are refused."""
        return self._ongoing.is_running

    @property
    def arriving(self) -> Arriving:
        """What comes at this moment."""
        return self._ongoing.arriving

    async def start(self) -> None:
        """
        Take the store, the locker, the outbox and the hooks into use.

        :raises CannotStart: one of them cannot work; nothing stays taken.
        """
        await self._life.start()

    async def settle(self) -> None:
        """
        Let every receiver settle, as the first part of a stop.

        Whoever sends is told :class:`~tustwisted.errors.ServerShutdown`, and so is
        every later call.  Whoever reads has a moment to come to his end, and so has a
        hook that was asked: a finish step that is cut off is done again after the next
        start.  A hook that heeds no cancellation is waited for: cancel this to wait no
        longer.

        After this nothing causes an event any more, and :attr:`delivery` may finish.
        """
        await self._life.settle()

    async def stop(self) -> None:
        """
        Do what :meth:`settle` does, then give back what :meth:`start` took.

        When this is cancelled what was taken is kept, since it is in use.
        """
        await self._life.stop()

    @property
    def limits(self) -> Limits:
        """The limits that hold now."""
        return self._in_force.limits

    def limit(self, limits: Limits) -> None:
        """
        Let other limits hold from now on.

        What was judged by the ones before is not judged again: a body that is coming
        may come to its end.
        """
        self._in_force.limits = limits
        self.extensions = offered(self.store, self._switched_off, limits.expiration)

    @property
    def max_size_bytes(self) -> int | None:
        """The longest upload; ``None`` for no limit."""
        return self._in_force.limits.max_size_bytes

    @property
    def expiration(self) -> Expiration:
        """How long uploads are kept."""
        return self._in_force.limits.expiration

    @property
    def delivery(self) -> Delivery | None:
        """
        What tells the hooks of durable events; ``None``: none wants to hear of any.

        It is begun by the one process that does so for all who share the uploads, or
        where the outbox is not shared by each.
        """
        return self._delivery if self._events.has_durable else None

    async def kept_events(self) -> Mapping[str, Kept]:
        """
        Count what is kept for each hook until it is told; for some time, a thread.

        :raises StorageFailed: the storage would not tell.
        """
        if self.delivery is None:
            return {}
        return await IMail(self._events.outbox).kept()

    # -- what a request asks for -------------------------------------------------------

    @property
    def asks_access(self) -> bool:
        """Some hook wants to be asked before each request: :meth:`admit` must be."""
        return EventType.PRE_ACCESS in self._events.hooks.wanted

    @property
    def has_hooks(self) -> bool:
        """Some hook wants to hear of requests: each call needs its caller."""
        return bool(self._events.hooks.wanted)

    async def admit(self, request: RequestInfo, upload_id: str | None) -> Caller:
        """
        Ask the hooks whether a request may be made at all (``pre-access``).

        :param upload_id: which upload it is about; ``None``: the creation URL.
        :returns: who asks, for the other calls.
        :raises AccessDenied: it may not.
        :raises HookFailed: a hook failed.
        """
        caller = Caller(request)
        if self.asks_access:
            answer = await self._events.ask_access(request, upload_id)
            if answer.reject:
                raise AccessDenied(answer.response)
            caller.owner = answer.owner
            caller.hear(answer.response)
        return caller

    def create(
        self,
        length: int | None,
        metadata: Metadata,
        upload_id: str | None = None,
        is_partial: bool = False,
        *,
        caller: Caller | None = None,
    ) -> Deferred[UploadInfo]:
        """
        Begin an upload; one of length 0 is finished at once (T-060).

        :param length: bytes of the whole upload; ``None``: it is told later.
        :param upload_id: an id of the application's own; a random one by default.
        :param is_partial: it is meant to be concatenated with others.
        :param caller: who asks for it; ``None``: the program itself.
        :raises UploadTooLarge: ``length`` is above the maximum.
        :raises UploadExists: ``upload_id`` is taken.
        :raises UploadRejected: a hook does not allow it.
        :raises HookFailed: a hook failed.
        :raises EventsWaiting: too many events wait for their delivery.
        :raises NoSpace: or :class:`StorageFailed`; nothing remains.
        """
        return self._ongoing.own(
            self._create(length, metadata, upload_id, is_partial, caller)
        )

    async def concatenate(
        self,
        partial_uploads: Sequence[str],
        metadata: Metadata,
        *,
        length: int | None = None,
        concat_header: str = "",
        upload_id: str | None = None,
        caller: Caller | None = None,
    ) -> UploadInfo:
        """
        Put a final upload together from partial ones, which takes as long as to copy.

        Until all its bytes are there nobody can see it.  Cancelling this gives it up,
        unless it is there already.

        :param partial_uploads: their ids in order, one perhaps more than once.
        :param length: what the sender believes it to be; ``None``: he does not say.
        :param concat_header: ``Upload-Concat`` as it was sent, printable ASCII.
        :param upload_id: an id of the application's own; a random one by default.
        :raises UploadNotFound: one of them is not there.
        :raises InvalidConcat: one is not a partial upload.
        :raises UploadNotFinished: one is not finished.
        :raises InvalidUploadLength: ``length`` is not that of all together.
        :raises UploadTooLarge: that is above the maximum.
        :raises ExtensionDisabled: the store, or the configuration, does not allow it.
        :raises ServerShutdown: the server is stopping; nothing remains.
        :raises NoSpace: or :class:`StorageFailed`; nothing remains.
        :raises FinishFailed: the upload is there, but its finish step failed.

        Spec: tus 1.0.0, Concatenation; rows T-165 to T-192.
        """
        self._ongoing.require_running()
        store = IConcatenates(self.store, None)
        if store is None or Extension.CONCATENATION not in self.extensions:
            raise ExtensionDisabled(Extension.CONCATENATION.value)
        wish = evolve(
            self._creating.plan(None, metadata, upload_id, False, caller),
            is_final=True,
            partial_uploads=tuple(partial_uploads),
            concat_header=concat_header,
        )
        work = Concatenation(
            store,
            self._lookup,
            self._creating,
            self._removing,
            self._finishing,
            self._ongoing,
            self.clock,
            self.max_size_bytes,
            caller,
        )
        return await work.run_while_wanted(wish, length, upload_id is not None)

    async def status(
        self, upload_id: str, *, caller: Caller | None = None
    ) -> UploadInfo:
        """
        Tell what is stored, taking no lock and disturbing nobody (D5).

        :raises UploadNotFound: no such upload.
        :raises UploadExpired: it was left alone for too long.
        :raises ServerShutdown: the uploads are not running.
        """
        self._ongoing.require_running()
        receiver = self._ongoing.receiver_of(upload_id)
        if receiver is not None:
            await quietly(within(STATUS_PATIENCE_S, receiver.job_done(), self.clock))
        return await self._lookup.find(upload_id, caller)

    async def expires_at(self, upload: UploadInfo) -> float | None:
        """
        Tell when an upload expires, seconds since 1970; ``None``: never.

        :param upload: as it was, perhaps before its last bytes came.
        """
        return await self._lookup.expires_at(upload)

    @property
    def can_read(self) -> bool:
        """The store lets finished uploads be read: :meth:`open` may be called."""
        return self._readings.can_read

    async def open(self, upload_id: str, *, caller: Caller | None = None) -> Reading:
        """
        Open a finished upload for reading, taking no lock and disturbing nobody (D5).

        :returns: to be closed by the caller; readable also when it is removed.
        :raises UploadNotFound: no such upload, or it is not finished (T-206).
        :raises UploadExpired: it was left alone for too long.
        :raises ExtensionDisabled: the store cannot read.
        :raises StorageFailed: the storage would not let it be read.
        :raises ServerShutdown: the uploads are not running.
        """
        self._ongoing.require_running()
        reading = await self._readings.open(upload_id, caller)
        if not self.is_running:
            reading.close()
        self._ongoing.require_running()
        return reading

    async def receive(
        self,
        upload_id: str,
        chunk: Chunk,
        deliver: Deliver | None = None,
        *,
        caller: Caller | None = None,
    ) -> Receiver:
        """
        Get ready to receive a body; whoever else holds the upload is stopped first.

        :param chunk: what the sender says of the body.
        :param deliver: gives the receiver its body; called before this fires, and also
            when it was cancelled meanwhile, since bytes may have come by then.  Without
            it deliver a body at once: until its end the receiver holds the lock.
        :raises UploadNotFound: no such upload.
        :raises UploadExpired: it was left alone for too long.
        :raises UnsupportedChecksum: the body could not be verified.
        :raises OffsetConflict: the upload does not end at the chunk's offset.
        :raises InvalidUploadLength: the upload cannot have the length that it is told.
        :raises UploadTooLarge: the upload would get longer than the maximum.
        :raises UploadSizeExceeded: the body would reach past the upload's length.
        :raises UploadLocked: another request did not free the upload in time.
        :raises ServerShutdown: the server is stopping.
        """
        self._ongoing.require_running()
        return await self._receiving.receive(upload_id, chunk, deliver, caller)

    async def create_and_receive(
        self,
        length: int | None,
        metadata: Metadata,
        chunk: Chunk,
        is_partial: bool = False,
        deliver: Deliver | None = None,
        *,
        caller: Caller | None = None,
    ) -> Receiver:
        """
        Begin an upload with its first bytes; the receiver knows its id.

        If the chunk's checksum is wrong, nothing remains of the upload.

        :param deliver: as for :meth:`receive`.
        :raises TusError: as :meth:`create` and :meth:`receive`; if it is for the length
            or the checksum, nothing was created.

        Spec: tus 1.0.0, Creation With Upload; rows T-083 to T-091.
        """
        check_checksum(chunk)
        check_size(length, chunk.end, self.max_size_bytes)
        creating = self._create(
            length, metadata, None, is_partial, caller, end=chunk.end
        )
        return await self._receiving.receive_new(creating, chunk, deliver, caller)

    def finish(self, upload_id: str) -> Deferred[UploadInfo]:
        """
        Do the finish step of an upload if it is due.

        :returns: fires with what the upload has become.
        :raises UploadNotFound: no such upload.
        :raises FinishFailed: the finish step failed; it may be tried again.
        :raises UploadLocked: another request did not free the upload in time.
        """
        return self._ongoing.own(self._finish(upload_id))

    def terminate(
        self, upload_id: str, *, caller: Caller | None = None
    ) -> Deferred[None]:
        """
        Remove an upload, finished or not; whoever writes to it is stopped first.

        :raises UploadNotFound: no such upload.
        :raises UploadExpired: it was left alone for too long, and is to be swept.
        :raises UploadLocked: another request did not free the upload in time.
        :raises StorageFailed: the upload is gone, but perhaps not all of its bytes.

        Spec: tus 1.0.0, Termination; rows T-114 to T-122.
        """
        return self._ongoing.own(self._terminate(upload_id, caller))

    def sweep(self, leftover_age_s: float | None = None) -> Deferred[Swept]:
        """
        Remove what has expired, and what a crash has left; once (D9).

        A finish step that a crash has left undone is done as well, if it has not failed
        before: whoever died need not come back to do it (D3).

        It disturbs nobody: what is in use is passed by, the work is done in small
        steps with pauses, and a stop ends it early.

        :param leftover_age_s: how old what a crash has left must be to be cleared away.
            By default longer than unfinished uploads are kept; less is safe only when
            nothing is being created or put together in any process.
        :returns: fires with what was done.
        :raises TypeError: (errback) the store does not provide
            :class:`~tustwisted.abilities.ISweeps`.

        Spec: tus 1.0.0, Expiration; rows T-156, T-159, T-160.
        """
        return self._ongoing.own(self._sweep(leftover_age_s))

    async def recover(self) -> int:
        """
        Do what a crash has left undone: events to be decided, and finish steps (D3).

        :returns: how many uploads were finished.
        """
        await self._ongoing.own(self._sweeping.settle_events())
        return await self._finishing.recover()

    # -- what nobody cancels -----------------------------------------------------------

    async def _create(
        self,
        length: int | None,
        metadata: Metadata,
        upload_id: str | None,
        is_partial: bool,
        caller: Caller | None,
        *,
        end: int = 0,
    ) -> UploadInfo:
        self._ongoing.require_running()
        wish = self._creating.plan(length, metadata, upload_id, is_partial, caller)
        is_named = upload_id is not None
        return await self._creating.create(wish, caller, is_named=is_named, end=end)

    async def _finish(self, upload_id: str) -> UploadInfo:
        self._ongoing.require_running()
        return await self._finishing.finish(upload_id)

    async def _terminate(self, upload_id: str, caller: Caller | None) -> None:
        self._ongoing.require_running()
        await self._removing.terminate(upload_id, caller)

    async def _sweep(self, leftover_age_s: float | None) -> Swept:
        self._ongoing.require_running()
        if leftover_age_s is None:
            leftover_age_s = self.expiration.leftover_age_s
        return await self._sweeping.sweep(self._now_s() - leftover_age_s)
