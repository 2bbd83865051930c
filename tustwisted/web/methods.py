"""Which methods the URLs of a mount take."""

from __future__ import annotations

from tustwisted.protocol.extensions import Extension
from tustwisted.uploads.uploads import Uploads
from tustwisted.web.download import are_served
from tustwisted.web.settings import WebSettings


def creation_methods(uploads: Uploads) -> tuple[str, ...]:
    """
    List what the creation URL takes.

    Rows T-064, T-065.
    """
    creates = Extension.CREATION in uploads.extensions
    return ("POST", "OPTIONS") if creates else ("OPTIONS",)


def upload_methods(uploads: Uploads, settings: WebSettings) -> tuple[str, ...]:
    """
    List what an upload's URL takes.

    Rows T-123, T-219, T-270.
    """
    terminates = Extension.TERMINATION in uploads.extensions
    return (
        "HEAD",
        *(("GET",) if are_served(uploads, settings) else ()),
        "PATCH",
        *(("DELETE",) if terminates else ()),
        "OPTIONS",
    )
