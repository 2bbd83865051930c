"""Pages of names: complete, in order, fair, while the directory changes."""

from __future__ import annotations

import random
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.store.support import steady
from tustwisted.hooks.outbox.names import key_of
from tustwisted.hooks.outbox.paging import choose


def name(upload: int, number: int) -> str:
    """Name an event."""
    return f"u{upload:02}~00001000000250000~{number}"


class PagingTests(SynchronousTestCase):
    """What is chosen."""

    def test_all_if_they_are_few(self) -> None:
        """One page has them all, sorted; what has another name is told of."""
        names = [name(2, 1), name(1, 2), "odd", name(1, 1)]
        odd: list[str] = []
        page = choose(lambda: names, "", 4, odd.append)
        self.assertEqual(page.names, (name(1, 1), name(1, 2), name(2, 1)))
        self.assertEqual((page.after, page.total), ("", 4))
        self.assertEqual(odd, ["odd"])

    def test_after_the_last_comes_the_first(self) -> None:
        """Pages follow each other in a circle."""
        names = [name(i, 1) for i in range(5)]
        seen, after = [], ""
        for _ in range(5):
            page = choose(lambda: names, after, 2)
            seen += sorted(page.names, key=lambda n: (n <= after, n))
            after = page.after
        self.assertEqual(seen, names * 2)

    @given(st.integers(0, 2**32))
    @steady(150)
    def test_a_directory_that_changes(self, seed: int) -> None:
        """
        What appears while it is read is chosen after what comes before it, or later.

        A file system may or may not tell of a name that comes, or goes, meanwhile.
        """
        chance = random.Random(seed)
        there: set[str] = set()
        coming = [name(i, number) for number in (1, 2, 3) for i in range(6)]

        def scan() -> Iterator[str]:
            at_first = set(there)
            for each in sorted(at_first, key=lambda _: chance.random()):
                yield each
                if coming and chance.random() < 0.5:
                    there.add(coming[0])
                    if chance.random() < 0.5:
                        yield coming[0]
                    del coming[0]
            if coming:
                there.add(coming[0])
                if chance.random() < 0.5:
                    yield coming[0]
                del coming[0]

        after, told = "", set[str]()
        for _ in range(100):
            before = set(told)
            page = choose(scan, after, chance.choice([1, 3, 50]))
            after = page.after
            told |= set(page.names)
            for each in page.names:
                mine = {n for n in there if key_of(n) == key_of(each) and n < each}
                self.assertLessEqual(mine, before | set(page.names))
            if chance.random() < 0.5:
                there -= set(page.names)
        self.assertEqual(len(told), 18)
