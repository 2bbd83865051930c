"""Directory syncs are shared, and none is shared that began too early."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.store.sharedsync import SharedSync


class SharedSyncTests(SynchronousTestCase):
    """A sync that ends when the test says so."""

    def setUp(self) -> None:
        """Take note of each sync that begins."""
        self.running: list[tuple[str, Deferred[None]]] = []
        self.shared = SharedSync(self.begin)

    def begin(self, path: str) -> Deferred[None]:
        """Begin a sync."""
        done: Deferred[None] = Deferred()
        self.running.append((path, done))
        return done

    def end(self, index: int) -> None:
        """End one."""
        self.running[index][1].callback(None)

    def test_one(self) -> None:
        """A sync that nobody else wants begins at once, and ends as it ends."""
        done = self.shared.sync("/a")
        self.assertNoResult(done)
        self.end(0)
        self.successResultOf(done)

    def test_fifty_take_two(self) -> None:
        """All who come while one is running share the next, and not that one."""
        wanted = [self.shared.sync("/a") for _ in range(50)]
        self.assertEqual(len(self.running), 1)
        self.end(0)
        self.successResultOf(wanted[0])
        for done in wanted[1:]:
            self.assertNoResult(done)
        self.assertEqual(len(self.running), 2)
        late = self.shared.sync("/a")
        self.end(1)
        for done in wanted[1:]:
            self.successResultOf(done)
        self.assertNoResult(late)
        self.end(2)
        self.successResultOf(late)
        self.assertEqual(len(self.running), 3)

    def test_directories_do_not_wait_for_each_other(self) -> None:
        """Two directories are synced at the same time."""
        a, b = self.shared.sync("/a"), self.shared.sync("/b")
        self.assertEqual([path for path, _ in self.running], ["/a", "/b"])
        self.end(1)
        self.successResultOf(b)
        self.assertNoResult(a)
        self.end(0)

    def test_failure(self) -> None:
        """A sync that fails fails those who shared it; the next ones have their own."""
        first, second = self.shared.sync("/a"), self.shared.sync("/a")
        self.end(0)
        third = self.shared.sync("/a")
        self.running[1][1].errback(OSError("injected"))
        self.successResultOf(first)
        self.failureResultOf(second, OSError)
        self.end(2)
        self.successResultOf(third)

    def test_cancelling_one_disturbs_nobody(self) -> None:
        """Who no longer waits leaves the sync to the others."""
        first, second, third = (self.shared.sync("/a") for _ in range(3))
        first.cancel()
        second.cancel()
        self.failureResultOf(first)
        self.failureResultOf(second)
        self.end(0)
        self.end(1)
        self.successResultOf(third)

    def test_a_new_one_after_all_have_ended(self) -> None:
        """Later syncs begin anew."""
        for index in range(3):
            done = self.shared.sync("/a")
            self.end(index)
            self.successResultOf(done)
