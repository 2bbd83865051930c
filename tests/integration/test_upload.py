"""Uploads to the daemon: whole, cut, many at once, and in unusual ways."""

from __future__ import annotations

import hashlib
import io
import json

from tusclient.client import TusClient
from twisted.trial.unittest import SynchronousTestCase

from tests.integration import tuspy
from tests.integration.content import MIB, Running, hash_of, make_bytes, make_file
from tests.integration.daemon import twistd_tus
from tests.integration.raw import Client

SIZE = 300 * MIB
HALF = SIZE // 2
AT_ONCE = 50


class _WithDaemon(SynchronousTestCase):
    def setUp(self) -> None:
        """Start a daemon."""
        self.daemon = twistd_tus(self)
        self.source = self.daemon.place / "source"

    def assert_finished(self, path: str, digest: str) -> None:
        """The stored file has this hash, and its record says that it is finished."""
        content = self.daemon.content(path)
        self.assertEqual(hash_of(content), digest)
        record = json.loads(content.with_name(content.name + ".info").read_text())
        self.assertEqual(record["State"], "finished")


class LargeUploadTests(_WithDaemon):
    """An upload that is larger than any buffer on its way."""

    def setUp(self) -> None:
        """Make the file."""
        super().setUp()
        self.digest = make_file(self.source, SIZE, seed=1)

    def test_whole(self) -> None:
        """tuspy uploads 300 MiB in one PATCH, and the stored file is the same."""
        path = tuspy.upload(self.daemon.url, self.source)
        self.assert_finished(path, self.digest)

    def test_cut_by_fin(self) -> None:
        """Of a PATCH that ends by a FIN every byte is kept; tuspy resumes (T-040)."""
        path = self.daemon.create(SIZE)
        self._send_half(path).close()
        self.daemon.until_offset(path, HALF)
        began_at = tuspy.resume(self.daemon.url, path, self.source)
        self.assertEqual(began_at, HALF)
        self.assert_finished(path, self.digest)

    def test_cut_by_reset(self) -> None:
        """A PATCH that ends by an RST loses nothing that HEAD has told (T-040)."""
        path = self.daemon.create(SIZE)
        holder = self._send_half(path)
        told = self.daemon.offset(path)
        holder.reset()
        # Bytes that the kernel still hands over may come after this HEAD: one 409.
        began_at = tuspy.resume(self.daemon.url, path, self.source, retries=2)
        self.assertGreaterEqual(began_at, told)
        self.assertLessEqual(began_at, HALF)
        self.assert_finished(path, self.digest)

    def _send_half(self, path: str) -> Client:
        client = self.daemon.client()
        client.begin_patch(path, 0, SIZE)
        with open(self.source, "rb") as file:
            client.send_file(file, 0, HALF)
        return client


class ManyUploadsTests(_WithDaemon):
    """Uploads beside each other."""

    def test_at_once(self) -> None:
        """50 uploads at once, each in several PATCHes, are all right (T-238)."""
        contents = [make_bytes(3 * MIB + number, number) for number in range(AT_ONCE)]
        client = TusClient(self.daemon.url)
        uploaders = [
            client.uploader(file_stream=io.BytesIO(content), chunk_size=MIB)
            for content in contents
        ]
        for running in [Running(uploader.upload) for uploader in uploaders]:
            running.done()
        paths = [str(uploader.url) for uploader in uploaders]
        self.assertEqual(len(set(paths)), AT_ONCE)
        for path, content in zip(paths, contents, strict=True):
            self.assert_finished(path, hashlib.sha256(content).hexdigest())


class RawUploadTests(_WithDaemon):
    """What a client may do, and good ones hardly do."""

    def setUp(self) -> None:
        """Make some content."""
        super().setUp()
        self.content = make_bytes(4 * MIB, seed=2)
        self.digest = hashlib.sha256(self.content).hexdigest()

    def test_leaving_before_the_answer(self) -> None:
        """An upload whose client leaves with its last byte is finished (T-041)."""
        path = self.daemon.create(len(self.content))
        client = self.daemon.client()
        client.begin_patch(path, 0, len(self.content))
        client.send(self.content)
        client.close()
        self.daemon.until_offset(path, len(self.content))
        self.daemon.stop()
        self.assert_finished(path, self.digest)

    def test_leaving_before_the_body(self) -> None:
        """A client that leaves after its headers leaves the upload free (T-040)."""
        path = self.daemon.create(len(self.content))
        client = self.daemon.client()
        client.begin_patch(path, 0, len(self.content))
        client.reset()
        response = self.daemon.client().patch(path, 0, self.content)
        self.assertEqual(response.status, 204)
        self.assert_finished(path, self.digest)

    def test_chunked(self) -> None:
        """A chunked body is stored without its framing (T-031)."""
        path = self.daemon.create(len(self.content))
        client = self.daemon.client()
        client.begin_patch(path, 0, None)
        for begin in range(0, len(self.content), 99_991):
            client.send_chunk(self.content[begin : begin + 99_991])
        client.send_chunk(b"")
        response = client.response()
        self.assertEqual(response.status, 204)
        self.assertEqual(response.headers["upload-offset"], str(len(self.content)))
        self.assert_finished(path, self.digest)

    def test_chunked_and_cut(self) -> None:
        """Of a chunked body that is cut the decoded bytes are kept (T-042)."""
        path = self.daemon.create(len(self.content))
        client = self.daemon.client()
        client.begin_patch(path, 0, None)
        client.send_chunk(self.content[:MIB])
        client.send(b"%x\r\n" % MIB + self.content[MIB : MIB + 1000])
        client.close()
        kept = MIB + 1000
        self.daemon.until_offset(path, kept)
        response = self.daemon.client().patch(path, kept, self.content[kept:])
        self.assertEqual(response.status, 204)
        self.assert_finished(path, self.digest)

    def test_status_while_receiving(self) -> None:
        """HEAD tells a growing offset, and the PATCH goes on to its end (T-230)."""
        path = self.daemon.create(len(self.content))
        client = self.daemon.client()
        client.begin_patch(path, 0, len(self.content))
        for end in range(MIB, len(self.content), MIB):
            client.send(self.content[end - MIB : end])
            self.daemon.until_offset(path, end)
        client.send(self.content[-MIB:])
        self.assertEqual(client.response().status, 204)
        self.assert_finished(path, self.digest)

    def test_expecting_100(self) -> None:
        """A client that waits for 100 before its body gets it, and then 204 (T-093)."""
        path = self.daemon.create(len(self.content))
        client = self.daemon.client()
        expect = "Expect: 100-continue"
        client.begin_patch(path, 0, len(self.content), expect)
        self.assertEqual(client.response().status, 100)
        client.send(self.content)
        self.assertEqual(client.response().status, 204)
        self.assert_finished(path, self.digest)

    def test_expecting_100_in_vain(self) -> None:
        """A client that waits for 100 is refused before it sends its body (T-094)."""
        path = self.daemon.create(len(self.content))
        client = self.daemon.client()
        expect = "Expect: 100-continue"
        client.begin_patch(path, 5, len(self.content) - 5, expect)
        self.assertEqual(client.response().status, 409)
