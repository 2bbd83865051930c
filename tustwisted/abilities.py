"""
What a store may be able to do beside :class:`tustwisted.interfaces.IDataStore`.

A store provides an interface of this module and the extension that needs it is offered,
unless the configuration switches it off; no other registration is needed (D9).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from attrs import frozen
from zope.interface import Attribute, Interface

from tustwisted.interfaces import IDataStore, IUploadWriter

if TYPE_CHECKING:
    from tustwisted.protocol.upload import Storage, UploadInfo


class IDefersLength(Interface):
    """A store that can be told a length later (creation-defer-length)."""

    async def set_length(upload_id: str, length: int) -> None:
        """
        Put the length of an upload in its record; for the holder of its lock.

        :param length: bytes, not less than are stored.
        :raises UploadNotFound: no such upload.
        :raises NoSpace: the length is still deferred.
        :raises StorageFailed: the length is still deferred.
        """


class IVerifiesChunks(Interface):
    """A store that can take bytes back whose checksum is wrong (checksum)."""

    async def open_chunk(upload_id: str, offset: int) -> IChunkWriter:
        """
        Open an upload for one chunk that is to be verified before it counts.

        Otherwise as :meth:`tustwisted.interfaces.IDataStore.open_writer`, with the same
        errors.
        """


class IChunkWriter(IUploadWriter):
    """
    Adds one chunk that is in doubt until :meth:`accept`.

    Until then no offset that anybody is told includes any of it, also after the process
    was killed; ``offset`` stays where the chunk begins.  What is closed while it is in
    doubt, as by a kill, is discarded by the next writer.
    """

    def accept() -> None:
        """
        Make the chunk count; ``offset`` moves past it.  Blocks.

        :raises NoSpace: ``offset`` tells how much of the chunk is stored.
        :raises StorageFailed: ``offset`` tells how much of the chunk is stored.
        """

    def discard() -> None:
        """
        Take the chunk back, unless it was accepted.  Blocks, perhaps for long.

        Only for the holder of the lock: a chunk whose lock was lost is just closed.
        """


class IOpensJudged(Interface):
    """
    A store that needs one look at an upload to show it and to open it.

    Nothing depends on it: without it the core asks for ``info`` before ``open_writer``.
    With it most bodies come this way: who overrides ``open_writer`` of such a store, as
    of :class:`~tustwisted.store.file.FileStore`, overrides both.
    """

    async def open_judged(
        upload_id: str, judge: Callable[[UploadInfo], object]
    ) -> tuple[UploadInfo, IUploadWriter]:
        """
        Open an upload for writing at its end, if it may be; for the holder of its lock.

        Otherwise as :meth:`tustwisted.interfaces.IDataStore.open_writer`.

        :param judge: is shown what ``info`` would tell, in any thread, and does not
            block.  What it raises is raised here, and nothing was changed then; what
            it returns means nothing.
        :returns: what it was shown, and the writer, which begins at that offset.
        :raises UploadNotFound: no such upload.
        :raises StorageFailed: the store failed otherwise.
        """


class IFences(Interface):
    """
    A store that can shut out a writer whose lease has ended (D6).

    Such a writer may have been frozen, and go on at any moment as if nothing had
    happened.  It is needed beside a locker whose
    :attr:`~tustwisted.interfaces.ILocker.is_leasing` is true.
    """

    async def claim(upload_id: str) -> IClaim:
        """
        Claim an upload for whoever has just got its lock, and end every older claim.

        Whoever has an older one changes the upload no more, whatever he was at, and
        nothing that he is told to have stored is missing.  Until somebody writes by way
        of the new claim, bytes that he had not settled may still come to be there.

        The caller has the lock, and makes sure of that once more after this: who was
        frozen in between ends the claim of his successor.

        :raises UploadNotFound: not an id; there need be no such upload.
        :raises LockLost: somebody else has claimed it meanwhile; nothing was claimed.
        :raises StorageFailed: (or :class:`NoSpace`) nothing was claimed.
        """


class IClaim(Interface):
    """What one holder of a lock may do to one upload, until somebody claims it anew."""

    store: IDataStore = Attribute(
        """
        The store, for this upload and this claim; it provides what the store does.

        What would change the upload, or promise something of it, raises
        :class:`~tustwisted.errors.LockLost` once there is a newer claim; or another
        error, if that is found out first.  It is not for other uploads.
        """
    )

    async def release() -> None:
        """
        Tell that this claim's holder writes no more; harmless when done twice.

        Every writer is closed by then, and no call of :attr:`store` goes on; also after
        :class:`~tustwisted.errors.LockLost`.  What was never released is taken for a
        writer that may still be at work, which costs the next one a copy of the upload
        unless this process is known to be dead.
        """


class IReads(Interface):
    """A store whose finished uploads can be read (downloads)."""

    async def open_reader(upload_id: str) -> IUploadReader:
        """
        Open a finished upload for reading; needs no lock, and disturbs nobody.

        What is open stays readable when the upload is removed, also when its id is
        used again.

        :raises UploadNotFound: no such upload.
        :raises UploadNotFinished: its state is not finished, however many bytes it has.
        :raises StorageFailed: the storage would not let it be read.
        """


class IUploadReader(Interface):
    """
    Reads one finished upload.

    Its methods block; they are called from any thread, but never from two at once.
    """

    info: UploadInfo = Attribute("""The upload, as it was when it was opened.""")

    def read(offset: int, size_bytes: int) -> bytes:
        """
        Read some bytes.

        :param offset: where they begin, 0 or more, bytes from the start.
        :param size_bytes: how many at the most, 1 or more.
        :returns: fewer than were asked for only where the upload ends before, and none
            past its end.
        :raises StorageFailed: they cannot be read, or the reader was closed.
        """

    def close() -> None:
        """Let go of the upload; harmless when done twice."""


class IHasDescriptor(Interface):
    """
    A reader whose upload is a regular file, byte for byte from its start.

    The kernel then brings it to a client by itself, where it can.
    """

    def fileno() -> int:
        """
        Return the descriptor, which is open until ``close``; does not block.

        :raises StorageFailed: the reader was closed.
        """


class IChoosesPath(Interface):
    """A store whose ``create`` puts the bytes where ``info.storage.path`` says."""

    def check_path(path: str) -> None:
        """
        Judge a path under the root of the store; looks at no file.

        :raises ValueError: it leads out of there, or to what the store keeps for
            itself; the message completes 'the path ...'.
        """

    def storage_of(info: UploadInfo) -> Storage:
        """
        Tell where an upload that is about to be created will lie; looks at no file.

        :raises ValueError: as :meth:`check_path`.
        """


class IPlaces(Interface):
    """A store whose finished uploads are files that can have another name."""

    async def place(upload_id: str, names: Iterable[str], moves: bool) -> str:
        """
        Give the file of a whole upload a name that nobody has; for its holder.

        Done twice, as after a crash, it finds the name that it gave before.

        :param names: relative to where such files go, by preference; the first one that
            is free is taken, and at the most some hundreds are tried.
        :param moves: the file has only that name then, and the upload's record says so;
            otherwise it has both, and terminating the upload leaves that one.
        :returns: the absolute path.
        :raises UploadNotFound: no such upload.
        :raises NoSpace: or :class:`StorageFailed`; it has no new name, and can be
            placed again.
        """


class IConcatenates(Interface):
    """A store that can put an upload together from others (concatenation)."""

    async def concatenate(info: UploadInfo, is_wanted: Callable[[], bool]) -> None:
        """
        Create an upload with the bytes of others, at one stroke (D13).

        The upload is not there, for anybody, until all its bytes are, and these are as
        safe then as those of a finished one: nobody could send them again.  Whether
        the parts are partial uploads is not for the store to judge.  The caller does
        not cancel this, but tells by ``is_wanted`` that it may end; he holds no lock.

        :param info: the new upload, in state receiving; ``partial_uploads`` says which
            bytes it has, in order, an id perhaps more than once, and ``length`` how
            many these are.
        :param is_wanted: asked from time to time, in any thread; if not, the work is
            given up.
        :raises UploadExists: the id is taken; nothing was changed.
        :raises UploadNotFound: a partial upload is gone; nothing remains.
        :raises UploadNotFinished: one is not finished, or all together have not the
            length that ``info`` tells; nothing remains.
        :raises UploadInterrupted: it is not wanted any more; nothing remains.
        :raises InvalidMetadata: more than the store can keep; nothing remains.
        :raises NoSpace: nothing remains.
        :raises StorageFailed: nothing remains.
        """


class ISweeps(Interface):
    """A store that can be searched for what nobody wants any more (expiration)."""

    def search(leftover_before_s: float) -> ISearch:
        """
        Begin to look at everything that is there.

        :param leftover_before_s: what a crash may have left counts as left when it has
            not been touched since, seconds since 1970.
        """


class ISearch(Interface):
    """
    One look at everything, in small steps; changes nothing but by :meth:`clear`.

    It needs no locks, and what comes and goes meanwhile may be seen or not.  Several
    processes may search the same uploads.
    """

    async def next_batch() -> Batch | None:
        """
        Look at some more, off the reactor or for less than a millisecond in it.

        :returns: ``None`` when everything was seen, or the store was stopped.
        """

    async def clear(leftover: Leftover) -> bool:
        """
        Clear something away, if it still is what it was; for the holder of its lock.

        Where uploads are claimed (:class:`IFences`) it claims this one meanwhile, which
        ends the caller's own claim if he has one.

        :returns: whether it was cleared away.
        :raises LockLost: somebody has claimed it since; perhaps some of it is left.
        :raises StorageFailed: the storage failed.
        """

    def close() -> None:
        """Let go of what was opened to search; no call is going on."""


@frozen
class Leftover:
    """What a crash has left behind, and nobody can ask for."""

    upload_id: str
    """Who clears it away holds the lock of this upload."""

    name: str
    """What the store calls it."""


@frozen
class LeftAlone:
    """What fits nothing that the store makes, and might be somebody's own."""

    name: str
    """What the store calls it."""

    problem: str
    """What is wrong with it; completes 'it ...'."""


@frozen
class Batch:
    """Some of what is in a store."""

    uploads: tuple[UploadInfo, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    left_alone: tuple[LeftAlone, ...] = ()
