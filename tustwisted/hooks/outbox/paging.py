"""How some of the names of a large directory are chosen; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import define, field

from tustwisted.hooks.interfaces import Page
from tustwisted.hooks.outbox.names import is_due_name, key_of


def choose(
    scan: Callable[[], Iterable[str]],
    after: str,
    most: int,
    odd: Callable[[str], None] = lambda _: None,
) -> Page:
    """
    Choose the names that come next, and after the last one begin from the start again.

    So nobody is forgotten although others come all the time.  A name may appear while
    the directory is read: then one after it may have been seen and it was not.  So the
    directory is read twice.  What was seen first was there before the second time, and
    what comes before it in its upload was, too.

    :param scan: reads the directory anew.
    :param after: where the page before has ended, or empty.
    :param most: about so many are chosen.
    :param odd: called with names of other kinds, which are passed by.
    """
    total = 0
    later, earlier = _Smallest(most), _Smallest(most)
    for name in scan():
        total += 1
        (later if name > after else earlier).add(name)
    chosen = (later.cut() + earlier.cut())[:most]
    if not chosen:
        return Page((), "", 0)
    found: set[str] = set()
    last_of: dict[str, str] = {}
    for name in chosen:
        if is_due_name(name):
            found.add(name)
            last_of[key_of(name)] = max(name, last_of.get(key_of(name), ""))
        else:
            odd(name)
    for name in scan():
        if name <= last_of.get(key_of(name), "") and is_due_name(name):
            found.add(name)
    return Page(tuple(sorted(found)), chosen[-1] if total > most else "", total)


@define(eq=False, repr=False)
class _Smallest:
    """
    The smallest of many strings, found in small steps.

    What ``heapq`` does takes three times as long.
    """

    _most: int
    _names: list[str] = field(init=False, factory=list)
    _limit: str | None = field(init=False, default=None)

    def add(self, name: str) -> None:
        """Add one more."""
        if self._limit is None or name < self._limit:
            self._names.append(name)
            if len(self._names) >= 2 * self._most:
                self._limit = self.cut()[-1]

    def cut(self) -> list[str]:
        """Return those that are the smallest until now, sorted."""
        self._names.sort()
        del self._names[self._most :]
        return self._names
