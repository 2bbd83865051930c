"""
A writer that goes over the bytes on their way, and judges them at their end.

Hashing is done where writing is: in the writer's thread, never in the reactor.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from attrs import define, field
from zope.interface import implementer

from tustwisted.abilities import IChunkWriter
from tustwisted.errors import ChecksumMismatch
from tustwisted.interfaces import IUploadWriter
from tustwisted.protocol.checksum import ALGORITHMS, Checksum, Hash


@implementer(IUploadWriter)
@define(eq=False, repr=False)
class VerifyingWriter:
    """
    Writes one chunk that counts only when its checksum is right.

    :param algorithms: those that :meth:`accept` may be asked for; more than one only
        when a trailer has yet to name it.

    Spec: tus 1.0.0, Checksum; rows T-126 to T-137.
    """

    _chunk: IChunkWriter
    _algorithms: Collection[str]
    _hashes: dict[str, Hash] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._hashes = {name: ALGORITHMS[name]() for name in self._algorithms}

    @property
    def offset(self) -> int:
        """Where the upload ends: before the chunk, until it was accepted."""
        return self._chunk.offset

    @property
    def sync_due(self) -> bool:
        """See :attr:`tustwisted.interfaces.IUploadWriter.sync_due`."""
        return self._chunk.sync_due

    def write(self, buffers: Sequence[bytes]) -> None:
        """See :meth:`tustwisted.interfaces.IUploadWriter.write`."""
        for each in self._hashes.values():
            for buffer in buffers:
                each.update(buffer)
        self._chunk.write(buffers)

    def accept(self, checksum: Checksum) -> None:
        """
        Make the chunk count if it is the one that was meant.

        :raises ChecksumMismatch: it is not.
        :raises NoSpace: or :class:`~tustwisted.errors.StorageFailed`: ``offset`` tells
            how much of it is stored.
        """
        if not checksum.matches(self._hashes[checksum.algorithm].digest()):
            raise ChecksumMismatch
        self._chunk.accept()

    def settle(self) -> int:
        """See :meth:`tustwisted.interfaces.IUploadWriter.settle`."""
        return self._chunk.settle()

    def discard(self) -> None:
        """See :meth:`tustwisted.abilities.IChunkWriter.discard`."""
        self._chunk.discard()

    def close(self) -> None:
        """See :meth:`tustwisted.interfaces.IUploadWriter.close`."""
        self._chunk.close()
