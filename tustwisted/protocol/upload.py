"""What is known of an upload, and the states it goes through."""

from __future__ import annotations

from enum import Enum

from attrs import evolve, field, frozen, validators

from tustwisted.protocol.headers import MAX_BYTES
from tustwisted.protocol.ids import is_upload_id
from tustwisted.protocol.metadata import Metadata

_in_range = validators.and_(validators.ge(0), validators.le(MAX_BYTES))


class UploadState(Enum):
    """
    How far an upload has come; the record keeps it (DESIGN D3).

    Bytes alone do not finish an upload: between its last byte and ``FINISHED`` stands
    the finish step, which is done again after a crash.
    """

    RECEIVING = "receiving"
    FINISHING = "finishing"
    FINISHED = "finished"
    FINISH_FAILED = "finish-failed"


@frozen
class UploadInfo:
    """The facts of one upload at one moment."""

    upload_id: str = field(validator=lambda _, __, value: _require_id(value))

    length: int | None = field(validator=validators.optional(_in_range))
    """Bytes of the whole upload; ``None`` while its length is deferred."""

    offset: int = field(default=0, validator=_in_range)
    """Bytes that the store holds, from the start."""

    metadata: Metadata = field(factory=Metadata)

    state: UploadState = UploadState.RECEIVING

    created_s: float = 0.0
    """When the upload was created, seconds since 1970."""

    is_partial: bool = False
    """A part that a final upload may be put together from (concatenation)."""

    is_final: bool = False
    """Put together from partial uploads; never written to."""

    partial_uploads: tuple[str, ...] = ()
    """What a final upload was put together from, as the record says it."""

    concat_header: str = ""
    """``Upload-Concat`` of a final upload as the client sent it, printable ASCII."""

    modified_s: float = field(default=0.0, eq=False)
    """
    When its last byte was stored, or it was created, seconds since 1970.

    The store tells it; it is no fact by which two uploads differ.
    """

    @property
    def remaining(self) -> int | None:
        """Bytes still to come; ``None`` while the length is deferred."""
        return None if self.length is None else self.length - self.offset

    @property
    def is_whole(self) -> bool:
        """All bytes are stored; says nothing of the finish step."""
        return self.offset == self.length

    @property
    def awaits_finish(self) -> bool:
        """
        The finish step is due: begun and not ended, or its last byte just came.

        In tus 1.0 an offset that equals the length completes an upload, so a process
        that died right after the last byte has left nothing that is not seen here.
        """
        if self.state is UploadState.RECEIVING:
            return self.is_whole
        return self.state is not UploadState.FINISHED

    def at(self, offset: int) -> UploadInfo:
        """Return the same upload with another offset."""
        return evolve(self, offset=offset)

    def become(self, state: UploadState) -> UploadInfo:
        """Return the same upload in another state."""
        return evolve(self, state=state)


def _require_id(value: str) -> None:
    if not is_upload_id(value):
        raise ValueError("not an upload id")
