"""``Upload-Concat`` and the URLs in it."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.store.support import steady
from tustwisted.errors import InvalidConcat, UploadNotFound
from tustwisted.protocol.concat import (
    Final,
    Partial,
    Segments,
    find_id,
    parse_concat,
    write_final,
)
from tustwisted.protocol.ids import is_upload_id

FILES = [b"files"]


def find(url: str, mounts: Sequence[Segments]) -> str:
    """Find the upload that a header names."""
    found = parse_concat([b"final;" + url.encode()])
    assert isinstance(found, Final)
    return find_id(found.paths[0], mounts)


class HeaderTests(SynchronousTestCase):
    """What the header says."""

    def test_absent(self) -> None:
        """Without it the upload is one like any other."""
        self.assertIsNone(parse_concat([]))

    def test_partial(self) -> None:
        """``partial`` is said in exactly this word (T-163)."""
        self.assertEqual(parse_concat([b"partial"]), Partial())

    def test_final(self) -> None:
        """The URLs come in their order, repeated ones repeatedly (T-167, T-168)."""
        self.assertEqual(
            parse_concat([b"final;/files/b http://h/files/a /files/b"]),
            Final(
                "final;/files/b http://h/files/a /files/b",
                tuple([b"", b"files", name] for name in (b"b", b"a", b"b")),
            ),
        )

    def test_spaces(self) -> None:
        """Spaces after ``final;`` and repeated ones part nothing more (T-174)."""
        found = parse_concat([b"final;  /files/a   /files/b"])
        assert isinstance(found, Final)
        self.assertEqual([path[-1] for path in found.paths], [b"a", b"b"])
        self.assertEqual(found.header, "final;  /files/a   /files/b")

    def test_many(self) -> None:
        """1,000 URLs may be listed, also the same one; one more is refused (T-192)."""
        header = b"final;" + b" ".join([b"/files/a"] * 1000)
        found = parse_concat([header])
        assert isinstance(found, Final)
        self.assertEqual(len(found.paths), 1000)
        self.assertEqual(len(set(map(id, found.paths))), 1, "each is read once")
        with self.assertRaisesRegex(InvalidConcat, "more than 1000"):
            parse_concat([header + b" /files/a"])

    def test_other_texts(self) -> None:
        """Anything else is refused (T-175)."""
        for value in (
            b"",
            b"final",
            b"final;",
            b"final; ",
            b"final;   ",
            b"final ;/files/a",
            b"final/files/a",
            b"Final;/files/a",
            b"FINAL;/files/a",
            b"PARTIAL",
            b"Partial",
            b"partial;",
            b"partial;/files/a",
            b" partial",
            b"partial, final;/files/a",
            b"final;/files/a\t/files/b",
            b"final;/files/\xe9",
            b"final;/files/a\x7f",
            b"1",
            b"\xff\xfe",
        ):
            error = self.assertRaises(InvalidConcat, parse_concat, [value])
            self.assertTrue(str(error).startswith("Upload-Concat "), value)

    def test_repeated(self) -> None:
        """Two lines are refused, even when they are equal (T-027)."""
        for values in ([b"partial", b"partial"], [b"final;/files/a", b"partial"]):
            self.assertRaises(InvalidConcat, parse_concat, values)

    @given(st.binary(max_size=40) | st.binary(max_size=40).map(b"final;".__add__))
    @steady(300)
    def test_any_bytes(self, value: bytes) -> None:
        """Any bytes are understood or refused, and the echo is clean (T-166)."""
        try:
            found = parse_concat([value])
        except InvalidConcat:
            return
        if isinstance(found, Final):
            self.assertEqual(found.header.encode("ascii"), value)
            self.assertTrue(found.header.isprintable())


class UrlTests(SynchronousTestCase):
    """Which upload a URL names."""

    def test_path(self) -> None:
        """A path below the mount names one, with a trailing slash too (T-171)."""
        for url in ("/files/a", "/files/a/"):
            self.assertEqual(find(url, [FILES]), "a")

    def test_absolute(self) -> None:
        """Of an absolute URL only the path counts (T-170)."""
        for url in (
            "http://files.example/files/a",
            "https://other.example:8443/files/a",
            "HTTP://[2001:db8::1]:80/files/a",
            "http://user:secret@host/files/a/",
            "//host/files/a",
            "http:///files/a",
            "http://host:/files/a",
        ):
            self.assertEqual(find(url, [FILES]), "a", url)

    def test_decoded_once(self) -> None:
        """Percent-encoded characters are decoded, and only once (T-172)."""
        for url in ("/files/%61%2Db", "/%66iles/a-b", "/files/a%2db"):
            self.assertEqual(find(url, [FILES]), "a-b", url)
        for url in ("/files/%2561", "/files/a%2561"):
            self.assertRaises(UploadNotFound, find, url, [FILES])

    def test_ids_with_segments(self) -> None:
        """Ids that an application made of several segments are found (T-171)."""
        for url in ("/files/2024/05/a", "/files/2024%2F05/a"):
            self.assertEqual(find(url, [FILES]), "2024/05/a")

    def test_mounts(self) -> None:
        """The mount may be the root, deep, or seen under several paths (T-171)."""
        self.assertEqual(find("/a", [[]]), "a")
        self.assertEqual(find("/app/tus/a", [[b"app", b"tus"]]), "a")
        self.assertEqual(find("/a%20b/x", [[b"a b"]]), "x")
        both = [FILES, [b"public", b"up"]]
        self.assertEqual(find("/public/up/a", both), "a")
        self.assertEqual(find("https://host/files/a", both), "a")

    def test_mount_below_another(self) -> None:
        """Of two mounts, one below the other, the deeper one counts (T-170)."""
        for mounts in ([[], FILES], [FILES, []], [[], [b"x"], FILES]):
            self.assertEqual(find("https://host/files/a", mounts), "a")
            self.assertEqual(find("/a", mounts), "a")

    def test_elsewhere(self) -> None:
        """Outside the mount, relative, or no id: there is no such upload (T-173)."""
        for url in (
            "a",
            "./a",
            "../files/a",
            "files/a",
            "/other/a",
            "/filesa",
            "/files",
            "/files/",
            "/files//a",
            "/files/a//",
            "/files%2Fa",
            "/FILES/a",
            "/x/../files/a",
            "/files/../a",
            "/files/%2e%2e/a",
            "/files/.hidden",
            "/files/a.info",
            "/files/a%00",
            "/files/%E9",
            "/files/" + "a" * 201,
            "http://host",
            "http:files/a",
            "mailto:files/a",
            "//files/a",
        ):
            self.assertRaises(UploadNotFound, find, url, [FILES])

    def test_no_url(self) -> None:
        """A query, a fragment and what is no URL are refused (T-173)."""
        for url in (
            "/files/a?x=1",
            "/files/a?",
            "/files/a#x",
            "/files/a#",
            "/files/%",
            "/files/%4",
            "/files/%zz",
            "/files/a\\b",
            "/files/<a>",
            '"/files/a"',
            "/files/[a]",
            "http://[::1/files/a",
            "http://host:port/files/a",
            "http://a@b@c/files/a",
            "1http://host/files/a",
        ):
            self.assertRaises(InvalidConcat, find, url, [FILES])

    @given(st.text(st.characters(max_codepoint=0x7E, min_codepoint=0x21), max_size=30))
    @steady(500)
    def test_any_text(self, text: str) -> None:
        """Whatever the text, it is an id or one of two errors (T-173)."""
        for url in (text, f"/files/{text}", f"http://h/files/{text}"):
            try:
                found = find(url, [FILES])
            except (InvalidConcat, UploadNotFound):
                continue
            self.assertTrue(is_upload_id(found), url)

    def test_a_long_list_of_marks(self) -> None:
        """A text that nearly is a URL takes no longer to refuse than to read (D11)."""
        for mark in ("a:", "%41", "@", "a", "//a@", ":1"):
            self.assertRaises(
                InvalidConcat, find, "http://" + mark * 20_000 + "\\", [FILES]
            )


class WriteTests(SynchronousTestCase):
    """The header of a final upload that has none."""

    def test_read_back(self) -> None:
        """What is written names the same uploads when it is read (T-166)."""
        ids = ("a", "b/c", "a")
        for mount in ([], [b"files"], [b"a b", b"tus"]):
            header = write_final(ids, mount)
            found = parse_concat([header.encode("ascii")])
            assert isinstance(found, Final)
            self.assertEqual(tuple(find_id(p, [mount]) for p in found.paths), ids)

    def test_what_is_no_id(self) -> None:
        """What a record wrongly lists reaches no header (T-166)."""
        self.assertEqual(
            write_final(("a", "b\r\nX: y", "../c"), FILES), "final;/files/a"
        )
