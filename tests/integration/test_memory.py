"""The daemon's memory does not grow with an upload, nor with a slow disk (T-048)."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.content import MIB
from tests.integration.daemon import Daemon, twistd_program, twistd_tus

PEAK_BYTES = 8 * MIB
"""How much one upload may take at the most (DESIGN section 6)."""

SLOW_DISK = Path(__file__).with_name("slow_disk.py")


class MemoryTests(SynchronousTestCase):
    """The peak of the resident memory over its value before."""

    def growth(self, daemon: Daemon, size: int) -> int:
        """Upload a body at full speed; return by how much the peak went up, bytes."""
        self._upload(daemon, MIB)
        daemon.forget_peak()
        idle = daemon.memory("VmRSS")
        self._upload(daemon, size)
        return daemon.memory("VmHWM") - idle

    def _upload(self, daemon: Daemon, size: int) -> None:
        path = daemon.create(size)
        client = daemon.client()
        client.begin_patch(path, 0, size)
        piece = min(size, 8 * MIB)
        with open(os.memfd_create("body"), "r+b") as file:
            file.write(b"tus!" * (piece // 4))
            file.flush()
            for _ in range(size // piece):
                client.send_file(file, 0, piece)
        self.assertEqual(client.response().status, 204)
        self.assertEqual(daemon.offset(path), size)
        daemon.content(path).unlink()

    def test_full_speed(self) -> None:
        """While 1 GiB comes at full speed the peak is at most 8 MiB higher (T-048)."""
        self.assertLessEqual(self.growth(twistd_tus(self), 1024 * MIB), PEAK_BYTES)

    def test_slow_disk(self) -> None:
        """The same holds when every write takes 20 ms: the client waits (T-048)."""
        daemon = twistd_program(self, SLOW_DISK)
        daemon.start()
        self.assertLessEqual(self.growth(daemon, 128 * MIB), PEAK_BYTES)
