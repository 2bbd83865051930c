"""Pipes that many uploads use, one job at a time."""

from __future__ import annotations

import os
import resource
import socket

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.receive.pipes import SIZE_BYTES, Pipe, Pipes


class PipesTests(SynchronousTestCase):
    """None is kept that is not empty, and none while nobody needs one."""

    def setUp(self) -> None:
        """Make the stack, and a socket that has something to give."""
        self.pipes = Pipes()
        self.pipes.enter()
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        self.source = ours.fileno()
        theirs.sendall(b"abcdef")

    def test_empty_pipes_are_used_again(self) -> None:
        """The next job gets the same pipe; one that runs meanwhile gets another."""
        first = self.pipes.borrow()
        other = self.pipes.borrow()
        self.assertIsNot(first, other)
        self.assertEqual(first.fill(self.source, 3), 3)
        self.assertEqual(os.read(first.reader, 10), b"abc")
        self.pipes.give_back(first)
        self.assertIs(self.pipes.borrow(), first)
        first.close()
        other.close()

    def test_what_is_not_empty_is_destroyed(self) -> None:
        """No byte of one upload waits in a pipe for another one."""
        pipe = self.pipes.borrow()
        self.assertEqual(pipe.fill(self.source, 3), 3)
        self.assertEqual(os.read(pipe.reader, 2), b"ab")
        self.pipes.give_back(pipe)
        self.assertRaises(OSError, os.fstat, pipe.reader)
        another = self.pipes.borrow()
        self.assertIsNot(another, pipe)
        self.assertTrue(another.is_empty)
        another.close()

    def test_none_is_kept_when_nobody_uploads(self) -> None:
        """The last upload closes them; one that begins later makes new ones."""
        self.pipes.enter()
        pipe = self.pipes.borrow()
        self.pipes.give_back(pipe)
        self.pipes.leave()
        os.fstat(pipe.reader)
        self.pipes.leave()
        self.assertRaises(OSError, os.fstat, pipe.reader)
        self.pipes.borrow().close()

    def test_size(self) -> None:
        """A pipe takes no more than it holds, which is what the system granted."""
        pipe = Pipe()
        self.assertGreaterEqual(pipe.size_bytes, 4096)
        self.assertLessEqual(pipe.size_bytes, SIZE_BYTES)
        pipe.size_bytes = 2
        self.assertEqual(pipe.fill(self.source, 6), 2)
        pipe.close()

    def test_never_blocks(self) -> None:
        """A socket that has nothing now is told from one that has ended."""
        pipe = Pipe()
        pipe.fill(self.source, 6)
        os.set_blocking(self.source, False)
        self.assertRaises(BlockingIOError, pipe.fill, self.source, 1)
        pipe.close()

    def test_no_descriptors(self) -> None:
        """Without descriptors to spare there is no pipe, and nothing stays open."""
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, limits[1]))
        try:
            self.assertRaises(OSError, self.pipes.borrow)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        again = os.dup(0)
        os.close(again)
        self.assertEqual(again, lowest)
