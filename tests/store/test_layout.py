"""Where the files of an upload lie, and that nothing leads out of the directory."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.store.support import steady
from tustwisted.errors import UploadNotFound
from tustwisted.store.layout import Layout
from tustwisted.testing import NOT_IDS


class LayoutTests(SynchronousTestCase):
    """Paths under /srv/uploads."""

    layout = Layout("/srv/uploads/")

    def test_paths(self) -> None:
        """Bytes and record lie side by side, as tusd puts them."""
        self.assertEqual(self.layout.root, "/srv/uploads")
        self.assertEqual(self.layout.content("a/b"), "/srv/uploads/a/b")
        self.assertEqual(self.layout.record("a/b"), "/srv/uploads/a/b.info")
        self.assertEqual(self.layout.unverified("a/b"), "/srv/uploads/a/b.unverified")
        self.assertEqual(self.layout.removed("a/b"), "/srv/uploads/a/b.removed")
        self.assertEqual(self.layout.temporary("a/b"), "/srv/uploads/a/b.info.tmp")

    def test_a_relative_root(self) -> None:
        """A relative directory is one under the working directory."""
        self.assertEqual(Layout("./x/../y").root, os.path.join(os.getcwd(), "y"))

    def test_the_root_of_all(self) -> None:
        """Even ``/`` may be the root."""
        self.assertEqual(Layout("/").content("a"), "/a")
        self.assertEqual(Layout("/").directories("/a/b"), ["/a", "/"])

    def test_directories(self) -> None:
        """All directories from a file's own up to the root are named."""
        self.assertEqual(self.layout.directories("/srv/uploads/u"), ["/srv/uploads"])
        self.assertEqual(
            self.layout.directories("/srv/uploads/a/b/u"),
            ["/srv/uploads/a/b", "/srv/uploads/a", "/srv/uploads"],
        )

    def test_what_is_no_id(self) -> None:
        """Only ids pass."""
        for text in NOT_IDS:
            self.assertRaises(UploadNotFound, self.layout.check, text)
        self.layout.check("a/b.c")

    def test_content_of_a_record(self) -> None:
        """A path under the root is followed; one that was moved is found again."""
        for storage_path, expected in (
            (None, "/srv/uploads/u"),
            ("/srv/uploads/u", "/srv/uploads/u"),
            ("/srv/uploads/elsewhere/file 1.bin", "/srv/uploads/elsewhere/file 1.bin"),
            ("/srv/uploads/x/../y", "/srv/uploads/y"),
            ("/old/place/u", "/srv/uploads/u"),
            ("data/u", "/srv/uploads/u"),
            ("./u", "/srv/uploads/u"),
        ):
            self.assertEqual(self.layout.find_content("u", storage_path), expected)

    def test_content_outside(self) -> None:
        """A path that leads out of the root, or to a record, is not followed."""
        for storage_path in (
            "/etc/passwd",
            "/srv/uploads",
            "/srv/uploads/",
            "/srv/uploads2/x",
            "/srv/uploads/../secret",
            "/srv/uploads/v.info",
            "/srv/uploads/v.info.tmp",
            "../x",
            "x",
            "/srv/uploads/a\0b",
            "/srv/uploads/\ud800",
        ):
            self.assertRaises(
                UploadNotFound, self.layout.find_content, "u", storage_path
            )

    @given(st.text(st.sampled_from("/.usrvploadi\0 "), max_size=40))
    @steady(300)
    def test_any_path(self, storage_path: str) -> None:
        """Whatever a record says, the path is under the root."""
        for text in (storage_path, f"/srv/uploads/{storage_path}"):
            try:
                found = self.layout.find_content("u", text)
            except UploadNotFound:
                continue
            self.assertTrue(os.path.abspath(found).startswith("/srv/uploads/"))
