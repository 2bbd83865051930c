"""Which machine this is, and since which boot it runs."""

from __future__ import annotations

from contextlib import suppress

from attrs import frozen

_MACHINE_ID = "/etc/machine-id"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


@frozen
class Host:
    """A machine during one of its boots; empty strings where that is not known."""

    machine_id: str = ""
    boot_id: str = ""

    def has_rebooted_since(self, then: Host) -> bool:
        """
        Tell whether ``then`` is this same machine before its last boot.

        ``False`` when that cannot be known: where there is no machine id (some
        containers) or no boot id (not Linux), and for what another machine wrote.
        """
        known = self.machine_id and self.boot_id and then.boot_id
        return (
            bool(known)
            and then.machine_id == self.machine_id
            and then.boot_id != self.boot_id
        )


def read_host() -> Host:
    """Ask the operating system; blocks for a moment."""
    return Host(_first_line(_MACHINE_ID), _first_line(_BOOT_ID))


def _first_line(path: str) -> str:
    with suppress(OSError), open(path, encoding="ascii", errors="replace") as file:
        return file.readline(100).strip()
    return ""
