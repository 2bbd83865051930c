"""
A chunk of which it is not known yet whether it is the one that was meant (D3).

A small one is held in memory.  A large one is written behind a note of where it begins,
``<id>.unverified``, which is there before its first byte and until it is known to be
right: whoever tells an offset, also after a crash, looks at that note.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from attrs import define, field
from zope.interface import implementer

from tustwisted.abilities import IChunkWriter
from tustwisted.errors import TusError
from tustwisted.store.failures import storage_errors
from tustwisted.store.shelf import Shelf
from tustwisted.store.writer import FileWriter

HELD_BYTES = 1024 * 1024
"""So much of a chunk is held in memory until it is verified (D3)."""


@implementer(IChunkWriter)
@define(eq=False, repr=False)
class FileChunk:
    """
    One chunk of one upload.

    :param writer: open where the chunk begins; it is this chunk's alone.
    :param held_limit: how much is held in memory, bytes.
    """

    _shelf: Shelf
    _upload_id: str
    _writer: FileWriter
    _held_limit: int
    _base: int = field(init=False)
    """Where the chunk begins, bytes from the start of the upload."""
    _held: bytearray = field(init=False, factory=bytearray)
    """One object: pieces of two bytes would cost twenty times as much as they hold."""
    _is_noted: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._base = self._writer.offset

    @property
    def offset(self) -> int:
        """See :attr:`tustwisted.abilities.IChunkWriter`."""
        return self._base if self._is_noted else self._writer.offset

    @property
    def sync_due(self) -> bool:
        """See :attr:`tustwisted.interfaces.IUploadWriter.sync_due`."""
        return not self._is_noted and self._writer.sync_due

    def write(self, buffers: Sequence[bytes]) -> None:
        """See :meth:`tustwisted.interfaces.IUploadWriter.write`."""
        if self._is_noted:
            self._writer.write(buffers)
            return
        self._writer.require_usable()
        for buffer in buffers:
            self._held += buffer
        if len(self._held) > self._held_limit:
            self._note()
            self._write_held()

    def accept(self) -> None:
        """See :meth:`tustwisted.abilities.IChunkWriter.accept`."""
        if self._is_noted:
            self._forget_note()
            self._writer.marks = True
        else:
            self._write_held()
        self._writer.require_claim()

    def settle(self) -> int:
        """See :meth:`tustwisted.interfaces.IUploadWriter.settle`."""
        if not self._is_noted:
            return self._writer.settle()
        self._writer.require_claim()
        return self._base

    def discard(self) -> None:
        """Cut the chunk off if it was not accepted, and only then end the doubt."""
        self._held.clear()
        if self._is_noted:
            # What fails is logged, and the next writer will do it.
            with suppress(TusError), storage_errors(self._upload_id):
                self._writer.require_claim()
                self._shelf.files.truncate(self._writer.fileno(), self._base)
                self._writer.offset = self._base
                self._forget_note()

    def close(self) -> None:
        """See :meth:`tustwisted.interfaces.IUploadWriter.close`."""
        self._held.clear()
        self._writer.close()

    def _note(self) -> None:
        """Note where the chunk begins, at one stroke, before its first byte."""
        path = self._shelf.layout.unverified(self._upload_id)
        with storage_errors(self._upload_id):
            self._shelf.place(self._upload_id, path, b"%d\n" % self._base, synced=False)
        # What lies past the note must never be called safe, not even by a power loss.
        self._writer.marks = False
        self._is_noted = True

    def _write_held(self) -> None:
        held, self._held = self._held, bytearray()
        if held:  # an upload past receiving takes no bytes, not even none
            self._writer.write([bytes(held)])

    def _forget_note(self) -> None:
        with (
            storage_errors(self._upload_id),
            suppress(FileNotFoundError),  # the upload was removed
        ):
            self._shelf.take_away(self._shelf.layout.unverified(self._upload_id))
        self._is_noted = False
