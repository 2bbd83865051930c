"""Which machine this is, and since which boot it runs."""

from __future__ import annotations

import os
from contextlib import suppress

from attrs import frozen

_MACHINE_ID = "/etc/machine-id"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


@frozen
class Host:
    """A machine during one of its boots; empty strings where that is not known."""

    machine_id: str = ""
    """
    The id of its operating system and its node name: see :func:`identity`.

    The id alone does not do: machines that were cloned, and containers of one image,
    share it, and each would take what the other has written for its own of before a
    reboot, which may be lost.
    """

    boot_id: str = ""

    def has_rebooted_since(self, then: Host) -> bool:
        """
        Tell whether ``then`` is this same machine before its last boot.

        ``False`` when that cannot be known: where there is no machine id (some
        containers) or no boot id (not Linux), and for what another machine wrote, or
        this one by another name.

        It is not looked at whether the record is younger than the boot, which would
        clear a living machine of the same id and name.  After a power loss a clock may
        go on where it was last saved (no battery, no network yet), and by such a clock
        what was lost was written after the boot, too.
        """
        known = self.machine_id and self.boot_id and then.boot_id
        return (
            bool(known)
            and then.machine_id == self.machine_id
            and then.boot_id != self.boot_id
        )


def read_host() -> Host:
    """Ask the operating system; blocks for a moment."""
    machine_id = identity(_first_line(_MACHINE_ID), os.uname().nodename)
    return Host(machine_id, _first_line(_BOOT_ID))


def identity(machine_id: str, node_name: str) -> str:
    """
    Return what tells a machine from all others, in one string.

    :param machine_id: of its operating system.
    :param node_name: as it calls itself.
    :returns: an empty string where there is no machine id.
    """
    return f"{machine_id}@{node_name}" if machine_id else ""


def _first_line(path: str) -> str:
    with suppress(OSError), open(path, encoding="ascii", errors="replace") as file:
        return file.readline(100).strip()
    return ""
