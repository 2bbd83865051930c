"""
Whatever is sent, in whatever pieces, over whatever connections: what always holds.

The requests are made in :mod:`tests.web.hostile`, and what must hold is looked at in
:mod:`tests.web.world`.  :mod:`tests.fuzz` sends many more to a real daemon.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.receive.support import HandDisk
from tests.web.hostile import Step, conversations
from tests.web.tus_harness import message, patch
from tests.web.world import FIRST, SlowDisk, World, is_made_of


class _WorldCase(SynchronousTestCase):
    def play(self, world: World, steps: list[Step]) -> None:
        """Do all steps, then let everything come to its end."""
        for step in steps:
            world.play(step)
        world.end()
        self.assertEqual(self.flushLoggedErrors(), [])


class HostileTests(_WorldCase):
    """Requests of any kind."""

    @settings(max_examples=300)
    @given(conversations(1))
    def test_one_connection(self, steps: list[Step]) -> None:
        """
        Over one connection: every answer is one, is documented and has the headers and
        form that it must have; nothing is logged as a failure, no timer stays, no lock
        stays held, and nothing is stored but what was sent (T-001, T-265, T-267).
        """
        self.play(World(HandDisk()), steps)

    @settings(max_examples=300)
    @given(conversations(3), st.booleans())
    def test_several_connections(self, steps: list[Step], slow: bool) -> None:
        """Over several, with a disk that takes its time, the same holds (T-234)."""
        self.play(World(SlowDisk() if slow else HandDisk()), steps)


class WorldTests(_WorldCase):
    """What the tests above look at, seen to fail."""

    def setUp(self) -> None:
        self.world = World(HandDisk())

    def test_plain(self) -> None:
        """A client that does all well finds nothing wrong."""
        sent = patch(b"/files/{0}", len(FIRST), body=b"abcd")
        self.play(self.world, [(0, sent)])
        self.assertEqual(self.world.server.content(self.world.paths[0]), b"firstabcd")

    def test_stored_by_nobody(self) -> None:
        """Bytes that nobody sent are seen."""
        upload = self.world.server.ids[0]
        self.world.server.store._uploads[upload].content += b"?"
        self.assertRaises(AssertionError, self.world.end)

    def test_created_by_nobody(self) -> None:
        """An upload that nobody was told of is seen."""
        self.world.server.create(5)
        self.assertRaises(AssertionError, self.world.end)

    def test_lock_held(self) -> None:
        """A lock that nobody gives back is seen."""
        upload = self.world.server.ids[0]
        held = self.world.server.locker.acquire(upload, lambda: None, 1.0)
        self.assertIsNotNone(self.successResultOf(held))
        self.assertRaises((AssertionError, IndexError), self.world.end)

    def test_undocumented_status(self) -> None:
        """An answer that is not documented is seen."""
        stopping = Deferred.fromCoroutine(self.world.server.uploads.stop())
        self.successResultOf(stopping)
        step = (0, message(b"HEAD", b"/files/{0}"))
        self.assertRaises(AssertionError, self.world.play, step)

    def test_made_of(self) -> None:
        """Beginnings of bodies in any order, each once, explain what is stored."""
        for content, made in (
            (b"", True),
            (b"abAB", True),
            (b"ABabc", True),
            (b"aab", True),
            (b"abab", False),
            (b"bc", False),
            (b"abcA?", False),
        ):
            found = is_made_of(content, [b"abc", b"AB", b"a"])
            self.assertEqual(found, made, content)
