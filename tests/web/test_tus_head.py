"""HEAD on the wire."""

from __future__ import annotations

from tests.receive.support import HandDisk
from tests.web.tus_harness import BASE, Server, TusCase, message, patch
from tustwisted.uploads.uploads import STATUS_PATIENCE_S

METADATA = (
    b"filename d29ybGQ=,is_confidential",
    b"z YQ==,a Yg==,M Yw==",
    b"a YQ==, b Yg==",
    b"a ,b YQ==",
    b"a YQ==,,b Yg==,",
    b"binary /+8A",
    b"bare",
)


class HeadTests(TusCase):
    """What HEAD tells of an upload."""

    def test_unfinished(self) -> None:
        """Offset, zero too, and length are told, and not to be cached (T-013)."""
        path = self.server.create(5)
        for sent in (b"", b"abc"):
            self.server.ask(patch(path, 0, body=sent))
            response = self.server.head(path)
            self.assertEqual((response.status, response.body), (200, b""))
            self.assertEqual(response[b"Upload-Offset"], b"%d" % len(sent))
            self.assertEqual(response[b"Upload-Length"], b"5")
            self.assertEqual(response[b"Cache-Control"], b"no-store")
            self.assertIsNone(response[b"Upload-Defer-Length"])

    def test_completed(self) -> None:
        """The offset of a completed upload is its length; no expiry is told (T-014)."""
        path = self.server.create(5)
        self.server.ask(patch(path, 0, body=b"abcde"))
        response = self.server.head(path)
        self.assertEqual((response.status, response[b"Upload-Offset"]), (200, b"5"))
        self.assertEqual(response[b"Upload-Length"], b"5")
        self.assertEqual(response[b"Cache-Control"], b"no-store")
        self.assertIsNone(response[b"Upload-Expires"])

    def test_largest(self) -> None:
        """An upload of 2^63-1 bytes is told so (T-013)."""
        path = self.server.create(2**63 - 1)
        response = self.server.head(path)
        self.assertEqual(response[b"Upload-Length"], b"9223372036854775807")

    def test_unknown(self) -> None:
        """What is no upload is 404 with nothing but no-store (T-015)."""
        strange = (b"%ff", b"%00", b"a//b", b"/a", b"..", b"%2e%2e%2fx", b"a" * 300)
        for name in (b"unknown", *strange):
            response = self.server.head(BASE + name)
            self.assertEqual((response.status, response.body), (404, b""), name)
            self.assertEqual(response[b"Cache-Control"], b"no-store", name)
            for header in (b"Upload-Offset", b"Upload-Length", b"Content-Type"):
                self.assertIsNone(response[header])

    def test_no_content_length(self) -> None:
        """It claims no length for what a GET would not carry (T-016)."""
        path = self.server.create(5)
        for url in (path, BASE + b"unknown", BASE):
            self.assertIsNone(self.server.head(url)[b"Content-Length"])
        unsupported = self.server.ask(message(b"HEAD", path, tus=b"2"))
        self.assertIsNone(unsupported[b"Content-Length"])

    def test_metadata_verbatim(self) -> None:
        """Metadata comes back as it was sent: order, base64, bare keys (T-017)."""
        for sent in METADATA:
            path = self.server.create(1, b"Upload-Metadata: " + sent)
            self.assertEqual(self.server.head(path)[b"Upload-Metadata"], sent)

    def test_metadata_lines(self) -> None:
        """Several lines of metadata come back as one (T-017, T-079)."""
        lines = (b"Upload-Metadata: b YQ==", b"Upload-Metadata: a Yg==,c")
        path = self.server.create(1, *lines)
        told = self.server.head(path)[b"Upload-Metadata"]
        self.assertEqual(told, b"b YQ==,a Yg==,c")

    def test_no_metadata(self) -> None:
        """Without metadata there is no header, rather than an empty one (T-018)."""
        for lines in ((), (b"Upload-Metadata:",), (b"Upload-Metadata: , ,",)):
            path = self.server.create(1, *lines)
            self.assertIsNone(self.server.head(path)[b"Upload-Metadata"])

    def test_no_expiry(self) -> None:
        """Without expiration no response names a date (T-162)."""
        created = self.server.ask(message(b"POST", BASE, b"Upload-Length: 5"))
        path = (created[b"Location"] or b"").removeprefix(b"http://files.example")
        patched = self.server.ask(patch(path, 0, body=b"abc"))
        for response in (created, patched, self.server.head(path)):
            self.assertIsNone(response[b"Upload-Expires"])

    def test_twice(self) -> None:
        """Two HEADs with nothing between are equal, and change nothing (T-019)."""
        path = self.server.create(5, b"Upload-Metadata: a YQ==")
        self.server.ask(patch(path, 0, body=b"abc"))
        client = self.server.connect()
        first, second = (client.ask(message(b"HEAD", path)) for _ in range(2))
        self.assertEqual(first.facts, second.facts)
        told = int(first[b"Upload-Offset"] or b"-1")
        self.assertEqual(self.server.ask(patch(path, told, body=b"de")).status, 204)


class RunningTests(TusCase):
    """HEAD while a body is on its way."""

    def setUp(self) -> None:
        self.disk = HandDisk()
        self.server = Server(disk=self.disk)
        self.path = self.server.create(9)
        self.client = self.server.connect()
        self.sent = patch(self.path, 0, chunks=[b"abc", b"def", b"ghi"])
        self.begin, _, self.rest = self.sent.partition(b"3\r\nghi")
        self.client.begin(self.begin)

    def test_counts_what_is_stored(self) -> None:
        """Bytes that are not in the store yet do not count (T-020)."""
        asking = self.server.connect()
        asking.begin(message(b"HEAD", self.path))
        self.server.clock.advance(STATUS_PATIENCE_S)
        (response,) = asking.responses()
        self.assertEqual(response[b"Upload-Offset"], b"0")
        self.disk.do_all()
        self.assertEqual(self.server.offset(self.path), 6)

    def test_waits_a_moment(self) -> None:
        """It awaits the write that is being done, not longer than 0.1 s (T-020)."""
        asking = self.server.connect()
        asking.begin(message(b"HEAD", self.path))
        self.server.clock.advance(STATUS_PATIENCE_S / 2)
        self.assertEqual(asking.responses(), [])
        self.disk.do_one()
        (response,) = asking.responses()
        self.assertEqual(response[b"Upload-Offset"], b"3")

    def test_stops_nobody(self) -> None:
        """The request that runs goes on and ends well (T-019, T-230)."""
        self.disk.do_all()
        self.assertEqual(self.server.offset(self.path), 6)
        self.client.send(b"3\r\nghi" + self.rest)
        self.disk.do_all()
        self.assertEqual([r.status for r in self.client.responses()], [204])
        self.assert_stored(self.path, b"abcdefghi")

    def test_client_that_leaves(self) -> None:
        """A client that does not wait for its answer leaves nothing behind (T-019)."""
        before = self.server.clock.getDelayedCalls()
        asking = self.server.connect()
        asking.begin(message(b"HEAD", self.path))
        asking.lose()
        self.assertEqual(self.server.clock.getDelayedCalls(), before)
        self.disk.do_all()
        self.assertEqual(asking.responses(), [])
