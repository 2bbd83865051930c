"""An open file: what of it is in memory, and its way into a socket."""

from __future__ import annotations

import os
import socket

from twisted.internet.error import ConnectionLost
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.store import openfile

CONTENT = bytes(range(251)) * 2000


class OpenFileCase(SynchronousTestCase):
    """Has a file, which is as well in memory as on the disk."""

    def setUp(self) -> None:
        self.path = self.mktemp()
        with open(self.path, "wb") as file:
            file.write(CONTENT)
            os.fsync(file.fileno())
        self.fd = os.open(self.path, os.O_RDWR)
        self.addCleanup(os.close, self.fd)

    def forget(self) -> None:
        """Have the kernel drop the file from its memory."""
        os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_DONTNEED)


class AtHandTests(OpenFileCase):
    """What can be had without waiting, as far as the file system tells."""

    def test_right_or_nothing(self) -> None:
        """What is read is right, in memory or not; at the worst it is nothing."""
        for forget in (lambda: None, self.forget):
            for offset, size in ((0, 10), (1000, 70_000), (len(CONTENT) - 3, 3)):
                forget()
                piece = openfile.read_at_hand(self.fd, offset, size)
                if piece is not None:
                    self.assertEqual(piece, CONTENT[offset:][: len(piece)])

    def test_past_the_end(self) -> None:
        """Nothing past the end is at hand."""
        self.assertFalse(openfile.is_at_hand(self.fd, len(CONTENT), 1))
        self.assertFalse(openfile.is_at_hand(self.fd, len(CONTENT) - 1, 2))

    def test_fetched(self) -> None:
        """What was fetched is at hand, unless the file system tells of nothing."""
        tells = openfile.is_at_hand(self.fd, 0, len(CONTENT))
        self.forget()
        openfile.fetch(self.fd, 0, len(CONTENT), len(CONTENT))
        self.assertEqual(openfile.is_at_hand(self.fd, 0, len(CONTENT)), tells)

    def test_fetched_in_vain(self) -> None:
        """A file that was cut off is an error, no end."""
        os.truncate(self.fd, 100)
        openfile.fetch(self.fd, 0, 100, 100)
        self.assertRaises(OSError, openfile.fetch, self.fd, 0, 101, 101)

    def test_closing(self) -> None:
        """To close a file that was removed takes time."""
        self.assertTrue(openfile.closes_at_once(self.fd))
        os.unlink(self.path)
        self.assertFalse(openfile.closes_at_once(self.fd))


class SendTests(OpenFileCase):
    """From the file to a socket."""

    def setUp(self) -> None:
        super().setUp()
        self.near, self.far = socket.socketpair()
        for end in (self.near, self.far):
            self.addCleanup(end.close)
        self.near.setblocking(False)

    def send(self, offset: int, size: int) -> int:
        """Send once."""
        return openfile.send(self.fd, offset, size, self.near.fileno())

    def test_sent(self) -> None:
        """The bytes that were asked for arrive, and no others."""
        self.assertEqual(self.send(1000, 300), 300)
        self.assertEqual(self.far.recv(1000), CONTENT[1000:1300])

    def test_full(self) -> None:
        """A socket takes as much as it can, and then nothing."""
        sent = 0
        while count := self.send(sent, len(CONTENT) - sent):
            sent += count
        self.assertGreater(sent, 0)
        self.assertLess(sent, len(CONTENT))
        found = b""
        while len(found) < sent:
            found += self.far.recv(sent)
        self.assertEqual(found, CONTENT[:sent])

    def test_nobody_there(self) -> None:
        """A connection that is gone is no fault of the file."""
        self.far.close()
        self.assertRaises(ConnectionLost, self.send, 0, 10)

    def test_cut_off(self) -> None:
        """A file that ends too early is an error."""
        os.truncate(self.fd, 100)
        self.assertEqual(self.send(0, 200), 100)
        self.assertRaises(OSError, self.send, 100, 100)

    def test_no_file(self) -> None:
        """What cannot be read is a fault of the file; what cannot be sent is none."""
        directory = os.open(".", os.O_RDONLY)
        self.addCleanup(os.close, directory)
        near, far = self.near.fileno(), self.far.fileno()
        self.assertRaises(openfile.CannotSend, openfile.send, directory, 0, 10, near)
        unreadable = os.open(self.path, os.O_WRONLY)
        self.addCleanup(os.close, unreadable)
        self.assertRaises(OSError, openfile.send, unreadable, 0, 10, far)
