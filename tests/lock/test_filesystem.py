"""Tests for :mod:`tustwisted.lock.filesystem`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.internet import reactor
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.lock.fellow import FellowCase
from tustwisted.lock.file import FileLocks
from tustwisted.lock.filesystem import (
    is_of_network,
    network_filesystem,
    type_of_device,
)

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro
23 22 0:21 / /proc rw,nosuid shared:5 - proc proc rw
31 22 0:44 / /srv/uploads rw,relatime shared:16 - nfs4 10.0.0.1:/srv rw,vers=4.2
32 22 0:45 / /srv/with\\040space rw shared:17 master:3 - cifs //10.0.0.2/share rw
33 22 0:46 / /home/me rw,nosuid - fuse.sshfs me@there: rw,user_id=0
34 22 0:47 /sub /mnt/sub rw - nfs 10.0.0.1:/old rw
35 22 0:4 / /mnt/other rw - tmpfs tmpfs rw
36 22 0:48 / /mnt/fuse rw - fuse /dev/fuse rw
"""

_TYPE = """
import os, sys
from tustwisted.lock.filesystem import type_of_device
device = os.stat(sys.argv[1]).st_dev
mounts = open("/proc/self/mountinfo").read()
print(type_of_device(os.major(device), os.minor(device), mounts))
"""


class TypeTests(SynchronousTestCase):
    """What is read in the list of mounts."""

    def test_types(self) -> None:
        """The type follows the hyphen, however many fields there are before it."""
        for major, minor, expected in (
            (254, 0, "ext4"),
            (0, 44, "nfs4"),
            (0, 45, "cifs"),
            (0, 46, "fuse.sshfs"),
            (0, 47, "nfs"),
            (0, 4, "tmpfs"),
            (0, 48, "fuse"),
        ):
            self.assertEqual(type_of_device(major, minor, MOUNTS), expected)

    def test_not_mounted(self) -> None:
        """A device that is not in the list has no type; none matches by its digits."""
        for major, minor in ((1, 4), (54, 0), (0, 0), (25, 4), (0, 444)):
            self.assertIsNone(type_of_device(major, minor, MOUNTS))
        self.assertIsNone(type_of_device(0, 44, ""))

    def test_of_network(self) -> None:
        """Types that other machines may share are known."""
        names = "nfs nfs4 cifs smb3 smbfs ncpfs 9p virtiofs ceph lustre afs gfs2 ocfs2"
        for name in (*names.split(), "fuse.sshfs", "fuse.glusterfs", "fuse.ceph"):
            self.assertTrue(is_of_network(name), name)

    def test_local(self) -> None:
        """All others are local, also if their names are like those."""
        names = "ext4 xfs btrfs zfs tmpfs overlay f2fs fuse fuseblk fuse.ntfs-3g nfsd"
        for name in (*names.split(), "", "fuse.", "fusexsshfs", "nfs44"):
            self.assertFalse(is_of_network(name), name)


class DirectoryTests(SynchronousTestCase):
    """Real directories of this machine."""

    def test_local(self) -> None:
        """A directory here is local."""
        self.assertIsNone(network_filesystem(os.curdir))

    def test_missing(self) -> None:
        """Of a directory that is not there nothing is told."""
        self.assertIsNone(network_filesystem("/nowhere/at/all"))

    def test_mounted(self) -> None:
        """A file system that was mounted a moment ago is found by its directory."""
        directory = tempfile.mkdtemp(prefix="tus")
        self.addCleanup(shutil.rmtree, directory)
        shell = 'mount -t tmpfs tmpfs "$1" && "$0" -c "$2" "$1"'
        told = subprocess.run(
            # In a mount namespace of its own, so that nothing stays mounted.
            ["unshare", "--mount", "sh", "-c", shell, sys.executable, directory, _TYPE],
            capture_output=True,
            check=False,
            timeout=30,
            cwd=Path(__file__).resolve().parents[2],
        )
        self.assertEqual(told.stdout, b"tmpfs\n", told.stderr)


class WarningTests(FellowCase):
    """What the file locker says of it when it starts."""

    def setUp(self) -> None:
        """Let the tests say what the directory lies on."""
        super().setUp()
        self.name: str | None = None

    async def warnings(self) -> list[str]:
        """Start a locker, and return what it warns of."""
        locks = FileLocks(self.directory, reactor, lambda _: self.name)
        with capturedLogs() as events:
            await locks.start(lambda _: None)
        await locks.stop()
        warned = [e for e in events if e["log_level"] is LogLevel.warn]
        return [formatEvent(event) for event in warned]

    async def test_network(self) -> None:
        """One line names the directory, the file system, and the locker to use."""
        self.name = "nfs4"
        (warning,) = await self.warnings()
        for part in (self.directory, "nfs4", "--locker redis://"):
            self.assertIn(part, warning)

    async def test_local(self) -> None:
        """Of a local one nothing is said."""
        self.assertEqual(await self.warnings(), [])
