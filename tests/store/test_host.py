"""Knowing a machine again, and whether it was started anew."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.store.host import Host, identity, read_host


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

    def test_two_of_one_id(self) -> None:
        """Machines that were cloned are told apart by their names."""
        one, other = (
            Host(identity("m", name), boot)
            for name, boot in (("one", "a"), ("other", "b"))
        )
        self.assertFalse(one.has_rebooted_since(other))
        self.assertFalse(other.has_rebooted_since(one))
        self.assertFalse(one.has_rebooted_since(Host("m", "c")))
        again = Host(identity("m", "one"), "d")
        self.assertTrue(again.has_rebooted_since(one))

    def test_a_name_is_not_enough(self) -> None:
        """Where there is no machine id the name alone tells nothing."""
        self.assertEqual(identity("", "localhost"), "")

    def test_its_name_counts(self) -> None:
        """What this machine is called is a part of what it is."""
        machine_id = read_host().machine_id
        if machine_id:
            self.assertTrue(machine_id.endswith(f"@{os.uname().nodename}"))

    def test_this_machine(self) -> None:
        """Two looks at this machine see the same, in one line each."""
        host = read_host()
        self.assertEqual(host, read_host())
        self.assertNotIn("\n", host.machine_id + host.boot_id)
