"""
Claims: which of several holders of a lock may change an upload (DESIGN D6).

A claim is a directory ``.tustwisted.claims/<id>/<token>`` under the upload directory.
Who claims an upload makes his own first and then takes all others away, so that of two
at once at most one is left.  What has been taken away was not released: its holder may
be frozen, and write on to the file that he has open.
"""

from __future__ import annotations

import errno
from contextlib import suppress

from attrs import define, evolve, field
from twisted.logger import Logger
from zope.interface import implementer

from tustwisted.abilities import IClaim
from tustwisted.errors import StorageFailed, TusError, UploadNotFound
from tustwisted.interfaces import IDataStore, IDisk
from tustwisted.protocol.upload import UploadState
from tustwisted.store.failures import storage_errors
from tustwisted.store.files import IFiles
from tustwisted.store.lookup import look_up
from tustwisted.store.passage import Passage
from tustwisted.store.shelf import Shelf

log = Logger()

TOKEN_BYTES = 8
"""Random; the token of a claim must only differ from those before it."""

_ATTEMPTS = 100
"""Each one that fails has met another claimant, or a writer, in one system call."""

_IN_USE = frozenset({errno.ENOTEMPTY, errno.EEXIST})


def begin_claim(shelf: Shelf, upload_id: str, token: str) -> tuple[Shelf, list[str]]:
    """
    Make a claim beside older ones, which are still to be revoked.

    :param token: a name that no claim of the upload ever had.
    :returns: the shelf by the way of this claim, and the older ones: directories.
    :raises UploadNotFound: not an id.
    :raises NoSpace: or :class:`StorageFailed`; nothing was claimed.
    """
    shelf.layout.check(upload_id)
    claims = shelf.layout.claims(upload_id)
    with storage_errors(upload_id):
        _make_directory(shelf, claims, token)
        try:
            others = [n for n, _ in shelf.files.scan(claims) if n != token]
        except OSError:
            with suppress(OSError):
                shelf.files.remove_directory(f"{claims}/{token}")
            raise
    passage = Passage(shelf.files, f"{claims}/{token}", bool(others))
    return evolve(shelf, passage=passage), [f"{claims}/{name}" for name in others]


def _make_directory(shelf: Shelf, claims: str, token: str) -> None:
    files, mode = shelf.files, shelf.dir_mode
    for _ in range(_ATTEMPTS):
        try:
            with suppress(FileExistsError):
                files.make_directory(claims, mode)
        except FileNotFoundError:
            with suppress(FileExistsError):
                files.make_directory(shelf.layout.all_claims(), mode)
            continue
        with suppress(FileNotFoundError):  # another claim was released meanwhile
            files.make_directory(f"{claims}/{token}", mode)
            return
    raise OSError(errno.EBUSY, "others make and remove it all the time", claims)


def revoke(shelf: Shelf, upload_id: str, directories: list[str]) -> None:
    """
    Take claims away; afterwards nothing is published by way of them any more.

    :raises StorageFailed: the file system failed, and some may hold yet.
    """
    with storage_errors(upload_id):
        for directory in directories:
            with suppress(FileNotFoundError):  # released, or revoked by another claim
                _remove(shelf.files, directory)


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

    One that is contested stays, for whoever comes next must know that somebody may
    write to the data file; unless nobody will, since the upload takes no more bytes.

    :raises StorageFailed: the file system failed; the claim may look like a writer's.
    """
    passage = shelf.passage
    if passage is None or (passage.is_contested and _takes_bytes(shelf, upload_id)):
        return
    with storage_errors(upload_id):
        with suppress(FileNotFoundError):  # there is a newer claim
            _remove(shelf.files, passage.directory)
        try:
            shelf.files.remove_directory(shelf.layout.claims(upload_id))
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno not in _IN_USE:
                raise


def _takes_bytes(shelf: Shelf, upload_id: str) -> bool:
    try:
        return look_up(shelf, upload_id).info.state is UploadState.RECEIVING
    except UploadNotFound:
        return False


async def claim(shelf: Shelf, disk: IDisk, upload_id: str, token: str) -> Shelf:
    """
    Claim an upload; see :meth:`tustwisted.abilities.IFences.claim`.

    :returns: the shelf by the way of the claim.
    """
    claimed, others = await disk.quick(begin_claim, shelf, upload_id, token)
    if others:
        try:
            # In a thread: one of them may have begun to copy a large file.
            await disk.copy(revoke, shelf, upload_id, others)
        except StorageFailed:
            await give_back(claimed, disk, upload_id)
            raise
        log.warn(
            "upload {upload_id} is taken from {count} who may be writing yet",
            upload_id=upload_id,
            count=len(others),
        )
    return claimed


async def give_back(shelf: Shelf, disk: IDisk, upload_id: str) -> None:
    """Give a claim back; a failure is logged."""
    try:
        await disk.quick(end_claim, shelf, upload_id)
    except TusError:
        log.failure("cannot release upload {upload_id}", upload_id=upload_id)


@implementer(IClaim)
@define(eq=False)
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
