"""tus-js-client: uploads that nothing disturbs, in each of the ways it knows."""

from __future__ import annotations

from tests.clients.node import NodeCase
from tests.integration.content import MIB, hash_of

CHUNK = 3_000_000


class UploadTests(NodeCase):
    """A file, with all of it at hand."""

    def test_plain(self) -> None:
        """A file goes over in one PATCH (T-021, T-050)."""
        self.assert_stored(self.upload())
        self.assertEqual(self.wire.told(), ["POST 201", "PATCH 204"])
        self.assertEqual(self.wire.requests[1].sent, self.size)

    def test_chunked(self) -> None:
        """With a chunk size each PATCH goes on where the last one ended (T-038)."""
        self.assert_stored(self.upload(chunkSize=CHUNK))
        sent = [(patch.offset, patch.sent) for patch in self.wire.all("PATCH")]
        rest = self.size - 2 * CHUNK
        self.assertEqual(sent, [(0, CHUNK), (CHUNK, CHUNK), (2 * CHUNK, rest)])

    def test_upload_during_creation(self) -> None:
        """A file goes over in the POST that creates the upload (T-084)."""
        self.assert_stored(self.upload(uploadDataDuringCreation=True))
        self.assertEqual(self.wire.told(), ["POST 201"])
        self.assertEqual(self.wire.requests[0].sent, self.size)

    def test_chunked_during_creation(self) -> None:
        """The POST takes the first chunk, and PATCHes the others (T-083)."""
        url = self.upload(uploadDataDuringCreation=True, chunkSize=CHUNK)
        self.assert_stored(url)
        self.assertEqual(self.wire.told(), ["POST 201", "PATCH 204", "PATCH 204"])
        self.assertEqual(self.wire.requests[0].sent, CHUNK)

    def test_empty(self) -> None:
        """A file without bytes is finished by its creation (T-060)."""
        self.source.write_bytes(b"")
        self.assert_stored(self.upload(), hash_of(self.source))
        self.assertEqual(self.wire.told(), ["POST 201"])

    def test_metadata(self) -> None:
        """HEAD repeats metadata that is not ASCII, to the letter (T-017)."""
        url = self.upload(metadata={"name": "Größe 大.txt", "empty": ""})
        sent = self.wire.requests[0].headers["upload-metadata"]
        answer = self.daemon.client().request("HEAD", self.path(url))
        self.assertEqual(answer.headers["upload-metadata"], sent)
        self.assertEqual(sent, "name R3LDtsOfZSDlpKcudHh0,empty")

    def test_override(self) -> None:
        """Where PATCH is not let through, a POST says that it is one (T-222)."""
        self.assert_stored(self.upload(overridePatchMethod=True, chunkSize=CHUNK))
        told = ["POST 201", "POST 204", "POST 204", "POST 204"]
        self.assertEqual(self.wire.told(), told)
        for post in self.wire.requests[1:]:
            self.assertEqual(post.headers["x-http-method-override"], "PATCH")

    def test_parallel(self) -> None:
        """Parts go over side by side, and become one upload (T-165)."""
        self.assert_stored(self.upload(parallelUploads=4))
        *partials, final = self.wire.all("POST")
        concat = [post.headers["upload-concat"] for post in partials]
        self.assertEqual(concat, ["partial"] * 4)
        self.assertTrue(final.headers["upload-concat"].startswith("final;http://"))
        self.assertEqual(final.status, 201)
        sent = [patch.sent for patch in self.wire.all("PATCH")]
        self.assertEqual(sent, [self.size // 4] * 4)


class StreamTests(NodeCase):
    """A stream, whose length nobody knows before its end."""

    def stream(self, chunk_size: int) -> str:
        """Upload the file by way of a pipe; return the URL."""
        script = self.script("stream", self.wire.url, chunk_size)
        script.say_all(self.source.read_bytes())
        url = script.done()
        self.assertEqual(self.wire.requests[0].headers["upload-defer-length"], "1")
        self.assertNotIn("upload-length", self.wire.requests[0].headers)
        return url

    def test_length_with_the_last_bytes(self) -> None:
        """The last PATCH tells the length together with its bytes (T-099, T-101)."""
        self.assert_stored(self.stream(CHUNK))
        *others, last = self.wire.all("PATCH")
        self.assertEqual([patch.sent for patch in others], [CHUNK, CHUNK])
        self.assertEqual(last.headers["upload-length"], str(self.size))
        for patch in others:
            self.assertNotIn("upload-length", patch.headers)

    def test_length_after_the_last_bytes(self) -> None:
        """A PATCH without bytes that tells the length finishes it (T-102)."""
        self.assert_stored(self.stream(4 * MIB))
        *others, last = self.wire.all("PATCH")
        self.assertEqual([patch.sent for patch in others], [4 * MIB, 4 * MIB])
        self.assertEqual((last.offset, last.sent), (self.size, 0))
        self.assertEqual(last.headers["upload-length"], str(self.size))


class RefusedTests(NodeCase):
    """What the server does not want."""

    options = ("--max-size", "1MiB")

    def test_too_long(self) -> None:
        """A file that is too long is refused once, and not tried again (T-058)."""
        script = self.script("upload", self.wire.url, self.source)
        self.assertIn("response code: 413", script.failed())
        self.assertEqual(self.wire.told(), ["POST 413"])
        self.assertEqual(self.stored(), [])


class TrailerTests(NodeCase):
    """node itself, which can send what no tus client sends."""

    tools = ("node",)

    def send(self, *more: str) -> str:
        """Send the file with its checksum behind it; return the answer."""
        path = self.daemon.create(self.size)
        url = self.wire.url.removesuffix("/files/") + path
        answer = self.script("trailer", url, self.source, "sha256", *more).done()
        (patch,) = self.wire.requests
        self.assertEqual(patch.sent, self.size)
        self.assertTrue(patch.trailers["upload-checksum"].startswith("sha256 "))
        return f"{answer} {self.daemon.offset(path)}"

    def test_right(self) -> None:
        """A chunk whose checksum comes behind it is taken (T-139)."""
        self.assertEqual(self.send(), f"204 {self.size} {self.size}")

    def test_wrong(self) -> None:
        """A chunk that differs from it is 460, and leaves nothing (T-140)."""
        self.assertEqual(self.send("spoilt"), "460 undefined 0")
