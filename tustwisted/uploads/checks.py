"""What makes a PATCH wrong for an upload, judged before the lock and again under it."""

from __future__ import annotations

from tustwisted.errors import ModifyFinal, OffsetConflict, UploadSizeExceeded
from tustwisted.protocol.upload import UploadInfo


def check_without_lock(upload: UploadInfo, offset: int) -> None:
    """
    Judge what no other request can put right, so that a bad one stops no good one.

    An offset above the stored one may become right while the holder goes on (D5).

    :raises ModifyFinal: final uploads take no bytes.
    :raises OffsetConflict: the upload is past ``offset`` already.
    """
    if upload.is_final:
        raise ModifyFinal
    if offset < upload.offset:
        raise OffsetConflict(upload.offset, offset)


def check_under_lock(upload: UploadInfo, offset: int, body_length: int | None) -> None:
    """
    Judge a body before its first byte is read.

    :param offset: where the client believes the upload ends.
    :param body_length: bytes announced; ``None`` when the body is chunked.
    :raises ModifyFinal: final uploads take no bytes.
    :raises OffsetConflict: the upload does not end at ``offset``.
    :raises UploadSizeExceeded: the body would reach past the upload's length.

    Spec: tus 1.0.0, PATCH; rows T-028, T-030, T-036, T-037, T-271.
    """
    if upload.is_final:
        raise ModifyFinal
    if offset != upload.offset:
        raise OffsetConflict(upload.offset, offset)
    if upload.length is not None and offset + (body_length or 0) > upload.length:
        raise UploadSizeExceeded(upload.length)
