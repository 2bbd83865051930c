"""Tests for :mod:`tustwisted.lock.sockets`."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.lock.sockets import NAME, SOCKETS_NAME, Sockets, new_name


class SocketsTests(SynchronousTestCase):
    """Sockets in a directory with a short path."""

    def setUp(self) -> None:
        """Open the place."""
        self.directory = tempfile.mkdtemp(prefix="tus")
        self.addCleanup(shutil.rmtree, self.directory)
        self.sockets = self.opened(self.directory)

    def opened(self, directory: str) -> Sockets:
        """Open a place."""
        sockets = Sockets.open(directory)
        self.addCleanup(sockets.close)
        return sockets

    def listen(self, sockets: Sockets, name: str, backlog: int = 5) -> socket.socket:
        """Have somebody listen."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(listening.close)
        listening.bind(sockets.address(name))
        listening.listen(backlog)
        return listening

    def connect(self, sockets: Sockets, name: str) -> bool:
        """Tell whether a socket can be connected to."""
        connection = sockets.connect(name)
        if connection is not None:
            self.addCleanup(connection.close)
        return connection is not None

    def test_names(self) -> None:
        """A name is what a socket may be called, and no two are the same."""
        self.assertRegex(new_name(), NAME)
        self.assertNotEqual(new_name(), new_name())

    def test_only_sockets_are_listed(self) -> None:
        """What has another name is none of ours."""
        name = new_name()
        self.listen(self.sockets, name)
        for other in ("README", "0" * 31, "0" * 33, "G" * 32):
            with open(os.path.join(self.directory, SOCKETS_NAME, other), "w"):
                pass
        self.assertEqual(self.sockets.names(), [name])

    def test_connects(self) -> None:
        """A socket that somebody listens at can be connected to."""
        name = new_name()
        self.listen(self.sockets, name)
        self.assertTrue(self.connect(self.sockets, name))

    def test_nobody_there(self) -> None:
        """Nothing, a dead socket and a plain file cannot be connected to."""
        gone, dead, file = new_name(), new_name(), new_name()
        self.listen(self.sockets, dead).close()
        with open(os.path.join(self.directory, SOCKETS_NAME, file), "w"):
            pass
        for name in (gone, dead, file):
            self.assertFalse(self.connect(self.sockets, name))

    def test_full(self) -> None:
        """Nobody waits where too many have come before."""
        name = new_name()
        self.listen(self.sockets, name, backlog=0)
        connected = [self.connect(self.sockets, name) for _ in range(3)]
        self.assertTrue(connected[0])
        self.assertFalse(connected[2])

    def test_bury(self) -> None:
        """A socket is removed; that somebody else has done it is harmless."""
        name = new_name()
        self.listen(self.sockets, name)
        self.sockets.bury(name)
        self.sockets.bury(name)
        self.assertEqual(self.sockets.names(), [])

    def test_long_paths(self) -> None:
        """A path may be longer than the address of a socket."""
        directory = os.path.join(self.directory, "d" * 100, "e" * 100)
        os.makedirs(directory)
        sockets, name = self.opened(directory), new_name()
        self.listen(sockets, name)
        self.assertLess(len(sockets.address(name)), 108)
        self.assertEqual(sockets.names(), [name])
        self.assertTrue(self.connect(sockets, name))
        sockets.bury(name)
        self.assertEqual(sockets.names(), [])

    def test_longest_address(self) -> None:
        """Paths around the limit all work."""
        for length in range(104, 111):
            rest = length - len(os.path.join(self.directory, "", SOCKETS_NAME, "")) - 32
            directory = os.path.join(self.directory, "d" * (rest - 1))
            os.mkdir(directory)
            sockets, name = self.opened(directory), new_name()
            self.listen(sockets, name)
            self.assertTrue(self.connect(sockets, name), length)
