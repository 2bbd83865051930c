"""What is said of where uploads lie."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.namespaces import need_mounts
from tustwisted.store.durability import Durability
from tustwisted.store.filesystem import (
    FAT_BYTES,
    FEW_BYTES,
    FEW_FILES,
    Filesystem,
    doubts,
    look_at,
    mount_of,
)

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro
23 22 0:21 / /proc rw,nosuid shared:5 - proc proc rw
31 22 0:44 / /srv rw,relatime shared:16 - xfs /dev/vdb rw
32 31 0:45 / /srv/with\\040space rw shared:17 master:3 - vfat /dev/sdb1 rw
33 22 0:46 / /run rw,nosuid - tmpfs tmpfs rw
34 33 0:47 /sub /run/over rw - ext4 /dev/vdc rw
35 33 0:48 / /run/over rw - ramfs ramfs rw
"""

DOCKER = """\
712 645 0:61 / / rw,relatime master:299 - overlay overlay rw,lowerdir=/var/lib/a:/b
713 712 0:64 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
714 712 0:65 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
721 712 254:1 /var/lib/docker/volumes/tus/_data /data rw master:1 - ext4 /dev/vda1 rw
"""

GIB = 2**30

SOUND = Filesystem("ext4", "/srv", 500 * GIB, 10**6)

_LOOK = """
import sys
from tustwisted.store.durability import Durability
from tustwisted.store.filesystem import doubts, look_at
found = look_at(sys.argv[1])
print(found.type, found.point, found.free_files is not None)
for doubt in doubts(sys.argv[1], found, Durability.FINISH, None):
    print(doubt)
"""


class MountTests(SynchronousTestCase):
    """What is read in the list of mounts."""

    def test_deepest(self) -> None:
        """A path lies in the last of the deepest mounts above it."""
        for path, point, name in (
            ("/", "/", "ext4"),
            ("/home/me", "/", "ext4"),
            ("/srv", "/srv", "xfs"),
            ("/srv/uploads", "/srv", "xfs"),
            ("/srvice", "/", "ext4"),
            ("/srv/with space/a", "/srv/with space", "vfat"),
            ("/run/over/a", "/run/over", "ramfs"),
            ("/run/overt", "/run", "tmpfs"),
        ):
            self.assertEqual(mount_of(path, MOUNTS), (point, name), path)

    def test_container(self) -> None:
        """A volume is told from the layers of the image."""
        self.assertEqual(mount_of("/uploads", DOCKER), ("/", "overlay"))
        self.assertEqual(mount_of("/data/uploads", DOCKER), ("/data", "ext4"))

    def test_not_there(self) -> None:
        """Where nothing is told, nothing is found."""
        self.assertEqual(mount_of("/srv", ""), ("", ""))
        self.assertEqual(mount_of("/home", MOUNTS[MOUNTS.index("31 ") :]), ("", ""))


class DoubtTests(SynchronousTestCase):
    """Which sentences there are."""

    def said(
        self,
        durability: Durability = Durability.FINISH,
        max_size_bytes: int | None = None,
        **facts: Any,
    ) -> str:
        """Join what is said of a file system that is sound but for some facts."""
        found = evolve(SOUND, **facts)
        return "; ".join(doubts("/srv/up", found, durability, max_size_bytes))

    def test_sound(self) -> None:
        """Of most there is nothing to say, nor of what is not known."""
        sound: list[dict[str, Any]] = [
            {},
            {"type": "", "point": ""},
            {"type": "nfs4"},
            {"type": "overlay", "point": "/srv"},
            {"free_files": None},
            {"free_bytes": FEW_BYTES, "free_files": FEW_FILES},
        ]
        for facts in sound:
            self.assertEqual(self.said(**facts), "", facts)
        self.assertEqual(self.said(max_size_bytes=500 * GIB), "")

    def test_in_memory(self) -> None:
        """What a power loss takes is said, unless nothing else was asked for."""
        for name in ("tmpfs", "ramfs"):
            said = self.said(type=name)
            for part in ("/srv/up", f"({name})", "reboot", "--durability none"):
                self.assertIn(part, said)
            self.assertEqual(self.said(Durability.NONE, type=name), "")

    def test_container_without_a_volume(self) -> None:
        """Who keeps uploads in a container is told of volumes."""
        for name in ("overlay", "aufs"):
            said = self.said(type=name, point="/")
            self.assertIn("mount a volume there", said)
            self.assertIn("/srv/up", said)

    def test_longest_file(self) -> None:
        """FAT has a limit of its own, which is said unless ours is lower."""
        for max_size, is_said in (
            (None, True),
            (FAT_BYTES + 1, True),
            (FAT_BYTES, False),
            (1000, False),
        ):
            said = self.said(max_size_bytes=max_size, type="vfat")
            self.assertIs("longer than 4294967295 bytes" in said, is_said, max_size)
            self.assertIs("--max-size" in said, is_said)

    def test_room(self) -> None:
        """Too little room for one upload is said once, in one way or the other."""
        few = "has room for 1000 bytes"
        self.assertIn(f"{few} only", self.said(free_bytes=1000))
        self.assertIn(f"{few} only", self.said(free_bytes=1000, max_size_bytes=10))
        said = self.said(free_bytes=1000, max_size_bytes=1001)
        self.assertIn(f"{few}, less than one upload may have", said)
        self.assertNotIn("only", said)

    def test_files(self) -> None:
        """Too few inodes are said."""
        said = self.said(free_files=FEW_FILES - 1)
        self.assertIn(f"room for {FEW_FILES - 1} files only (inodes)", said)


class LookTests(SynchronousTestCase):
    """Real directories of this machine."""

    def test_here(self) -> None:
        """What a directory has is what the system says."""
        found = look_at(os.curdir)
        self.assertTrue(os.path.realpath(os.curdir).startswith(found.point))
        room = os.statvfs(os.curdir)
        self.assertAlmostEqual(
            found.free_bytes, room.f_bavail * room.f_frsize, delta=GIB
        )

    def test_missing(self) -> None:
        """Of a directory that is not there nothing is told."""
        self.assertRaises(OSError, look_at, "/nowhere/at/all")

    def test_mounted(self) -> None:
        """A small tmpfs, mounted a moment ago, is found by its directory."""
        need_mounts("-r")
        directory = os.path.realpath(self.mktemp())
        os.makedirs(directory)
        shell = 'mount -t tmpfs -o size=1m,nr_inodes=50 x "$1" && "$0" -c "$2" "$1"'
        command = ["unshare", "-rm", "sh", "-c", shell, sys.executable, directory]
        told = subprocess.run(
            [*command, _LOOK],
            capture_output=True,
            check=False,
            timeout=30,
            text=True,
            cwd=Path(__file__).resolve().parents[2],
        )
        top, *said = told.stdout.splitlines()
        self.assertEqual(top, f"tmpfs {directory} True", told.stderr)
        self.assertEqual(len(said), 3, said)
        self.assertTrue(all(line.startswith(directory) for line in said))
