"""A client that nobody here wrote: tuspy, with its waits bounded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tusclient.client import TusClient

from tests.integration.content import Running


def upload(url: str, source: Path, **options: Any) -> str:
    """Upload a file, in one PATCH by default; return the upload's path."""
    options = {"chunk_size": 2**63, **options}
    with open(source, "rb") as file:  # tuspy itself would not close it
        uploader = TusClient(url).uploader(file_stream=file, **options)
        Running(uploader.upload).done()
    return _path(str(uploader.url))


def resume(url: str, path: str, source: Path, retries: int = 0) -> int:
    """
    Send what an upload lacks of a file.

    :param url: the creation URL.
    :returns: the offset that the server told before.
    """
    began_at: list[int] = []

    def send() -> None:
        with open(source, "rb") as file:
            uploader = TusClient(url).uploader(
                file_stream=file,
                url=_on_host(url, path),
                retries=retries,
                retry_delay=0,
            )
            began_at.append(uploader.offset)
            uploader.upload()

    Running(send).done()
    return began_at[0]


def _path(url: str) -> str:
    return "/" + url.split("/", 3)[3]


def _on_host(url: str, path: str) -> str:
    return "/".join(url.split("/")[:3]) + path
