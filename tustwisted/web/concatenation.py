"""``Upload-Concat`` on the wire: what a POST asks for, and what HEAD tells."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote_to_bytes, urlsplit

from twisted.web.server import Request

from tustwisted.errors import (
    ExtensionDisabled,
    InvalidDeferLength,
    ModifyFinal,
)
from tustwisted.protocol.concat import (
    HEADER,
    Final,
    Partial,
    Segments,
    find_id,
    parse_concat,
    write_final,
)
from tustwisted.protocol.extensions import Extension
from tustwisted.protocol.headers import is_offset_octet_stream, parse_length
from tustwisted.protocol.metadata import parse_metadata
from tustwisted.protocol.upload import UploadInfo
from tustwisted.uploads.caller import Caller
from tustwisted.uploads.uploads import Uploads
from tustwisted.web.settings import WebSettings
from tustwisted.web.values import Sent


def wanted_concat(sent: Sent, uploads: Uploads) -> Partial | Final | None:
    """
    Tell what part the new upload of a POST is to play; ``None``: none.

    :raises ExtensionDisabled: the header is there, but the extension is off.
    :raises InvalidConcat: the header cannot be understood.

    Spec: tus 1.0.0, Concatenation; rows T-163, T-174, T-175, T-190.
    """
    values = sent.get(b"Upload-Concat", ())
    if values and Extension.CONCATENATION not in uploads.extensions:
        raise ExtensionDisabled(Extension.CONCATENATION.value)
    return parse_concat(values)


async def create_final(
    sent: Sent,
    uploads: Uploads,
    concat: Final,
    mounts: Sequence[Segments],
    caller: Caller,
) -> UploadInfo:
    """
    Put together what a POST lists; it waits as long as that takes.

    What the headers alone tell is judged before any upload is looked at.

    :param mounts: see :func:`mounts_of`.
    :param caller: who asks; the parts must be his.
    :raises InvalidDeferLength: the length of a final upload is never open.
    :raises ModifyFinal: it comes with bytes of its own.
    :raises TusError: as :meth:`tustwisted.uploads.uploads.Uploads.concatenate`.

    Spec: tus 1.0.0, Concatenation; rows T-165 to T-185.
    """
    length = parse_length(sent.get(b"Upload-Length", ()))
    if sent.get(b"Upload-Defer-Length"):
        raise InvalidDeferLength(
            "Upload-Defer-Length", "cannot be sent for a final upload"
        )
    metadata = parse_metadata(sent.get(b"Upload-Metadata", ()))
    if _brings_bytes(sent):
        raise ModifyFinal
    return await uploads.concatenate(
        [find_id(path, mounts) for path in concat.paths],
        metadata,
        length=length,
        concat_header=concat.header,
        caller=caller,
    )


def mounts_of(request: Request, settings: WebSettings) -> list[Segments]:
    """
    List the paths under which clients may know the uploads, for a POST.

    That of the mount, and that of the public URL, which a proxy may rewrite.
    """
    mounts: list[Segments] = [request.prepath or ()]
    if settings.public_url is not None:
        path = urlsplit(settings.public_url).path.encode("ascii")
        public = [unquote_to_bytes(segment) for segment in path.split(b"/") if segment]
        mounts.append(public)
    return mounts


def _brings_bytes(sent: Sent) -> bool:
    if not is_offset_octet_stream(sent.get(b"Content-Type", ())):
        return False
    if sent.get(b"Transfer-Encoding"):
        return True
    return any(int(value) for value in sent.get(b"Content-Length", ()))


def set_concat(request: Request, upload: UploadInfo) -> None:
    """
    Tell what part an upload plays, in the answer to HEAD.

    Spec: tus 1.0.0, Concatenation, HEAD; rows T-163, T-166.
    """
    if upload.is_partial:
        request.setHeader(HEADER.encode(), b"partial")
    elif upload.is_final:
        mount = request.prepath or ()
        header = upload.concat_header or write_final(upload.partial_uploads, mount)
        request.setHeader(HEADER.encode(), header.encode("ascii"))
