"""
Which event a hook is told next: one upload's after the other, and not too often; pure.

Uploads stand in lines of their own, and a failure keeps only its own line waiting.
When everything fails the hook is down: one line at a time tries whether it is back.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count, islice

from attrs import define, field

from tustwisted.hooks.outbox.names import key_of

FIRST_RETRY_S = 1.0
LAST_RETRY_S = 300.0
"""After a failure an upload waits: twice as long each time."""

LAST_PROBE_S = 60.0
"""How long a hook that is down is left alone, at the most."""

DOWN_AFTER = 5
"""So many failures in a row, without a success, mean that the hook is down."""


@define(eq=False)
class Line:
    """The events of one upload that are due to one hook."""

    key: str

    names: list[str] = field(factory=list)
    """Sorted: the first one is told next, or is being told."""

    failures: int = 0
    """How often the first one has failed, in a row."""

    told: str = ""
    """What the hook has taken note of, and could not be forgotten yet."""

    is_busy: bool = False
    """The first one is being told."""

    @property
    def first(self) -> str:
        """The event whose turn it is."""
        return self.names[0]


@define(eq=False)
class Lines:
    """
    The lines of one hook.

    :param at_once: how many uploads may be told of at the same time.
    :param random: gives numbers from 0 to 1, so that not all come back together.
    """

    _at_once: int
    _random: Callable[[], float]
    _lines: dict[str, Line] = field(init=False, factory=dict)
    _ready: deque[Line] = field(init=False, factory=deque)
    _waiting: list[tuple[float, int, Line]] = field(init=False, factory=list)
    _numbers: count[int] = field(init=False, factory=count)
    _busy: int = field(init=False, default=0)
    _in_a_row: int = field(init=False, default=0)
    _suspects: set[str] = field(init=False, factory=set)
    """Whose failures those in a row are, some of them."""

    _probes: int = field(init=False, default=0)
    _probe_at_s: float = field(init=False, default=0.0)

    @property
    def is_down(self) -> bool:
        """The hook fails for everybody."""
        return self._in_a_row >= DOWN_AFTER

    @property
    def known(self) -> int:
        """How many uploads there are."""
        return len(self._lines)

    def add(self, names: Iterable[str]) -> None:
        """Add events that are due; harmless for those that were added before."""
        for name in names:
            key = key_of(name)
            line = self._lines.get(key)
            if line is None:
                line = self._lines[key] = Line(key)
                self._ready.append(line)
            if name not in line.names:
                insort(line.names, name, lo=1 if line.is_busy else 0)

    def next(self, now_s: float) -> Line | None:
        """
        Take the line whose first event is to be told now.

        It is given back by one of the methods below.

        :returns: ``None``: there is none, or enough are being told.
        """
        while self._waiting and self._waiting[0][0] <= now_s:
            self._ready.append(heapq.heappop(self._waiting)[2])
        if not self._ready or self._busy >= (1 if self.is_down else self._at_once):
            return None
        if self.is_down and now_s < self._probe_at_s:
            line = self._unsuspected()
            if line is None:
                return None
            self._ready.remove(line)
        else:
            line = self._ready.popleft()
        self._busy += 1
        line.is_busy = True
        return line

    def _unsuspected(self) -> Line | None:
        """
        Find an upload that may be the first one to succeed.

        It might be but one or two that fail, which must not keep the others waiting.
        """
        if len(self._suspects) >= DOWN_AFTER:
            return None
        some = islice(self._ready, DOWN_AFTER)
        return next((line for line in some if line.key not in self._suspects), None)

    def done(self, line: Line, name: str) -> None:
        """Take note that an event needs not be told any more, and the hook is there."""
        self._give_back(line)
        self._drop(line, name)
        if self.is_down:  # all that wait for the hook may try again
            self._free_all()
        self._in_a_row, self._probes = 0, 0
        self._suspects.clear()

    def gone(self, line: Line, name: str) -> None:
        """Take note that an event is not there any more, so that nothing was told."""
        self._give_back(line)
        self._drop(line, name)

    def failed(self, line: Line, now_s: float, given_up: str = "") -> None:
        """
        Take note that an event could not be told; it is tried again later.

        :param given_up: its name, if it is not.
        """
        self._give_back(line)
        line.failures += 1
        self._in_a_row += 1
        if len(self._suspects) < DOWN_AFTER:
            self._suspects.add(line.key)
        if given_up:
            self._drop(line, given_up)
            self._suspects.discard(line.key)  # it was this event, perhaps
        elif self.is_down:
            self._ready.append(line)
        else:
            at_s = now_s + self._backoff(line.failures - 1, LAST_RETRY_S)
            heapq.heappush(self._waiting, (at_s, next(self._numbers), line))
        if self.is_down:
            self._free_all()
            if self._busy == 0:
                self._probe_at_s = now_s + self._backoff(self._probes, LAST_PROBE_S)
                self._probes += 1

    def _give_back(self, line: Line) -> None:
        self._busy -= 1
        line.is_busy = False

    def _drop(self, line: Line, name: str) -> None:
        line.names.remove(name)
        line.failures = 0
        if line.names:
            self._ready.append(line)
        else:
            del self._lines[line.key]

    def _free_all(self) -> None:
        self._ready.extend(line for _, _, line in sorted(self._waiting))
        self._waiting.clear()

    def _backoff(self, failures: int, longest_s: float) -> float:
        """Tell how long to wait: half of it for certain, the rest by chance."""
        wait_s = min(longest_s, FIRST_RETRY_S * 2.0 ** min(failures, 30))
        return wait_s * (0.5 + self._random() / 2)
