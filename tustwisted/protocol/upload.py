"""What is known of an upload, and the states it goes through."""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen

from tustwisted.protocol.headers import MAX_BYTES
from tustwisted.protocol.ids import is_upload_id
from tustwisted.protocol.metadata import Metadata

MAX_OWNER_CHARACTERS = 200


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


def is_owner(text: str) -> bool:
    """Tell whether a string may be the owner of an upload: printable, 1 to 200 long."""
    return 0 < len(text) <= MAX_OWNER_CHARACTERS and text.isprintable()


@frozen
class Storage:
    """Where a store that has files keeps an upload."""

    path: str
    """
    Of its bytes.

    To a creation it is a wish, relative to the root of the store; what is told of an
    upload is absolute.
    """

    record_path: str = ""
    """Of its record; empty: there is no such file."""

    placed_path: str = ""
    """Of its bytes by another name, when it was finished; empty: there is none."""


@frozen
class UploadInfo:
    """The facts of one upload at one moment."""

    upload_id: str

    length: int | None
    """Bytes of the whole upload; ``None`` while its length is deferred."""

    offset: int = 0
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

    owner: str | None = None
    """Who created it, and alone may use it; ``None``: whoever may use the server."""

    max_size_bytes: int | None = None
    """How long it may get, if a hook has set that."""

    expire_after_s: float | None = None
    """How long it is kept unfinished, if a hook has set that."""

    storage: Storage | None = field(default=None, eq=False)
    """
    Where its bytes lie, in a store that has files.

    The store tells it; it is no fact by which two uploads differ.
    """

    modified_s: float = field(default=0.0, eq=False)
    """
    When its last byte was stored, or it was created, seconds since 1970.

    The store tells it; it is no fact by which two uploads differ.
    """

    def __attrs_post_init__(self) -> None:
        """
        Judge the facts, all in one call: a small request makes half a dozen of these.

        :raises ValueError: one of them cannot be.
        """
        if not is_upload_id(self.upload_id):
            raise ValueError("not an upload id")
        for size in (self.length, self.offset, self.max_size_bytes):
            if size is not None and not 0 <= size <= MAX_BYTES:
                raise ValueError("not a number of bytes")
        if self.owner is not None and not is_owner(self.owner):
            raise ValueError("not an owner")

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
        if offset == self.offset:
            return self
        return self.as_stored(offset, self.state, self.storage, self.modified_s)

    def become(self, state: UploadState) -> UploadInfo:
        """Return the same upload in another state."""
        return self.as_stored(self.offset, state, self.storage, self.modified_s)

    def as_stored(
        self,
        offset: int,
        state: UploadState,
        storage: Storage | None,
        modified_s: float,
    ) -> UploadInfo:
        """Return the same upload with what changes while it is stored."""
        # By name and not by evolve(), which takes as long again to find the fields:
        # a small request comes here four times.
        return UploadInfo(
            upload_id=self.upload_id,
            length=self.length,
            offset=offset,
            metadata=self.metadata,
            state=state,
            created_s=self.created_s,
            is_partial=self.is_partial,
            is_final=self.is_final,
            partial_uploads=self.partial_uploads,
            concat_header=self.concat_header,
            owner=self.owner,
            max_size_bytes=self.max_size_bytes,
            expire_after_s=self.expire_after_s,
            storage=storage,
            modified_s=modified_s,
        )
