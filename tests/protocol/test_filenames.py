"""Names of finished uploads, whatever clients call them."""

from __future__ import annotations

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.protocol.filenames import (
    MAX_NUMBER,
    FileNameTemplate,
    Placing,
)
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.upload import UploadInfo

ID = "0123456789abcdef0123456789abcdef"
NOW_S = 1_709_251_199.9
"""The last second of 29 February 2024, UTC."""


def upload(
    filename: bytes | None = None,
    owner: str | None = None,
    upload_id: str = ID,
    **pairs: bytes,
) -> UploadInfo:
    """Return an upload with a name."""
    if filename is not None:
        pairs["filename"] = filename
    metadata = Metadata.from_pairs(pairs)
    return UploadInfo(upload_id, 1, metadata=metadata, owner=owner)


def first(template: str, info: UploadInfo) -> str:
    """Return the name that is tried first."""
    return next(FileNameTemplate(template).names(info, NOW_S))


def named(filename: str | bytes) -> str:
    """Return the first name of an upload that its client calls so."""
    said = filename.encode() if isinstance(filename, str) else filename
    return first("{filename}", upload(said))


class TemplateTests(SynchronousTestCase):
    """What a template may be, and what its fields stand for."""

    def test_fields(self) -> None:
        """Each field stands for one fact."""
        info = upload(b"a b.txt", "zoe")
        for template, expected in (
            ("{filename}", "a b.txt"),
            ("{id}", ID),
            ("{owner}/{filename}", "zoe/a b.txt"),
            ("{yyyy}/{mm}/{dd}/{filename}", "2024/02/29/a b.txt"),
            ("in/{yyyy}-{mm}/{id}-{filename}", f"in/2024-02/{ID}-a b.txt"),
            ("all", "all"),
            ("{dd}{dd}", "2929"),
        ):
            self.assertEqual(first(template, info), expected)

    def test_what_the_client_calls_it(self) -> None:
        """It is the filename, or the name, or else the id."""
        self.assertEqual(first("{filename}", upload(b"a", name=b"b")), "a")
        self.assertEqual(first("{filename}", upload(b"", name=b"b")), "b")
        self.assertEqual(first("{filename}", upload(b"")), ID)
        self.assertEqual(first("{filename}", upload()), ID)

    def test_nobody(self) -> None:
        """Without an owner there is still a segment."""
        self.assertEqual(first("{owner}/{filename}", upload(b"a")), "_/a")

    def test_owners(self) -> None:
        """No two owners share a directory, whatever they are called."""
        long = "\u2603" * 199
        owners = [
            *(
                "ann",
                "a_b",
                "a/b",
                "a:b",
                "a|b",
                "\u00e9",
                "e\u0301",
                "_",
                "bob.",
                "bob_",
            ),
            *(".bob", "_bob", "CON", "_CON", long + "a", long + "b", None),
        ]
        names = [first("{owner}/{filename}", upload(b"x", who)) for who in owners]
        self.assertEqual(names[:2], ["ann/x", "a_b/x"])
        self.assertRegex(names[2], "^a_b~[0-9a-f]{16}/x$")
        # One of them might be called as another one's directory.
        owners += [name.removesuffix("/x") for name in names[2:-1]]
        names = [first("{owner}/{filename}", upload(b"x", who)) for who in owners]
        self.assertEqual(len(set(names)), len(set(owners)))

    def test_ids_with_segments(self) -> None:
        """A slash in an id makes no directory."""
        info = upload(upload_id="2024/05/x")
        self.assertEqual(first("{id}", info), "2024-05-x")
        self.assertEqual(first("{filename}", info), "2024-05-x")

    def test_what_is_no_template(self) -> None:
        """It is refused with one sentence that says why."""
        for text, words in (
            ("", "empty segment"),
            ("a//b", "empty segment"),
            ("{filename}/", "empty segment"),
            ("/{filename}", "relative"),
            ("/", "relative"),
            ("../{filename}", "dot"),
            ("{yyyy}/..", "dot"),
            (".", "dot"),
            (".hidden/{id}", "dot"),
            ("{ext}", "unknown field {ext}"),
            ("{}", "unknown field {}"),
            ("{ID}", "unknown field {ID}"),
            ("{id", "brace"),
            ("id}", "brace"),
            ("{{id}}", "brace"),
            ("a\\b", "file system"),
            ("a:b", "file system"),
            ("a\0", "file system"),
            ("a\n", "file system"),
            ("a /b", "file system"),
            ("a./b", "file system"),
            ("nul/{id}", "file system"),
            ("x" * 201, "file system"),
            ("e\u0301", "file system"),
        ):
            error = self.assertRaises(ValueError, FileNameTemplate, text)
            self.assertIn(words, str(error), text)
            self.assertNotIn("\n", str(error))

    def test_fields_are_listed(self) -> None:
        """Who misspells one is told which there are."""
        error = self.assertRaises(ValueError, FileNameTemplate, "{name}")
        self.assertEqual(
            str(error),
            "has an unknown field {name}: there are {id}, {filename}, {owner}, "
            "{yyyy}, {mm}, {dd}",
        )


class SanitisingTests(SynchronousTestCase):
    """What clients say becomes a part of one segment."""

    def test_plain_names_stay(self) -> None:
        """What any file system takes stays as it is."""
        for name in (
            "a",
            "report (final).pdf",
            "Z\u00fcrich \u96ea \U0001f468\u200d\U0001f4bb.tar.gz",
            "a..b",
            "-rf",
            "~",
            "con1",
            "nulls.txt",
            "it's 100% #1 & $x",
        ):
            self.assertEqual(named(name), name)

    def test_nothing_leads_elsewhere(self) -> None:
        """Separators and leading dots go, of whichever system."""
        for name, expected in (
            ("../../etc/passwd", "___.._etc_passwd"),
            ("..", "__"),
            (".", "_"),
            ("/etc/passwd", "_etc_passwd"),
            ("C:\\Windows\\x", "C__Windows_x"),
            (".ssh", "_ssh"),
            ("...a", "___a"),
            ("a\0b", "a_b"),
            ("a\r\nb\x7f\x85", "a__b__"),
            ("a\u2028b\u2029", "a_b_"),
        ):
            self.assertEqual(named(name), expected)

    def test_nothing_deceives(self) -> None:
        """Directions that make a name look as if it ended otherwise go."""
        for mark in "\u061c\u200e\u200f\u202a\u202e\u2066\u2069":
            self.assertEqual(named(f"a{mark}fdp.exe"), "a_fdp.exe")

    def test_windows(self) -> None:
        """What Windows keeps for itself, and endings that it drops, go."""
        for name, expected in (
            ('<>:"|?*', "_______"),
            ("CON", "_CON"),
            ("nul.txt", "_nul.txt"),
            ("NUL .txt", "_NUL .txt"),
            ("Com1", "_Com1"),
            ("lpt\u00b2.a.b", "_lpt\u00b2.a.b"),
            ("CONIN$", "_CONIN$"),
            ("a.", "a_"),
            ("a. .", "a___"),
            ("   ", "___"),
        ):
            self.assertEqual(named(name), expected)

    def test_what_is_no_text(self) -> None:
        """Bytes that are no UTF-8, and what is no character, go; the rest is NFC."""
        self.assertEqual(named(b"a\xffb\xc3"), "a_b_")
        self.assertEqual(named(b"\xed\xa0\x80"), "___")
        self.assertEqual(named("a\ufffe\u0378"), "a__")
        self.assertEqual(named("e\u0301"), "\u00e9")

    def test_fields_together(self) -> None:
        """A segment of several fields is judged as a whole."""
        info = upload(b"\xcc\x81x", "e")
        self.assertEqual(first("{owner}{filename}", info), "\u00e9x")
        info = upload(b"N", "CO")
        self.assertEqual(first("{owner}{filename}", info), "_CON")

    def test_long_names(self) -> None:
        """They are cut at a character, and keep what programs know them by."""
        snow = "\u2603"
        for name, expected in (
            ("x" * 300, "x" * 200),
            ("x" * 300 + ".jpeg", "x" * 195 + ".jpeg"),
            ("x" * 300 + ".tar.gz", "x" * 193 + ".tar.gz"),
            (snow * 100, snow * 66),
            (snow * 100 + ".pdf", snow * 65 + ".pdf"),
            ("x." + "y" * 300, "x." + "y" * 198),
            ("x" * 199 + " y", "x" * 199 + "_"),
            ("." * 300, "_" * 200),
        ):
            self.assertEqual(named(name), expected)


class FurtherNameTests(SynchronousTestCase):
    """Names for when the first one is taken."""

    def names(self, filename: bytes, upload_id: str = ID) -> list[str]:
        """List all names of an upload."""
        template = FileNameTemplate("{yyyy}/{filename}")
        return list(template.names(upload(filename, upload_id=upload_id), NOW_S))

    def test_numbered(self) -> None:
        """Numbers come before the extension, and at last there is the id."""
        found = self.names(b"a.tar.gz")
        self.assertEqual(
            found[:3], ["2024/a.tar.gz", "2024/a (2).tar.gz", "2024/a (3).tar.gz"]
        )
        self.assertEqual(
            found[-2:], [f"2024/a ({MAX_NUMBER}).tar.gz", f"2024/a-{ID}.tar.gz"]
        )
        self.assertEqual(len(found), MAX_NUMBER + 1)

    def test_no_extension(self) -> None:
        """Where there is none the number comes last."""
        self.assertEqual(self.names(b"a")[1], "2024/a (2)")
        self.assertEqual(self.names(b".profile")[1], "2024/_profile (2)")
        self.assertEqual(self.names(b"v1.0 of it")[1], "2024/v1.0 of it (2)")

    def test_long_ids(self) -> None:
        """There is room for the longest id, and all of it is there."""
        upload_id = "x/" * 99 + "y."
        last = self.names(b"n" * 300 + b".jpeg", upload_id)[-1]
        shown = upload_id.replace("/", "-")
        self.assertTrue(last.endswith(f"-{shown}.jpeg"), last)
        self.assertEqual(len(last), len("2024/") + 250)
        self.assertTrue(self.names(b"n", upload_id)[-1].endswith("y_"))


_TEMPLATES = st.lists(
    st.lists(
        st.sampled_from(("{id}", "{filename}", "{owner}", "{yyyy}", "{dd}", "-", "x")),
        min_size=1,
        max_size=4,
    ).map("".join),
    min_size=1,
    max_size=3,
).map("/".join)

_NAMES = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=120).map(lambda text: text.encode("utf-8", "replace")),
    st.text('./\\ :\0CONnul1\u202e\u0301<"\ud7ff\ufffe\u0958', max_size=300).map(
        str.encode
    ),
)

_IDS = st.from_regex(
    r"[a-z0-9_+-][a-z0-9_.+-]{0,60}(/[a-z0-9_+-]{1,60})?", fullmatch=True
)


class AnyNameTests(SynchronousTestCase):
    """Whatever a client says."""

    @given(_TEMPLATES, _NAMES, st.text(min_size=1, max_size=200), _IDS)
    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    def test_any_name(
        self, template: str, filename: bytes, owner: str, upload_id: str
    ) -> None:
        """A name is under the directory, not hidden, and one that any system takes."""
        who = owner if owner.isprintable() else None
        if upload_id.endswith((".info", ".lock", ".removed", ".stop", ".tmp")):
            upload_id = ID
        found = list(
            FileNameTemplate(template).names(upload(filename, who, upload_id), NOW_S)
        )
        self.assertEqual(len(set(found)), MAX_NUMBER + 1)
        for name in (found[0], found[1], found[-2], found[-1]):
            self.assertEqual(name.count("/"), template.count("/"))
            for segment in name.split("/"):
                self.check(segment)

    def check(self, segment: str) -> None:
        """See that a file may be called so on ext4, APFS and NTFS."""
        self.assertTrue(0 < len(segment.encode()) <= 250, segment)
        self.assertFalse(segment.startswith("."), segment)
        self.assertFalse(segment.endswith((".", " ")), segment)
        self.assertEqual(set(segment) & set('/\\<>:"|?*'), set())
        self.assertEqual(unicodedata.normalize("NFC", segment), segment)
        kinds = {unicodedata.category(character) for character in segment}
        self.assertEqual(kinds & {"Cc", "Cs", "Cn", "Zl", "Zp"}, set())
        stem = segment.partition(".")[0].rstrip(" ").upper()
        self.assertNotIn(stem, {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9"})


class PlacingTests(SynchronousTestCase):
    """What becomes of finished files."""

    def test_nothing_is_lost(self) -> None:
        """A file that would go with its upload cannot be asked for."""
        template = FileNameTemplate("{id}")
        for moves, drops in ((False, False), (True, False), (False, True)):
            Placing(template, moves, drops)
        self.assertRaises(ValueError, Placing, template, True, True)
