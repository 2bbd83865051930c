"""The forgetful file system forgets what it may, and nothing else."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from tests.store.forgetful import ForgetfulFiles


class ForgetfulTests(SynchronousTestCase):
    """One file in one directory."""

    def setUp(self) -> None:
        """Make a directory that lasts."""
        self.files = ForgetfulFiles()
        self.files.make_directory("/d", 0o700)
        self.files.sync_directory("/")

    def survivors(self, path: str = "/d/f") -> set[bytes | None]:
        """Return everything that many losses of power leave of a file."""
        found = set()
        for seed in range(300):
            files = self.files.lose_power(Random(seed))
            found.add(files.read(path, 100) if files.exists(path) else None)
        return found

    def test_synced_files_last(self) -> None:
        """Content and name that were synced are there."""
        self.files.write("/d/f", b"abcdefgh", 0o600, True)
        self.files.sync_directory("/d")
        self.assertEqual(self.survivors(), {b"abcdefgh"})

    def test_a_name_that_was_not_synced(self) -> None:
        """A file is lost with its name, however well it was synced."""
        self.files.write("/d/f", b"abcd", 0o600, True)
        self.assertEqual(self.survivors(), {None, b"abcd"})

    def test_content_that_was_not_synced(self) -> None:
        """Bytes may be missing, zero, or there from their second half on."""
        fd = self.files.create("/d/f", 0o600)
        self.files.sync_directory("/d")
        self.files.pwritev(fd, [b"abcdefgh"], 0)
        self.assertTrue(
            {b"", b"abcdefgh", bytes(8), b"\0\0\0\0efgh", b"abcd\0\0\0\0"}
            <= self.survivors()
        )

    def test_what_was_synced_is_not_torn(self) -> None:
        """Bytes added later do not put those in doubt that were synced before."""
        fd = self.files.create("/d/f", 0o600)
        self.files.sync_directory("/d")
        self.files.pwritev(fd, [b"abcdef"], 0)
        self.files.fdatasync(fd)
        self.files.pwritev(fd, [b"ghijkl"], 6)
        for survivor in self.survivors():
            assert survivor is not None
            self.assertEqual(survivor[:6], b"abcdef")

    def test_a_rename_without_content(self) -> None:
        """A rename may last while what was renamed does not: a torn record."""
        self.files.write("/d/f", b"old!", 0o600, True)
        self.files.sync_directory("/d")
        self.files.write("/d/t", b"new!", 0o600, False)
        self.files.replace("/d/t", "/d/f")
        self.assertTrue({b"old!", b"new!", b""} <= self.survivors())

    def test_a_removal_that_was_not_synced(self) -> None:
        """What was removed may come back until its directory is synced."""
        self.files.write("/d/f", b"abcd", 0o600, True)
        self.files.sync_directory("/d")
        self.files.unlink("/d/f")
        self.assertEqual(self.survivors(), {None, b"abcd"})
        self.files.sync_directory("/d")
        self.assertEqual(self.survivors(), {None})
