"""Knowing a machine again, and whether it was started anew."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.store.host import Host, read_host


class HostTests(SynchronousTestCase):
    """Machines and boots."""

    def test_the_same_boot(self) -> None:
        """A machine has not been booted since what it wrote in this boot."""
        self.assertFalse(Host("m", "b").has_rebooted_since(Host("m", "b")))

    def test_another_boot(self) -> None:
        """A machine has been booted since what it wrote in another boot."""
        self.assertTrue(Host("m", "b").has_rebooted_since(Host("m", "a")))

    def test_not_known(self) -> None:
        """Where an id is missing or the machine is another one, nobody knows."""
        for now, then in (
            (Host("m", "b"), Host("n", "a")),
            (Host("", "b"), Host("", "a")),
            (Host("m", ""), Host("m", "a")),
            (Host("m", "b"), Host("m", "")),
            (Host(), Host()),
        ):
            self.assertFalse(now.has_rebooted_since(then))

    def test_this_machine(self) -> None:
        """Two looks at this machine see the same, in one line each."""
        host = read_host()
        self.assertEqual(host, read_host())
        self.assertNotIn("\n", host.machine_id + host.boot_id)
