"""tuspy, with checksums, in pieces, and on a line that spoils and breaks."""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64encode

from tusclient.client import TusClient

from tests.clients.tools import ClientCase
from tests.integration import tuspy
from tests.integration.content import MIB, Running
from tests.integration.daemon import until

CHUNK = 3 * MIB


class UploadTests(ClientCase):
    """A file, with nothing in the way."""

    def upload(self, **options: object) -> str:
        """Upload the file; return the URL."""
        path = tuspy.upload(self.wire.url, self.source, **options)
        return self.wire.url.removesuffix("/files/") + path

    def test_plain(self) -> None:
        """A file goes over in one PATCH; metadata may be empty (T-021, T-067)."""
        self.assert_stored(self.upload())
        self.assertEqual(self.wire.told(), ["POST 201", "PATCH 204"])
        self.assertEqual(self.wire.requests[0].headers["upload-metadata"], "")

    def test_chunked(self) -> None:
        """With a chunk size each PATCH goes on where the last one ended (T-038)."""
        self.assert_stored(self.upload(chunk_size=CHUNK))
        offsets = [patch.offset for patch in self.wire.all("PATCH")]
        self.assertEqual(offsets, [0, CHUNK, 2 * CHUNK])

    def test_metadata(self) -> None:
        """HEAD repeats metadata that is not ASCII, to the letter (T-017)."""
        url = self.upload(metadata={"name": "Größe 大.txt", "empty": "", "a": "b"})
        sent = self.wire.requests[0].headers["upload-metadata"]
        answer = self.daemon.client().request("HEAD", self.path(url))
        self.assertEqual(answer.headers["upload-metadata"], sent)
        self.assertEqual(sent, "name R3LDtsOfZSDlpKcudHh0,empty ,a Yg==")

    def test_checksum(self) -> None:
        """Each chunk is taken with the checksum of its own bytes (T-126, T-133)."""
        self.assert_stored(self.upload(chunk_size=CHUNK, upload_checksum=True))
        content = self.source.read_bytes()
        for patch in self.wire.all("PATCH"):
            chunk = content[patch.offset : patch.offset + CHUNK]
            digest = hashlib.sha1(chunk, usedforsecurity=False).digest()
            header = patch.headers["upload-checksum"]
            self.assertEqual(header, f"sha1 {b64encode(digest).decode()}")
            self.assertEqual(patch.status, 204)

    def test_async(self) -> None:
        """The client for asyncio, which speaks by way of aiohttp, can do it too."""
        urls: list[str] = []

        async def upload() -> None:
            with open(self.source, "rb") as file:
                client = TusClient(self.wire.url)
                uploader = client.async_uploader(file_stream=file, chunk_size=1_000_000)
                await uploader.upload()
                urls.append(str(uploader.url))

        Running(lambda: asyncio.run(upload())).done()
        self.assert_stored(urls[0])


class TroubleTests(ClientCase):
    """A line that spoils a byte, or breaks."""

    def upload(self) -> Running:
        """Upload the file in pieces with checksums, and try again."""
        return Running(
            lambda: tuspy.upload(
                self.wire.url,
                self.source,
                chunk_size=CHUNK,
                upload_checksum=True,
                retries=3,
                retry_delay=0,
            )
        )

    def assert_once_more(self, first: int | None) -> None:
        """The second chunk went over again, from its beginning."""
        told = ["POST 201", "PATCH 204", f"PATCH {first}", "HEAD 200"]
        self.assertEqual(self.wire.told(), [*told, "PATCH 204", "PATCH 204"])
        offsets = [patch.offset for patch in self.wire.all("PATCH")]
        self.assertEqual(offsets, [0, CHUNK, CHUNK, 2 * CHUNK])
        (name, _) = self.stored()
        self.assert_stored(self.wire.url + name)

    def test_spoilt(self) -> None:
        """A chunk that was spoilt is 460, and goes over again (T-127)."""
        self.wire.spoil_at(CHUNK + 1000)
        self.upload().done()
        self.assert_once_more(460)

    def test_cut(self) -> None:
        """A chunk that was cut counts for nothing, and goes over again (T-135)."""
        self.wire.hold_at(CHUNK + 2 * MIB)  # a store holds the first in memory
        running = self.upload()
        until(lambda: len(self.wire.all("PATCH")) == 2, "the second PATCH is sent")
        stored = self.daemon.content(self.wire.requests[-1].target)
        until(lambda: stored.stat().st_size > CHUNK, "some of it is there")
        self.wire.cut()
        running.done()
        self.assert_once_more(None)
