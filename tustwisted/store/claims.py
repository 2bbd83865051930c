"""
Claims: which of several holders of a lock may change an upload (DESIGN D6).

A claim is a directory, ``.tustwisted.claims/<two digits>/<id>~<token>``.  Who claims an
upload makes his own first and then takes all others away, so that of two at once at
most one is left.  What has been taken away was not released: its holder may
be frozen, and write on to the file that he has open.  So a mark, ``<token>.revoked``,
takes its place until the upload has another data file.

A claim that ends in a hash of the boot id is locked by its process.  If the lock is
free the process is dead, and nobody writes: so a crash on this machine costs no copy.
On a network file system there are no such claims, for a lock may tell nothing there.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from hashlib import sha256

from attrs import define, evolve, field
from twisted.logger import Logger
from zope.interface import implementer

from tustwisted.abilities import IClaim
from tustwisted.errors import LockLost, NoSpace, TusError, UploadNotFound
from tustwisted.interfaces import IDataStore, IDisk
from tustwisted.protocol.upload import UploadState
from tustwisted.store.failures import storage_errors
from tustwisted.store.ifiles import IFiles
from tustwisted.store.lookup import look_up
from tustwisted.store.noroom import NoRoom
from tustwisted.store.passage import Passage
from tustwisted.store.shelf import Shelf

log = Logger()

_TOKEN_BYTES = 8
"""Random; the token of a claim must only differ from those before it."""

_ATTEMPTS = 10
"""Each one that fails has met a writer in the middle of a system call."""

_REVOKED_ENDING = ".revoked"
"""Of the mark that a claim leaves which was not released."""

_IN_USE = frozenset({errno.ENOTEMPTY, errno.EEXIST})


def begin_claim(shelf: Shelf, upload_id: str) -> tuple[Shelf, list[str]]:
    """
    Make a claim beside older ones, which are still to be revoked.

    On a full disk an upload that nobody has claimed can still be removed.

    :returns: the shelf by the way of this claim, and the older ones: directories.
    :raises UploadNotFound: not an id.
    :raises LockLost: somebody else has claimed it meanwhile; nothing was claimed.
    :raises NoSpace: or :class:`StorageFailed`; nothing was claimed.
    """
    shelf.layout.check(upload_id)
    try:
        return _begin_claim(shelf, upload_id)
    except NoSpace:
        with storage_errors(upload_id), suppress(FileNotFoundError):
            if find_claims(shelf, upload_id):
                raise
        nowhere = shelf.layout.claim(upload_id, "no-room")
        path = f"{shelf.layout.claims(upload_id)}/{nowhere}"
        return evolve(shelf, passage=NoRoom(shelf.files, path)), []


def _begin_claim(shelf: Shelf, upload_id: str) -> tuple[Shelf, list[str]]:
    with storage_errors(upload_id):
        directory, lock = _make_claim(shelf, upload_id)
        passage = Passage(shelf.files, directory, lock)
        try:
            others = [
                path for path in find_claims(shelf, upload_id) if path != directory
            ]
        except OSError:
            with suppress(OSError):
                shelf.files.remove_directory(directory)
            raise
    older = []
    for path in others:
        if path.endswith(_REVOKED_ENDING):
            passage.contest(path)
        else:
            older.append(path)
    return evolve(shelf, passage=passage), older


def _make_claim(shelf: Shelf, upload_id: str) -> tuple[str, int | None]:
    """Make the directory of a claim, and lock it if that can be."""
    files, layout = shelf.files, shelf.layout
    token = shelf.random_bytes(_TOKEN_BYTES).hex()
    directory = f"{layout.claims(upload_id)}/{layout.claim(upload_id, token)}"
    ending = _host_ending(shelf)
    if ending:
        _make_directory(shelf, directory + ending)
        try:
            return directory + ending, files.lock_directory(directory + ending)
        except (BlockingIOError, FileNotFoundError):
            # There is a newer claim already, which is about to take this one for that
            # of a dead process, or has.
            with suppress(OSError):
                files.remove_directory(directory + ending)
            raise LockLost from None
        except OSError:
            # It must not be there without its lock, which would tell that we are dead.
            with suppress(FileNotFoundError):
                files.remove_directory(directory + ending)
    _make_directory(shelf, directory)
    return directory, None


def _host_ending(shelf: Shelf) -> str:
    """
    Tell how claims end whose locks, if they are free, tell that nobody is alive.

    Not on a network file system: two containers of this machine, and this boot, may
    each have mounted it, and not see the locks of each other.
    """
    boot_id = shelf.host.boot_id if shelf.trusts_locks else ""
    return f"-{sha256(boot_id.encode()).hexdigest()[:16]}" if boot_id else ""


def _make_directory(shelf: Shelf, directory: str) -> None:
    files, mode = shelf.files, shelf.dir_mode
    try:
        files.make_directory(directory, mode)
    except FileNotFoundError:
        # These stay; without the root nothing is made, for its disk is gone.
        for above in (shelf.layout.all_claims(), os.path.dirname(directory)):
            with suppress(FileExistsError):
                files.make_directory(above, mode)
        files.make_directory(directory, mode)


def find_claims(shelf: Shelf, upload_id: str) -> list[str]:
    """List the claims of an upload, and the marks that others have left."""
    claims, begin = shelf.layout.claims(upload_id), shelf.layout.claim(upload_id, "")
    names = shelf.files.scan(claims)
    return [f"{claims}/{name}" for name, _ in names if name.startswith(begin)]


def revoke(claimed: Shelf, upload_id: str, directories: list[str]) -> None:
    """
    Take claims away; afterwards nothing is published by way of them any more.

    Each leaves a mark, made before, of which only he who has seen it and has replaced
    the data file since may know that it is needed no more.  A claim by itself would not
    do: of two at once each may take away the other's.  The claim of a process that is
    known to be dead leaves none.

    :param claimed: the shelf by the way of the new claim.
    :param directories: the older claims, from :func:`begin_claim`.
    :raises StorageFailed: the file system failed, and some may hold yet.
    """
    assert claimed.passage is not None
    files = claimed.files
    with storage_errors(upload_id):
        for directory in directories:
            if _remove_dead(claimed, directory):
                continue
            mark = directory + _REVOKED_ENDING
            claimed.passage.contest(mark)
            with suppress(FileNotFoundError):  # released, or revoked by another claim
                with suppress(FileExistsError):
                    files.make_directory(mark, claimed.dir_mode)
                _remove(files, directory)


def _remove_dead(shelf: Shelf, directory: str) -> bool:
    """Remove a claim if its holder was a process of this machine and is no more."""
    ending = _host_ending(shelf)
    if not ending or not directory.endswith(ending):
        return False
    try:
        fd = shelf.files.lock_directory(directory)
    except OSError:
        return False
    try:
        with suppress(FileNotFoundError):  # another one did not get the lock
            _remove(shelf.files, directory)
    finally:
        shelf.files.close(fd)
    return True


def _remove(files: IFiles, directory: str) -> None:
    """Remove a directory with its files, of which new ones may still come."""
    for _ in range(_ATTEMPTS):
        try:
            files.remove_directory(directory)
        except OSError as error:
            if error.errno not in _IN_USE:
                raise
        else:
            return
        for name, _is_directory in files.scan(directory):
            with suppress(FileNotFoundError):
                files.unlink(f"{directory}/{name}")
    raise OSError(errno.EBUSY, "somebody writes to it all the time", directory)


def end_claim(shelf: Shelf, upload_id: str) -> None:
    """
    Give a claim back.

    If it is contested the marks stay, so that whoever comes next knows that somebody
    may write to the data file; unless nobody will, since it takes no more bytes.

    :raises StorageFailed: the file system failed; the claim may look like a writer's.
    """
    passage = shelf.passage
    if passage is None:
        return
    if passage.is_contested and not _takes_bytes(shelf, upload_id):
        passage.end_contest()
    try:
        with storage_errors(upload_id), suppress(FileNotFoundError):  # by a newer one
            _remove(shelf.files, passage.directory)
    finally:
        passage.close()


def _takes_bytes(shelf: Shelf, upload_id: str) -> bool:
    try:
        return look_up(shelf, upload_id).info.state is UploadState.RECEIVING
    except UploadNotFound:
        return False


async def claim(shelf: Shelf, disk: IDisk, upload_id: str) -> Shelf:
    """
    Claim an upload; see :meth:`tustwisted.abilities.IFences.claim`.

    :returns: the shelf by the way of the claim.
    """
    claimed, others = await disk.quick(begin_claim, shelf, upload_id)
    if others:
        try:
            # In a thread: one of them may have begun to copy a large file.
            await disk.copy(revoke, claimed, upload_id, others)
        except TusError:
            await give_back(claimed, disk, upload_id)
            raise
    if isinstance(claimed.passage, NoRoom):
        log.warn("no room to claim {upload_id}: only removal", upload_id=upload_id)
    elif claimed.passage is not None and claimed.passage.is_contested:
        log.warn("{upload_id} may have another writer yet", upload_id=upload_id)
    return claimed


async def give_back(shelf: Shelf, disk: IDisk, upload_id: str) -> None:
    """Give a claim back; a failure is logged."""
    try:
        await disk.quick(end_claim, shelf, upload_id)
    except TusError:
        log.failure("cannot release upload {upload_id}", upload_id=upload_id)


@implementer(IClaim)
@define(eq=False, repr=False)
class FileClaim:
    """The claim of one upload."""

    store: IDataStore
    """See :attr:`tustwisted.abilities.IClaim.store`."""

    _shelf: Shelf
    _disk: IDisk
    _upload_id: str
    _is_released: bool = field(init=False, default=False)

    async def release(self) -> None:
        """See :meth:`tustwisted.abilities.IClaim.release`."""
        if not self._is_released:
            self._is_released = True
            await give_back(self._shelf, self._disk, self._upload_id)
