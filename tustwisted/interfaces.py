"""
The borders between the rooms of tustwisted, and where applications may add a piece.

A body flows from a :class:`IBodyReceiver`'s producer into an :class:`IUploadWriter`
of an :class:`IDataStore` while an :class:`ILock` of an :class:`ILocker` is held.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from twisted.python.failure import Failure
from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from tustwisted.protocol.answers import Answer
    from tustwisted.protocol.events import Event, EventType
    from tustwisted.protocol.upload import UploadInfo, UploadState

_P = ParamSpec("_P")
_T = TypeVar("_T")


class IBodyReceiver(IConsumer):
    """
    Takes the body of a request as it arrives.

    It is given a push producer first, then bytes through ``write``, then
    ``unregisterProducer`` and, as the last call, ``body_ended`` or ``body_lost``.  A
    receiver that has had enough calls the producer's ``stopProducing`` and is told no
    more.
    """

    def body_ended() -> None:
        """The whole body has been written."""

    def body_lost(reason: Failure) -> None:
        """
        The body breaks off; every byte that the kernel handed over has been written.

        :param reason: :class:`tustwisted.errors.ReadTimeout`,
            :class:`tustwisted.web.body.AnsweredEarly`, or why the connection ended,
            such as :class:`twisted.internet.error.ConnectionLost`.
        """


class IDataStore(Interface):
    """
    Keeps the bytes and facts of uploads; survives a crash between any two calls.

    Its methods are called in the reactor: what blocks in them goes through an
    :class:`IDisk`.  An ``upload_id`` may be any string.

    Whoever calls ``open_writer``, ``set_state`` or ``remove`` holds the lock of that
    upload; ``info`` needs none and is right while somebody else writes.
    """

    async def start() -> None:
        """
        Make the store ready; nothing is opened or created before.

        The locker is started after the store.  So another process may still be at work
        in the same place, unless the store itself keeps it out first.

        :raises CannotStart: the store cannot work where it is told to; nothing stays
            taken.  :class:`tustwisted.errors.StoreUnusable`, or a type of the store's
            own whose ``str()`` is a sentence that names what to change.
        """

    async def stop() -> None:
        """
        Let go of what ``start`` took, after what was begun has ended.

        It may be started again.
        """

    async def create(info: UploadInfo) -> None:
        """
        Begin an upload with no bytes.

        :param info: every fact in it is told again by :meth:`info`.
        :raises UploadExists: the id is taken; nothing was changed.
        :raises InvalidMetadata: more than the store can keep; nothing was changed.
        :raises NoSpace: and nothing remains.
        :raises StorageFailed: and nothing remains.
        """

    async def info(upload_id: str) -> UploadInfo:
        """
        Tell what is known of an upload, its offset being what is stored now.

        No offset is above the length, or above what a crash of the process leaves.
        ``modified_s`` is when the last byte came, or, before the first, when the upload
        was created.  It never goes back: expiration and the dates of downloads count
        from it.

        :raises UploadNotFound: no such upload, not an id, or no sense in its record.
        :raises StorageFailed: the storage would not tell.
        """

    async def open_writer(upload_id: str, offset: int) -> IUploadWriter:
        """
        Open an upload for writing at its end; bytes past ``offset`` are cut off.

        One past receiving is opened too, without a change, and takes no bytes: what
        is written raises :class:`tustwisted.errors.StorageFailed`.

        :raises UploadNotFound: no such upload.
        :raises OffsetConflict: ``info`` would tell another offset; nothing was cut.
        :raises StorageFailed: the store failed otherwise.
        """

    async def set_state(upload_id: str, state: UploadState) -> None:
        """
        Put a new state in the record.

        When this fires for a state other than receiving, the bytes, and then the
        state, are as safe as the store promises for a finished upload.

        :raises UploadNotFound: no such upload.
        :raises NoSpace: the old state still holds.
        :raises StorageFailed: the old state still holds.
        """

    async def remove(upload_id: str) -> None:
        """
        Forget an upload, its record first, even if that makes no sense.

        :raises UploadNotFound: no such upload.
        :raises StorageFailed: the storage failed; without its record it is gone.
        """

    async def awaiting_finish() -> Sequence[str]:
        """
        List the uploads whose finish step never ended
        (:attr:`tustwisted.protocol.upload.UploadInfo.awaits_finish`).
        """


class IUploadWriter(Interface):
    """
    Adds bytes at the end of one upload.

    Its methods block: they are called off the reactor, or in it while the store is
    quick, from any thread but never from two at once (see :class:`IDisk`).
    """

    offset: int = Attribute(
        """
        Where the next byte goes, bytes from the start; all before it are stored.

        It falls back when a sync fails: what cannot be made safe must be sent again.
        """
    )

    sync_due: bool = Attribute(
        """The next call would wait for the device: run it by :meth:`IDisk.sync`."""
    )

    def write(buffers: Sequence[bytes]) -> None:
        """
        Store some bytes; ``offset`` moves with every byte that was stored.

        After an error nothing more may be written, and ``offset`` tells what counts.

        :param buffers: any number of any length, 0 too.
        :raises NoSpace: the storage is full; as much as fitted is stored.
        :raises StorageFailed: the storage failed otherwise, or the writer takes no
            bytes: it has failed before, it was closed, the upload is past receiving.
        """

    def settle() -> int:
        """
        Make what was written as safe as the store promises for an unfinished upload.

        :returns: the offset that may be told to the client.
        :raises NoSpace: what is stored counts, but is not promised.
        :raises StorageFailed: what is stored counts, but is not promised.
        """

    def close() -> None:
        """Let go of the upload; harmless when done twice."""


class ILocker(Interface):
    """Keeps two writers off one upload."""

    is_leasing: bool = Attribute(
        """
        Its locks are leases: one may end while its holder is frozen and knows nothing.

        Then the store has to shut that holder out
        (:class:`tustwisted.abilities.IFences`).  The locks of another locker are held
        until they are released, or their process is dead.
        """
    )

    async def start() -> None:
        """
        Make the locker ready; nothing is opened or taken before.

        :raises CannotStart: the locker cannot work here.
        """

    async def stop() -> None:
        """Let go of what ``start`` took; no lock is held any more."""

    def acquire(
        upload_id: str, wanted: Callable[[], None], timeout_s: float
    ) -> Deferred[ILock]:
        """
        Wait for the lock of an upload; whoever holds it is told that it is wanted.

        :param wanted: called in the reactor, at most once, when somebody else asks
            for the lock; perhaps before it is there, if others wait too.
        :param timeout_s: how long to wait at the most, seconds.
        :returns: fires with the lock.  Cancelling it leaves nothing behind.
        :raises UploadLocked: (errback) it was not freed in time.
        :raises LocksUnavailable: (errback) nobody can tell whether it is free.
        """

    async def try_acquire(upload_id: str) -> ILock | None:
        """
        Take the lock of an upload if nobody holds it, for work that is soon done.

        Whoever holds it is not told, and who asks for it meanwhile waits.

        :returns: ``None`` when somebody holds it.
        :raises LocksUnavailable: nobody can tell whether it is free.
        """


class ILock(Interface):
    """A lock that is held."""

    def when_lost() -> Deferred[None]:
        """
        Return what fires if the lock is gone without having been released.

        Always the same Deferred: its holder stops writing, and releases the lock.
        """

    def require_held() -> None:
        """
        Judge by the clock whether the lock is still held, before a success is told.

        :raises LockLost: it is gone.
        """

    def release() -> None:
        """Give the lock back; harmless when done twice, or when it is gone."""


class IDisk(Interface):
    """
    Runs calls that block, so that the reactor does not.

    Nothing in here waits for a lock: a job ends when the disk has done it.
    """

    def quick(
        f: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> Awaitable[_T]:
        """Run a short call: in place while such calls are quick, else in a thread."""

    def write(
        f: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> Awaitable[_T]:
        """Run a call that moves many bytes, in a thread."""

    def sync(f: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Awaitable[_T]:
        """Run a call that waits for the device, in a thread of its own kind."""

    def read(f: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Awaitable[_T]:
        """Run a call that reads bytes, in a thread of its own kind."""

    def copy(f: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Awaitable[_T]:
        """Run a call that may take minutes, in a thread of its own kind."""


class IHook(Interface):
    """
    Is asked before something happens to an upload, and told of it after.

    Hooks are asked in the order in which they were given, and told each for itself.
    """

    name: str = Attribute(
        """
        What this hook is called: ``[a-z0-9.-]``, 1 to 80 characters, none twice.

        What waits to be told to it is kept by this name, so it stays the same when the
        process is started again.
        """
    )

    events: frozenset[EventType] = Attribute(
        """What it wants to hear of; nothing else is asked or told."""
    )

    async def start() -> None:
        """
        Get ready; nothing is opened before.

        :raises CannotStart: it cannot work here.
        """

    async def stop() -> None:
        """Let go of what ``start`` took, and end what is going on."""

    async def ask(event: Event) -> Answer | None:
        """
        Say what is to be done; for ``pre-`` events, and for ``post-receive``.

        The request waits, so it has an end; it is cancelled when nobody waits any more.

        :returns: ``None``: go on.
        :raises Exception: whatever it is, it is logged and the client gets a 500; for
            ``post-receive`` it is only logged.
        """

    async def tell(event: Event) -> None:
        """
        Take note of a durable event; for one upload after the other.

        It may be told again what it has taken note of before, with the same
        ``event_id``: after a crash, or when the answer was lost.

        :raises EventRefused: it will never take note of it.
        :raises Exception: it could not; it is told again later.
        """


class IRereads(Interface):
    """A hook that has read something when it started, and can read it again."""

    async def reread() -> None:
        """
        Read it now; called while it is started, never raises.

        What cannot be read, or makes no sense, changes nothing, and the log says why.
        """
