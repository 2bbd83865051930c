"""What the log says of a hook that fails: when it begins, and when that is over."""

from __future__ import annotations

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

log = Logger()

QUIET_S = 60.0
"""Of a hook that fails now and then this is not said more often."""

_MAX_TOLD = 300


@define(eq=False, repr=False)
class Trouble:
    """
    Which uploads one hook could not be told of.

    :param clock: measures the time between two warnings.
    """

    _hook: str
    _clock: IReactorTime
    _failing: set[str] = field(init=False, factory=set)
    _is_told: bool = field(init=False, default=False)
    _quiet_until: float = field(init=False, default=float("-inf"))

    def failed(self, key: str, error: BaseException) -> None:
        """Take note of a failure."""
        self._failing.add(key)
        now_s = self._clock.seconds()
        if not self._is_told and now_s >= self._quiet_until:
            self._is_told, self._quiet_until = True, now_s + QUIET_S
            log.warn(
                "hook {hook} does not take note of events, which are kept and told "
                "again: {problem}",
                hook=self._hook,
                problem=told(error),
            )

    def ended(self, key: str) -> None:
        """Take note that nothing waits to be told again of an upload."""
        self._failing.discard(key)
        if self._is_told and not self._failing:
            self._is_told = False
            log.info("hook {hook} takes note of events again", hook=self._hook)


def told(error: BaseException) -> str:
    """
    Tell an error in one line of a bounded length.

    What our own hooks raise says all in words; of others the type may say more.
    """
    kind = (
        "" if type(error).__module__.startswith("tustwisted.") else f"{_name(error)}: "
    )
    line = " ".join(f"{kind}{error}".split()).rstrip(": ") or _name(error)
    return line if len(line) <= _MAX_TOLD else f"{line[:_MAX_TOLD]}..."


def _name(error: BaseException) -> str:
    return type(error).__name__
