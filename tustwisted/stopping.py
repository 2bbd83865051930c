"""How long a stop may take, and each of its steps; one time tells all the others."""

from __future__ import annotations

from typing import Final

from attrs import field, frozen
from attrs.validators import gt

SHUTDOWN_TIMEOUT_S: Final = 10.0
"""How long a stop may take (T-241)."""


@frozen
class StopTimes:
    """
    The steps of a stop, each with an end of its own, counted from its begin.

    What comes later has a later end, so each step has some time whatever the ones
    before it did.  Most end long before.
    """

    whole_s: float = field(default=SHUTDOWN_TIMEOUT_S, validator=gt(0))
    """After this the process is ended hard."""

    @property
    def hooks_s(self) -> float:
        """How long a hook that was asked may take to answer."""
        return 0.3 * self.whole_s

    @property
    def readers_s(self) -> float:
        """How long whoever reads may go on, when all that is written has settled."""
        return 0.2 * self.whole_s

    @property
    def telling_s(self) -> float:
        """Until when hooks are told what is due; programs may take 3 s to end then."""
        return 0.6 * self.whole_s

    @property
    def uploads_s(self) -> float:
        """Until when nothing of the uploads may be busy any more."""
        return 0.9 * self.whole_s

    @property
    def answers_s(self) -> float:
        """How long the last answers may take, when the uploads have ended."""
        return 0.2 * self.whole_s

    @property
    def connections_s(self) -> float:
        """Until when they may, whenever that was."""
        return 0.95 * self.whole_s

    @property
    def kill_s(self) -> float:
        """When workers are killed, that should have ended by themselves before."""
        return self.whole_s + 1

    @property
    def orphan_s(self) -> float:
        """When a worker ends hard whose supervisor has died, or wants an end."""
        return self.whole_s + 2

    @property
    def supervisor_s(self) -> float:
        """When the supervisor ends hard: later than each of its workers."""
        return self.whole_s + 3
