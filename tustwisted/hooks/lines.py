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
from itertools import count

from attrs import define, field

from tustwisted.hooks.outbox.names import key_of

FIRST_RETRY_S = 1.0
LAST_RETRY_S = 300.0
"""After a failure an upload waits: twice as long each time."""

LAST_PROBE_S = 60.0
"""How long a hook that is down is left alone, at the most."""

DOWN_AFTER = 5
"""So many failures in a row, without a success, mean that the hook is down."""


@define(eq=False, repr=False)
class Line:
    """The events of one upload that are due to one hook."""

    key: str

    names: list[str] = field(factory=list)
    """Sorted: the first one is told next, or is being told."""

    failures: int = 0
    """How often the first one has failed, in a row."""

    failing_since: int = 0
    """How many successes the hook had had when that began."""

    told: str = ""
    """What the hook has taken note of, and could not be forgotten yet."""

    is_busy: bool = False
    """The first one is being told."""

    @property
    def first(self) -> str:
        """The event whose turn it is."""
        return self.names[0]


@define(eq=False, repr=False)
class Lines:
    """
    The lines of one hook.

    :param at_once: how many uploads may be told of at the same time.
    :param random: gives numbers from 0 to 1, so that not all come back together.
    """

    _at_once: int
    _random: Callable[[], float]
    _lines: dict[str, Line] = field(init=False, factory=dict)
    _fresh: deque[Line] = field(init=False, factory=deque)
    """Those that have not failed."""

    _again: deque[Line] = field(init=False, factory=deque)
    """Those that have, and have waited."""

    _waiting: list[tuple[float, int, Line]] = field(init=False, factory=list)
    """Those that have failed, by the time until which they wait."""

    _numbers: count[int] = field(init=False, factory=count)
    _busy: int = field(init=False, default=0)
    _successes: int = field(init=False, default=0)
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

    @property
    def fresh(self) -> int:
        """How many there are that have not failed, and are not being told."""
        return len(self._fresh)

    def add(self, names: Iterable[str]) -> bool:
        """
        Add events that are due; harmless for those that were added before.

        :returns: whether any was not.
        """
        is_new = False
        for name in names:
            key = key_of(name)
            line = self._lines.get(key)
            if line is None:
                line = self._lines[key] = Line(key)
                self._fresh.append(line)
            if name not in line.names:
                insort(line.names, name, lo=1 if line.is_busy else 0)
                is_new = True
        return is_new

    def next(self, now_s: float) -> Line | None:
        """
        Take the line whose first event is to be told now.

        It is given back by one of the methods below.

        :returns: ``None``: there is none, or enough are being told.
        """
        while self._waiting and self._waiting[0][0] <= now_s:
            self._again.append(heapq.heappop(self._waiting)[2])
        if self.is_down:
            line = self._probe(now_s)
        elif self._busy < self._at_once:
            line = _pop(self._again) or _pop(self._fresh)
        else:
            line = None
        if line is not None:
            self._busy += 1
            line.is_busy = True
        return line

    def _probe(self, now_s: float) -> Line | None:
        """
        Choose who tries whether the hook is back.

        One that has not failed, if there is any, in turns the oldest and the newest: it
        may be but others that fail.  While these are few it need not even wait.
        """
        if self._busy:
            return None
        if now_s < self._probe_at_s:
            return _pop(self._fresh) if len(self._suspects) < DOWN_AFTER else None
        if self._fresh:
            return self._fresh.pop() if self._probes % 2 else self._fresh.popleft()
        if self._again:
            return self._again.popleft()
        return heapq.heappop(self._waiting)[2] if self._waiting else None

    def done(self, line: Line, name: str) -> None:
        """Take note that an event needs not be told any more, and the hook is there."""
        self._give_back(line)
        self._drop(line, name)
        if self.is_down:
            self._come_back()
        self._successes += 1
        self._in_a_row, self._probes = 0, 0
        self._suspects.clear()

    def _come_back(self) -> None:
        """Let all try again that have failed since the hook is down."""
        waiting, self._waiting = sorted(self._waiting), []
        for entry in waiting:
            if entry[2].failing_since == self._successes:
                self._again.append(entry[2])
            else:
                self._waiting.append(entry)  # which is sorted, and so a heap

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
        self._in_a_row += 1
        if len(self._suspects) < DOWN_AFTER:
            self._suspects.add(line.key)
        if given_up:
            self._drop(line, given_up)
            self._suspects.discard(line.key)  # it was this event, perhaps
        else:
            if line.failures == 0:
                line.failing_since = self._successes
            at_s = now_s + self._backoff(line.failures, LAST_RETRY_S)
            line.failures += 1
            heapq.heappush(self._waiting, (at_s, next(self._numbers), line))
        if self.is_down and self._busy == 0:
            self._probe_at_s = now_s + self._backoff(self._probes, LAST_PROBE_S)
            self._probes += 1

    def _give_back(self, line: Line) -> None:
        self._busy -= 1
        line.is_busy = False

    def _drop(self, line: Line, name: str) -> None:
        line.names.remove(name)
        line.failures = 0
        if line.names:
            self._fresh.append(line)
        else:
            del self._lines[line.key]

    def _backoff(self, failures: int, longest_s: float) -> float:
        """Tell how long to wait: half of it for certain, the rest by chance."""
        wait_s = min(longest_s, FIRST_RETRY_S * 2.0 ** min(failures, 30))
        return wait_s * (0.5 + self._random() / 2)


def _pop(lines: deque[Line]) -> Line | None:
    return lines.popleft() if lines else None
