"""What the headers of an answer tell of an upload."""

from __future__ import annotations

from twisted.web.server import Request

from tustwisted.protocol.expiration import imf_fixdate
from tustwisted.protocol.upload import UploadInfo


def set_facts(request: Request, upload: UploadInfo) -> None:
    """
    Tell how long an upload is, how far it has come, and what its metadata are.

    Spec: tus 1.0.0, HEAD; rows T-013 to T-020.
    """
    request.setHeader(b"Upload-Offset", b"%d" % upload.offset)
    if upload.length is None:
        request.setHeader(b"Upload-Defer-Length", b"1")
    else:
        request.setHeader(b"Upload-Length", b"%d" % upload.length)
    if upload.metadata.header:
        request.setHeader(b"Upload-Metadata", upload.metadata.header.encode("ascii"))


def set_expiry(request: Request, expires_at_s: float | None) -> None:
    """
    Tell when an upload expires, if it does (T-014, T-149 to T-152).

    Spec: tus 1.0.0, Upload-Expires.
    """
    if expires_at_s is not None:
        request.setHeader(b"Upload-Expires", imf_fixdate(expires_at_s).encode())
