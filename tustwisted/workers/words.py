"""The command line of a worker, which is its supervisor's."""

from __future__ import annotations

from tustwisted.config.options import SettingsOptions


class Words(SettingsOptions):
    """
    Options that are read when that is asked for, and not before.

    A worker begins with the settings that its supervisor has in force: the file may be
    another one by then, or make no sense.
    """

    def postOptions(self) -> None:
        """Read nothing."""
