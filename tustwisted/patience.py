"""
How long the reactor bears with a disk: it must not be late often, nor for long.

A call that took long is no slow disk yet.  On a busy machine the kernel gives the
processor to somebody else for some milliseconds in the middle of any call, and to
leave for a thread then makes it worse: each hop waits for the processor twice more.
So what counts is the time of calls in which the reactor's thread has waited for
something, which the kernel tells apart from the times when it was only displaced.

It does not tell for what.  While bytes flow in threads, which take the interpreter's
lock for each step, it may be that, which each call gives away and takes back; so a call
must be longer then to count.
"""

from __future__ import annotations

import resource
from itertools import count

from attrs import define, field

LONG_S = 0.002
"""A call in the reactor that takes longer has kept everybody else waiting."""

CONTENDED_S = 0.01
"""
While threads write: twice the time for which Python lets one of them go on.

See :func:`sys.setswitchinterval`.
"""

LOST_S = 0.02
"""So much may such calls take before the reactor is spared, and again each second."""

SPARED_S = 1.0
"""Then it is spared for so long, and twice as long if it was no use to try again."""

MOST_SPARED_S = 30.0
"""Until it is so long: a disk that has become quick is found out after that."""

_unknown = count(1)


def times_waited() -> int:
    """
    Count how often this thread has waited for something since it began.

    Where the system does not tell each call is told another number: then every long
    call has waited.
    """
    if not hasattr(resource, "RUSAGE_THREAD"):  # not Linux
        return next(_unknown)
    # Zero is what gVisor says; a reactor has waited before anybody asks it something.
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw or next(_unknown)


@define(eq=False, repr=False)
class Patience:
    """
    Decides whether short calls may run in the reactor.

    What is lost is forgotten by :data:`LOST_S` each second: so calls that wait cost the
    reactor at most 2 % of its time.  One alone is borne, however long; after a pause
    the first is too many.
    """

    spared_until_s: float = field(init=False, default=0.0)
    """Until then no call is to run in the reactor; on the clock of the caller."""
    _lost_s: float = field(init=False, default=0.0)
    _told_at_s: float = field(init=False, default=0.0)
    _pause_s: float = field(init=False, default=SPARED_S)

    def waited(self, took_s: float, now_s: float) -> None:
        """
        Take note of a long call in the reactor.

        :param took_s: how long it was, seconds.
        :param now_s: when it has ended.
        """
        forgotten_s = (now_s - self._told_at_s) * LOST_S
        remembered_s = max(0.0, self._lost_s - forgotten_s)
        self._lost_s, self._told_at_s = remembered_s + took_s, now_s
        if remembered_s and self._lost_s > LOST_S:
            self._spare(now_s)

    def _spare(self, now_s: float) -> None:
        came_back_s = self.spared_until_s
        was_no_use = came_back_s and now_s < came_back_s + self._pause_s
        self._pause_s = (
            min(MOST_SPARED_S, 2 * self._pause_s) if was_no_use else SPARED_S
        )
        self.spared_until_s = now_s + self._pause_s
        # Nothing is forgotten meanwhile: the next long call is one too many.
        self._lost_s, self._told_at_s = LOST_S, self.spared_until_s
