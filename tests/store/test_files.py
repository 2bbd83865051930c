"""The thin layer over the operating system's files."""

from __future__ import annotations

import errno
import os
import stat

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.store.forgetful import ForgetfulFiles
from tustwisted.store.files import OsFiles
from tustwisted.store.ifiles import IFiles
from tustwisted.store.writeout import start_write_out


class OsFilesTests(SynchronousTestCase):
    """Real files in a directory of their own."""

    files = OsFiles()

    def setUp(self) -> None:
        """Make the directory, and know the umask."""
        self.directory = self.mktemp()
        os.mkdir(self.directory)
        self.addCleanup(os.umask, os.umask(0o027))

    def path(self, name: str) -> str:
        """Return the path of a file in the directory."""
        return f"{self.directory}/{name}"

    def mode(self, name: str) -> int:
        """Return the permissions of a file."""
        return stat.S_IMODE(os.stat(self.path(name)).st_mode)

    def content(self, name: str) -> bytes:
        """Read a file."""
        return self.files.read(self.path(name), 10**6)

    def fails(self, number: int, call: object, *args: object) -> None:
        """Check that a call fails in a certain way."""
        error = self.assertRaises(OSError, call, *args)
        self.assertEqual(error.errno, number)

    def test_provides_the_interface(self) -> None:
        """These files, and the forgetful ones of the tests, provide IFiles."""
        verifyObject(IFiles, self.files)
        verifyObject(IFiles, ForgetfulFiles())

    def test_modes_are_subject_to_the_umask(self) -> None:
        """As with tusd, the umask takes bits from the modes that are asked for."""
        self.files.close(self.files.create(self.path("a"), 0o666))
        self.files.close(self.files.open(self.path("b"), 0o664))
        self.files.write(self.path("c"), b"", 0o664, False)
        self.files.make_directory(self.path("d"), 0o777)
        modes = [self.mode(name) for name in "abcd"]
        self.assertEqual(modes, [0o640, 0o640, 0o640, 0o750])

    def test_real_paths(self) -> None:
        """Symlinks are followed as far as there is something."""
        os.mkdir(self.path("a"))
        os.symlink("a", self.path("b"))
        os.symlink("loop", self.path("loop"))
        real = os.path.realpath(self.directory)
        self.assertEqual(self.files.real(self.path("b/c/d")), f"{real}/a/c/d")
        self.assertEqual(self.files.real(self.path("loop/x")), f"{real}/loop/x")

    def test_links(self) -> None:
        """A file gets another name if nobody has it; symlinks are not followed."""
        self.files.write(self.path("a"), b"abc", 0o600, False)
        self.files.link(self.path("a"), self.path("b"))
        self.assertTrue(self.files.is_same(self.path("a"), self.path("b")))
        self.assertEqual(self.content("b"), b"abc")
        os.symlink("a", self.path("c"))
        for name in "abc":
            self.fails(errno.EEXIST, self.files.link, self.path("a"), self.path(name))
        for name in ("c", "gone", "a/below"):
            self.assertFalse(self.files.is_same(self.path("a"), self.path(name)))
        self.files.link(self.path("c"), self.path("d"))
        self.assertTrue(os.path.islink(self.path("d")))

    def test_create_is_exclusive(self) -> None:
        """Whatever is there keeps a file from being created."""
        os.symlink("nowhere", self.path("link"))
        os.mkdir(self.path("directory"))
        self.files.write(self.path("file"), b"abc", 0o600, False)
        for name in ("link", "directory", "file"):
            self.fails(errno.EEXIST, self.files.create, self.path(name), 0o600)
        self.assertEqual(self.content("file"), b"abc")

    def test_symlinks_are_not_followed(self) -> None:
        """No call opens, measures or overwrites what a symlink points to."""
        with open(self.path("target"), "wb") as file:
            file.write(b"secret")
        os.symlink("target", self.path("link"))
        link = self.path("link")
        self.fails(errno.ELOOP, self.files.open, link, 0o600)
        self.fails(errno.ELOOP, self.files.read, link, 100)
        self.fails(errno.ELOOP, self.files.write, link, b"x", 0o600, False)
        self.fails(errno.ELOOP, self.files.stat, link)
        self.assertTrue(self.files.exists(link))
        self.assertEqual(self.content("target"), b"secret")

    def test_a_fifo_holds_nobody(self) -> None:
        """A FIFO in the way is an error or empty at once; nobody waits at it."""
        os.mkfifo(self.path("fifo"))
        self.fails(errno.ENXIO, self.files.open, self.path("fifo"), 0o600)
        self.fails(errno.ELOOP, self.files.stat, self.path("fifo"))
        self.assertEqual(self.content("fifo"), b"")

    def test_write_read_replace(self) -> None:
        """A small file is written anew each time, and renamed over another."""
        for synced in (False, True):
            self.files.write(self.path("a"), b"longer before", 0o600, synced)
            self.files.write(self.path("a"), b"abc", 0o600, synced)
            self.files.write(self.path("b"), b"old", 0o600, synced)
            self.files.replace(self.path("a"), self.path("b"))
            self.assertEqual(self.content("b"), b"abc")
            self.assertFalse(self.files.exists(self.path("a")))

    def test_reading_is_bounded(self) -> None:
        """A file is read whole, or as far as the limit."""
        for size in (0, 1, 8191, 8192, 8193, 50_000):
            content = bytes(range(250)) * (size // 250 + 1)
            self.files.write(self.path("a"), content[:size], 0o600, False)
            for limit in (1, 8192, 50_000, 60_000):
                found = self.files.read(self.path("a"), limit)
                self.assertEqual(found, content[: min(size, limit)])

    def test_bytes_of_a_file(self) -> None:
        """Bytes go where they are told to, and can be cut off."""
        fd = self.files.create(self.path("a"), 0o600)
        self.assertEqual(self.files.pwritev(fd, [b"ab", memoryview(b"cd")], 0), 4)
        self.assertEqual(self.files.pwritev(fd, [b"XY"], 1), 2)
        self.files.write_out(fd, 0, 4)
        self.files.fdatasync(fd)
        found = self.files.stat(self.path("a"))
        assert found is not None
        self.assertEqual(found.size, 4)
        self.assertEqual(found.modified_s, os.stat(self.path("a")).st_mtime)
        self.files.truncate(fd, 3)
        self.files.close(fd)
        self.assertEqual(self.content("a"), b"aXY")
        self.files.unlink(self.path("a"))
        self.assertIsNone(self.files.stat(self.path("a")))

    def test_bytes_of_a_pipe(self) -> None:
        """They go from there to where they are told to, and are gone from the pipe."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        os.write(writer, b"abcdef")
        fd = self.files.create(self.path("a"), 0o600)
        self.files.pwritev(fd, [b"1234567"], 0)
        self.assertEqual(self.files.splice(reader, fd, 3, 2), 3)
        self.files.close(fd)
        self.assertEqual(self.content("a"), b"12abc67")
        self.assertEqual(os.read(reader, 10), b"def")

    def test_pipe_into_a_file_that_cannot_be_spliced_to(self) -> None:
        """There the bytes are read and written, as on a file system without it."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        os.write(writer, b"abcdef")
        fd = os.open(self.path("a"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.addCleanup(os.close, fd)
        self.fails(errno.EINVAL, os.splice, reader, fd, 3)
        self.assertEqual(self.files.splice(reader, fd, 4, 0), 4)
        self.assertEqual(self.content("a"), b"abcd")
        self.assertEqual(os.read(reader, 10), b"ef")

    def test_when_it_changed(self) -> None:
        """The time of a change cannot be set back; one that lies ahead is told."""
        for name in ("file", "directory"):
            path = self.path(name)
            if name == "file":
                self.files.write(path, b"abc", 0o600, False)
            else:
                self.files.make_directory(path, 0o700)
            os.utime(path, (1, 1))
            self.assertEqual(self.files.changed_s(path), os.stat(path).st_ctime)
            os.utime(path, (1, 4e9))
            self.assertEqual(self.files.changed_s(path), 4e9)

    def test_whether_it_exists(self) -> None:
        """Only what is surely not there is not there."""
        self.files.write(self.path("a"), b"", 0o600, False)
        self.assertTrue(self.files.exists(self.path("a")))
        self.assertFalse(self.files.exists(self.path("b")))
        self.assertFalse(self.files.exists(self.path("no/b")))
        self.assertFalse(self.files.exists(self.path("a/b")))
        self.fails(errno.ENAMETOOLONG, self.files.exists, self.path("x" * 300))
        os.symlink("loop", self.path("loop"))
        self.fails(errno.ELOOP, self.files.exists, self.path("loop/b"))

    def test_write_out_never_fails(self) -> None:
        """The hint is only a hint: what is no file is let pass."""
        start_write_out(-1, 0, 100)

    def test_directories(self) -> None:
        """Directories are made, listed without following symlinks, synced, removed."""
        self.files.make_directory(self.path("d"), 0o700)
        self.files.write(self.path("d/f"), b"", 0o600, False)
        self.files.make_directory(self.path("d/e"), 0o700)
        os.symlink(".", self.path("d/loop"))
        self.files.sync_directory(self.path("d"))
        self.assertEqual(
            sorted(self.files.scan(self.path("d"))),
            [("e", True), ("f", False), ("loop", False)],
        )
        self.files.remove_directory(self.path("d/e"))
        self.fails(errno.ENOTEMPTY, self.files.remove_directory, self.path("d"))
        self.fails(errno.ENOTDIR, self.files.sync_directory, self.path("d/f"))
