"""How some of the names of a large directory are chosen; pure."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

from tustwisted.hooks.interfaces import Page
from tustwisted.hooks.outbox.names import is_due_name, key_of


def choose(scan: Callable[[], Iterable[str]], after: str, most: int) -> Page:
    """
    Choose the names that come next, and after the last one begin from the start again.

    So nobody is forgotten although others come all the time.  A name may appear while
    the directory is read: then one after it may have been seen and it was not.  So the
    directory is read twice.  What was seen first was there before the second time, and
    what comes before it in its upload was, too.

    :param scan: reads the directory anew; names of other kinds are passed by.
    :param after: where the page before has ended, or empty.
    :param most: about so many are chosen.
    """
    total = 0

    def names() -> Iterable[tuple[bool, str]]:
        nonlocal total
        for name in scan():
            if is_due_name(name):
                total += 1
                yield name <= after, name

    chosen = [name for _, name in heapq.nsmallest(most, names())]
    last_of: dict[str, str] = {}
    for name in chosen:
        key = key_of(name)
        last_of[key] = max(name, last_of.get(key, name))
    found = set(chosen)
    if chosen:
        for name in scan():
            if is_due_name(name) and name <= last_of.get(key_of(name), ""):
                found.add(name)
    return Page(tuple(sorted(found)), chosen[-1] if total > most else "", total)
