"""Tests for :mod:`tustwisted.protocol.disposition`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.store.support import steady
from tustwisted.protocol.disposition import (
    content_disposition,
    content_type,
    file_name,
)
from tustwisted.protocol.metadata import Metadata

ALLOWED = [
    "text/plain",
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/bmp",
    "image/webp",
    "audio/wave",
    "audio/wav",
    "audio/x-wav",
    "audio/x-pn-wav",
    "audio/webm",
    "audio/ogg",
    "video/mp4",
    "video/webm",
    "video/ogg",
    "application/ogg",
]
"""The list of T-211."""

NO_TYPES = (
    b"",
    b"text",
    b"text/",
    b"/plain",
    b"text/plain/x",
    b"text /plain",
    b"text/pl ain",
    b"image/png, image/gif",
    b"text/plain; charset",
    b"text/plain; =x",
    b"text/plain; a=b c",
    b'text/plain; a="b',
    b'text/plain; a="b"c',
    b"text/plain\r\nX-Evil: 1",
    b"text/plain\n",
    b"text/plain;\r\n a=b",
    b"text/plain\0",
    b"text/pl\xe4in",
    b"*",
    b"text/(plain)",
)

HOSTILE_TYPES = """
from tustwisted.protocol.disposition import content_type
from tustwisted.protocol.metadata import Metadata
for count in 1, 30, 98, 30_000:
    for piece in b"; ", b";", b" ", b";a=b", b'; a="\\\\" ':
        said = b"a/a" + piece * count + b"("
        found = content_type(Metadata.from_pairs({"filetype": said}))
        assert found == "application/octet-stream", said
"""
"""What has many readings for whoever tries them all."""

_NAME = re.compile(rb"(inline|attachment)(?:; filename=\"((?:[^\"\\]|\\.)*)\")?")


def said(**pairs: bytes) -> Metadata:
    """Make metadata."""
    return Metadata.from_pairs(pairs)


def named(name: bytes) -> str:
    """Tell how a PDF with this name is disposed."""
    return content_disposition(said(filename=name, filetype=b"application/pdf"))


class TypeTests(SynchronousTestCase):
    """What is said to be in a download."""

    def test_absent(self) -> None:
        """An upload without a type is octets, to be saved (T-209)."""
        for metadata in (Metadata(), said(filename=b"a.png"), said(filetype=b"")):
            self.assertEqual(content_type(metadata), "application/octet-stream")
            disposition = content_disposition(metadata)
            self.assertTrue(disposition.startswith("attachment"))

    def test_invalid(self) -> None:
        """So is one whose type is no media type (T-209, T-216)."""
        for value in NO_TYPES:
            metadata = said(filetype=value)
            self.assertEqual(content_type(metadata), "application/octet-stream", value)
            self.assertEqual(content_disposition(metadata), "attachment")

    def test_many_readings(self) -> None:
        """A type of 60 kB, made to be read in many ways, is judged at once (T-209)."""
        # In a process of its own: one that tries everything cannot be interrupted.
        subprocess.run(
            [sys.executable, "-c", HOSTILE_TYPES],
            check=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            timeout=60,
        )

    def test_long(self) -> None:
        """A type of more than 200 characters is none (T-209, T-210)."""
        for size, found in ((200, "text/"), (201, "application/octet-stream")):
            value = b"text/" + b"x" * (size - 5)
            self.assertTrue(content_type(said(filetype=value)).startswith(found))

    def test_inline(self) -> None:
        """Types of the list are shown in place, as they were named (T-210, T-211)."""
        for name in ALLOWED:
            for value in (name, name.upper(), f"{name}; charset=utf-8", f" {name} "):
                metadata = said(filetype=value.encode())
                self.assertEqual(content_type(metadata), value.strip())
                self.assertEqual(content_disposition(metadata), "inline", value)

    def test_parameters(self) -> None:
        """Parameters are kept, quoted ones too (T-210)."""
        for value in (
            b"text/plain;charset=utf-8",
            b"text/plain ; a=b;c=d",
            b'text/plain; title="a; b, \\"c\\" /x"',
            b"text/plain;",
        ):
            metadata = said(filetype=value)
            self.assertEqual(content_type(metadata), value.decode())
            self.assertEqual(content_disposition(metadata), "inline")

    def test_others(self) -> None:
        """What a browser could run is named, and to be saved (T-212)."""
        for name in (
            "text/html",
            "image/svg+xml",
            "application/pdf",
            "application/xhtml+xml",
            "text/xml",
            "text/javascript",
            "image/png+xml",
            "text/plain2",
            "image/*",
            'x/y; a="image/png"',
        ):
            metadata = said(filetype=name.encode())
            self.assertEqual(content_type(metadata), name)
            self.assertEqual(content_disposition(metadata), "attachment")


class NameTests(SynchronousTestCase):
    """Under which name it is offered."""

    def test_ascii(self) -> None:
        """A name in ASCII stands quoted (T-213)."""
        for name in (b"a.pdf", b"my file.pdf", b"100%.pdf", b"a;b=c,d.pdf", b"it's"):
            expected = f'attachment; filename="{name.decode()}"'
            self.assertEqual(named(name), expected)

    def test_quotes(self) -> None:
        """A quote in it is escaped (T-213)."""
        self.assertEqual(named(b'a"b".pdf'), r'attachment; filename="a\"b\".pdf"')

    def test_other_languages(self) -> None:
        """Any other name comes in UTF-8, too, and after something in ASCII (T-213)."""
        for name, expected in (
            (
                "na\N{LATIN SMALL LETTER I WITH DIAERESIS}ve.pdf",
                "filename=\"na_ve.pdf\"; filename*=UTF-8''na%C3%AFve.pdf",
            ),
            (
                "\N{EURO SIGN} 5 (it's*).pdf",
                'filename="_ 5 (it\'s*).pdf"; '
                "filename*=UTF-8''%E2%82%AC%205%20%28it%27s%2A%29.pdf",
            ),
            ("\N{GRINNING FACE}", "filename=\"_\"; filename*=UTF-8''%F0%9F%98%80"),
        ):
            self.assertEqual(named(name.encode()), f"attachment; {expected}")

    def test_control_bytes(self) -> None:
        """Control characters and what is not UTF-8 are left out (T-214)."""
        for name in (
            b"a\r\nX-Evil: 1.pdf",
            b"a\0X-Evil: 1\x7f.pdf\n",
            b"\x1b\xc2\x85a\xff\xfeX-Evil: 1\xc3.pdf",
            b"a\xe2\x80\xa8X-Evil: 1.pdf",
        ):
            self.assertEqual(named(name), 'attachment; filename="aX-Evil: 1.pdf"')

    def test_deceiving(self) -> None:
        """Marks that turn the direction, to hide an ending, are left out (T-214)."""
        name = "photo\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe"
        self.assertEqual(named(name.encode()), 'attachment; filename="photogpj.exe"')

    def test_paths(self) -> None:
        """Of a path the last segment is offered, and never one that leads (T-215)."""
        for name, expected in (
            (b"/etc/passwd", "passwd"),
            (b"../../a.pdf", "a.pdf"),
            (b"C:\\dir\\a.pdf", "a.pdf"),
            (b"a/b\\c.pdf", "c.pdf"),
            (b"a/\r\n../b", "b"),
        ):
            self.assertEqual(named(name), f'attachment; filename="{expected}"')

    def test_no_name(self) -> None:
        """What leaves no name is offered without one (T-214, T-215)."""
        for name in (b"", b"/", b"a/", b".", b"..", b"a/..", b"\r\n", b" ", b"\xff"):
            self.assertEqual(named(name), "attachment")

    def test_long(self) -> None:
        """A name of 10 kB is cut to 200 characters, its ending kept (T-213)."""
        for name, ending in (
            ("x" * 10_000, "xx"),
            ("x" * 10_000 + ".pdf", "x.pdf"),
            ("\N{GRINNING FACE}" * 3000 + ".pdf", ".pdf"),
            ("x." + "y" * 10_000, "yy"),
            ("." + "y" * 10_000, "yy"),
        ):
            found = file_name(said(filename=name.encode()))
            self.assertEqual(len(found), 200)
            self.assertTrue(found.endswith(ending))
            self.assertLess(len(named(name.encode())), 4000)

    def test_huge(self) -> None:
        """Of a name of 48 kB no more than its two ends are looked at (T-213)."""
        looked_at = 0

        def count(_frame: object, event: str, _arg: object) -> None:
            nonlocal looked_at
            looked_at += event == "call"

        metadata = said(filename=b"a" * 48_000 + b".pdf")
        profile = sys.getprofile()
        sys.setprofile(count)
        try:
            found = file_name(metadata)
        finally:
            sys.setprofile(profile)
        self.assertEqual(found, "a" * 196 + ".pdf")
        self.assertLess(looked_at, 2000)

    @given(st.binary(max_size=40), st.binary(max_size=20))
    @steady(500)
    def test_any_bytes(self, name: bytes, kind: bytes) -> None:
        """Whatever they are, the headers are printable and well-formed (T-214)."""
        metadata = said(filename=name, filetype=kind)
        self.assertRegex(content_type(metadata), r"\A[\x20-\x7e]+\Z")
        header = content_disposition(metadata)
        self.assertRegex(header, r"\A[\x20-\x7e]+\Z")
        plain, _, extended = header.partition("; filename*=UTF-8''")
        match = _NAME.fullmatch(plain.encode("ascii"))
        assert match is not None, header
        if extended:
            self.assertEqual(unquote(extended), file_name(metadata))
            self.assertRegex(extended, r"\A(?:[\w!#$&+.^`|~-]|%[0-9A-F]{2})+\Z")
