"""What makes a PATCH wrong for an upload, judged before the lock and again under it."""

from __future__ import annotations

from attrs import evolve

from tustwisted.errors import (
    InvalidUploadLength,
    ModifyFinal,
    OffsetConflict,
    UploadSizeExceeded,
    UploadTooLarge,
)
from tustwisted.protocol.checksum import Checksum
from tustwisted.protocol.headers import MAX_BYTES
from tustwisted.protocol.upload import UploadInfo
from tustwisted.uploads.chunk import Chunk


def check_without_lock(
    upload: UploadInfo, chunk: Chunk, max_size_bytes: int | None
) -> None:
    """
    Judge what no other request can put right, so that a bad one stops no good one.

    An offset above the stored one may become right while the holder goes on (D5), but
    not one past the end.

    :raises ModifyFinal: final uploads take no bytes.
    :raises UnsupportedChecksum: it cannot be verified.
    :raises OffsetConflict: the upload is past the chunk's offset already, or will never
        come to it.
    :raises TusError: as :func:`check_under_lock`, where the offset is right as it is.
    """
    if upload.is_final:
        raise ModifyFinal
    check_checksum(chunk)
    end = MAX_BYTES if upload.length is None else upload.length
    if not upload.offset <= chunk.offset <= end:
        raise OffsetConflict(upload.offset, chunk.offset)
    if chunk.offset == upload.offset:
        check_under_lock(upload, chunk, max_size_bytes)


def check_under_lock(
    upload: UploadInfo, chunk: Chunk, max_size_bytes: int | None
) -> UploadInfo:
    """
    Judge a body before its first byte is read.

    :returns: the upload with its length, if the chunk tells that.
    :raises ModifyFinal: final uploads take no bytes.
    :raises OffsetConflict: the upload does not end at the chunk's offset.
    :raises InvalidUploadLength: the length that is told is another one than before, or
        less than is stored.
    :raises UploadTooLarge: the upload would get longer than the maximum.
    :raises UploadSizeExceeded: the body would reach past the upload's length.

    Spec: tus 1.0.0, PATCH; rows T-028, T-030, T-036, T-037, T-102 to T-108, T-111,
    T-271.
    """
    if upload.is_final:
        raise ModifyFinal
    if chunk.offset != upload.offset:
        raise OffsetConflict(upload.offset, chunk.offset)
    max_size_bytes = limit_of(upload, max_size_bytes)
    if chunk.upload_length is not None:
        upload = _with_length(upload, chunk.upload_length, max_size_bytes)
    check_size(upload.length, chunk.end, max_size_bytes)
    return upload


def check_checksum(chunk: Chunk) -> None:
    """
    Refuse what cannot be verified.

    :raises UnsupportedChecksum: nobody knows how.
    """
    if isinstance(chunk.checksum, Checksum):
        chunk.checksum.require_supported()


def check_size(length: int | None, end: int, max_size_bytes: int | None) -> None:
    """
    Refuse what gets too long.

    :param length: of the whole upload, if it is known.
    :param end: where it would end now, bytes.
    :param max_size_bytes: no upload that is still to be given its length may be longer.
    :raises UploadTooLarge: than the maximum.
    :raises UploadSizeExceeded: than the upload.
    """
    if length is None:
        check_maximum(end, max_size_bytes)
    elif end > length:
        raise UploadSizeExceeded(length)


def limit_of(upload: UploadInfo, max_size_bytes: int | None) -> int | None:
    """
    Tell how long an upload may get.

    :param max_size_bytes: the longest of all; ``None`` for no limit.
    """
    own = upload.max_size_bytes
    if own is None or max_size_bytes is None:
        return max_size_bytes if own is None else own
    return min(own, max_size_bytes)


def check_maximum(size_bytes: int, max_size_bytes: int | None) -> None:
    """
    Refuse an upload that is longer than any may be.

    :param max_size_bytes: the longest upload; ``None`` for no limit.
    :raises UploadTooLarge: it is.
    """
    if max_size_bytes is not None and size_bytes > max_size_bytes:
        raise UploadTooLarge(max_size_bytes)


def _with_length(
    upload: UploadInfo, length: int, max_size_bytes: int | None
) -> UploadInfo:
    if upload.length is not None:
        if length != upload.length:
            raise InvalidUploadLength("Upload-Length", "cannot be changed")
        return upload
    check_maximum(length, max_size_bytes)
    if length < upload.offset:
        raise InvalidUploadLength("Upload-Length", "is less than what is stored")
    return evolve(upload, length=length)
