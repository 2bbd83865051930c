"""Holders of claims that are real processes: one is killed, another one stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

from tests.store.support import StoreCase, append, run
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.store.host import read_host

_HOLDER = textwrap.dedent(
    """
    import sys
    from tests.store.support import run
    from tustwisted.store.durability import Durability
    from tustwisted.store.file import FileStore
    from tustwisted.testing import ImmediateDisk

    store = FileStore(sys.argv[1], ImmediateDisk(), Durability.NONE)
    run(store.start())
    claim = run(store.claim("u"))
    writer = run(claim.store.open_writer("u", 3))
    writer.write([b"def"])
    print("written", flush=True)
    sys.stdin.readline()
    writer.write([b"late"])
    try:
        writer.settle()
    except Exception as error:
        print(type(error).__name__, flush=True)
    """
)


class ProcessTests(StoreCase):
    """Somebody else has claimed the upload in a process of his own."""

    def setUp(self) -> None:
        """Make an upload, and wait until he has written to it."""
        super().setUp()
        self.store = self.make(Durability.NONE, host=read_host())
        self.begin(self.store, b"abc", length=None)
        self.inode = os.stat(self.path("u")).st_ino
        self.process = subprocess.Popen(
            [sys.executable, "-c", _HOLDER, os.path.abspath(self.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=os.path.dirname(os.path.dirname(os.path.dirname(__file__))),
        )
        self.addCleanup(self.process.communicate)
        self.addCleanup(self.process.kill)
        assert self.process.stdout is not None
        self.assertEqual(self.process.stdout.readline(), b"written\n")

    def take_over(self) -> None:
        """Claim the upload and go on where he has stopped."""
        claim = run(self.store.claim("u"))
        assert isinstance(claim.store, FileStore)
        self.assertEqual(append(claim.store, "u", b"ghi"), 9)
        run(claim.release())
        self.assertEqual(self.content("u"), b"abcdefghi")

    def test_killed(self) -> None:
        """After a ``kill -9`` on this machine nothing is copied."""
        self.process.kill()
        self.process.wait()
        self.take_over()
        self.assertEqual(os.stat(self.path("u")).st_ino, self.inode)

    def test_stopped(self) -> None:
        """Who was stopped goes on in a file without a name, and is told so."""
        self.process.send_signal(signal.SIGSTOP)
        self.take_over()
        self.assertNotEqual(os.stat(self.path("u")).st_ino, self.inode)
        self.process.send_signal(signal.SIGCONT)
        told, _ = self.process.communicate(b"go on\n")
        self.assertEqual(told, b"LockLost\n")
        self.assertEqual(self.content("u"), b"abcdefghi")
