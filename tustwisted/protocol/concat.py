"""
``Upload-Concat``: what it says, and which uploads its URLs name (concatenation).

URLs are matched by their path alone, since proxies rewrite schemes and hosts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias
from urllib.parse import quote, unquote_to_bytes

from attrs import frozen

from tustwisted.errors import InvalidConcat, UploadNotFound
from tustwisted.protocol.ids import is_upload_id

HEADER = "Upload-Concat"

Segments: TypeAlias = Sequence[bytes]
"""
A path, split and then decoded: ``[b"", b"files", b"a"]`` for ``/files/a``.

That of a mount is without the first slash: ``[b"files"]``, and ``[]`` for the root.
"""

MOST_PARTS = 1000
"""
In one list, repeated ones counted repeatedly.

The headers of a request have room for some 1,600 short URLs: one part of 10 GiB would
become 16 TiB.  And each costs time before any is known to exist.
"""

_FINAL = "final;"

# RFC 3986, section 3, without query and fragment, which no upload's URL has.  Authority
# and scheme are looked at only to find where the path begins.
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*:"
_PLAIN = r"[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2}"
_HOST = rf"\[[0-9A-Fa-f:.]+\]|(?:{_PLAIN})*"
_AUTHORITY = rf"//(?:(?:{_PLAIN}|:)*@)?(?:{_HOST})(?::[0-9]*)?(?![^/])"
_BEFORE_PATH = rf"(?:{_SCHEME}|(?![^/]*:))(?:{_AUTHORITY}|(?!//))"
_URL = re.compile(rf"{_BEFORE_PATH}((?:{_PLAIN}|[:@/])*)")


@frozen
class Partial:
    """The new upload is meant to be put together with others."""


@frozen
class Final:
    """The new upload is to be put together from others."""

    header: str
    """The whole value as it was sent, printable ASCII (T-166)."""

    paths: tuple[Segments, ...]
    """Of the URLs of the partial uploads, in order, one or more."""


def parse_concat(values: Sequence[bytes]) -> Partial | Final | None:
    """
    Read ``Upload-Concat``.

    :param values: one for each header line.
    :returns: ``None`` when absent.
    :raises InvalidConcat: repeated, or neither ``partial`` nor ``final;`` and URLs
        without query and fragment, :data:`MOST_PARTS` at the most.

    Spec: tus 1.0.0, Upload-Concat; rows T-027, T-173 to T-175.
    """
    if not values:
        return None
    if len(values) > 1:
        raise InvalidConcat(HEADER, "must be sent once")
    header = values[0].decode("latin-1")
    if header == "partial":
        return Partial()
    if not (header.startswith(_FINAL) and header.isascii() and header.isprintable()):
        raise InvalidConcat(HEADER, "must be partial, or final; followed by URLs")
    urls = [url for url in header.removeprefix(_FINAL).split(" ") if url]
    if not urls:
        raise InvalidConcat(HEADER, "lists no partial uploads")
    if len(urls) > MOST_PARTS:
        raise InvalidConcat(HEADER, f"lists more than {MOST_PARTS} partial uploads")
    paths = {url: _path_of(url) for url in dict.fromkeys(urls)}
    return Final(header, tuple(paths[url] for url in urls))


def _path_of(url: str) -> Segments:
    match = _URL.fullmatch(url)
    if match is None:
        raise InvalidConcat(HEADER, "lists something that is not the URL of an upload")
    # Split first: an encoded slash parts nothing, as in the routes.
    return [unquote_to_bytes(segment) for segment in match[1].split("/")]


def find_id(path: Segments, mounts: Sequence[Segments]) -> str:
    """
    Tell which upload a path names; whether there is one is another question.

    :param mounts: where uploads are, as clients see it: any of these paths will do.
        Of two, one below the other, the deeper counts: below the root all paths lie.
    :raises UploadNotFound: no upload of this server can have it.

    Spec: tus 1.0.0, Concatenation; rows T-170 to T-173.
    """
    first, *segments = path
    if segments and not segments[-1]:
        del segments[-1]  # /files/a/
    for mount in sorted(mounts, key=len, reverse=True):
        below, rest = segments[: len(mount)], segments[len(mount) :]
        upload_id = b"/".join(rest).decode("latin-1")
        if not first and below == list(mount) and is_upload_id(upload_id):
            return upload_id
    raise UploadNotFound


def write_final(upload_ids: Sequence[str], mount: Segments) -> str:
    """
    Write the ``Upload-Concat`` of a final upload whose own is not known.

    That is one which tusd, or an application, has put together.  What cannot be an id
    is left out.
    """
    base = "".join(f"/{quote(segment)}" for segment in mount)
    return _FINAL + " ".join(f"{base}/{i}" for i in upload_ids if is_upload_id(i))
