"""
Whoever is frozen past his lease damages nothing and is told nothing that is not true.

Each story is played once for every call on the file system that the frozen one makes:
right before it, somebody else takes the upload over and does all that he wants.

Every story is played against some others each time, and against all of them, under each
promise, by ``make campaign``.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable

from twisted.trial.unittest import SynchronousTestCase

from tests.campaign import tried
from tests.store.takeover import ID, LENGTH, Holder, Story, World, frozen_at
from tustwisted.errors import TusError, UploadNotFound
from tustwisted.protocol.upload import UploadState
from tustwisted.store.durability import Durability

STORIES: dict[str, Story] = {
    "append": Holder.append,
    "append a chunk": Holder.append_chunk,
    "doubt a chunk": Holder.doubt_chunk,
    "leave a chunk": Holder.leave_chunk,
    "finish": Holder.finish,
    "set the length": Holder.set_length,
    "remove": Holder.remove,
    "look": Holder.look,
}

KEEPING_THE_FILE = {"set the length", "look"}
"""Who does this leaves the data file to whoever has it open."""

ENDS = ("releases", "freezes", "dies")
"""What becomes of a successor whose story is over."""


def length_for(*names: str) -> int | None:
    """Return the length of an upload with which stories can be told."""
    return None if "set the length" in names else LENGTH


class TakeoverCase(SynchronousTestCase):
    """Plays stories of a frozen holder and his successors."""

    def begin(
        self,
        durability: Durability,
        length: int | None,
        before: tuple[Story, str] | None = None,
    ) -> World:
        """Make a world with an upload, which perhaps somebody has left behind."""
        world = World(os.path.abspath(self.mktemp()), durability, length)
        world.begin()
        if before is not None:
            Holder(world, b"X").live(*before)
        return world

    def end(self, world: World) -> None:
        """See that the upload is what everybody was told, and goes on."""
        self.flushLoggedErrors(OSError)
        last = Holder(world, b"z")
        try:
            info = world.look(last.store)
        except UploadNotFound:
            self.assertTrue(world.is_removed)
            return
        is_whole = info.offset == info.length or info.state is not UploadState.RECEIVING
        last.live(Holder.finish if is_whole else Holder.append)
        self.assertIsNone(last.refused)
        self.assertEqual(world.look(last.store).offset, len(world.told))
        with open(world.path, "rb") as file:
            self.assertEqual(file.read(), world.told)
        self.assertEqual(world.claims(), [])

    def freeze_at(
        self, world: World, number: int, first: str, second: str, end: str
    ) -> bool:
        """Freeze a holder at one call; return whether he makes so many."""
        after: dict[str, bytes] = {}

        def take_over(frozen: Holder) -> None:
            frozen.has_lost = frozen.has_claim
            world.is_removed = not world.has_record()
            successor = Holder(world, b"a")
            successor.live(STORIES[second], end)
            if not world.is_removed:
                self.assertIsNone(successor.refused)
            after.update(world.snapshot())

        holder, freeze = frozen_at(world, b"A", number, take_over)
        holder.live(STORIES[first])
        now = world.snapshot()
        if second in KEEPING_THE_FILE:
            now.pop(ID, None)
            after.pop(ID, None)
        if holder.has_lost:
            self.assertEqual(now, after)
        elif freeze.count < freeze.number:
            self.assertIsNone(holder.refused)
        return freeze.count >= freeze.number


class EveryCallTests(TakeoverCase):
    """One is frozen before each of his calls."""

    def play(
        self,
        durability: Durability,
        first: str,
        second: str,
        before: tuple[Story, str] | None,
    ) -> None:
        """Let one story be interrupted by another everywhere."""
        number, reached = 1, True
        while reached:
            world = self.begin(durability, length_for(first, second), before)
            try:
                end = ENDS[number % len(ENDS)]
                reached = self.freeze_at(world, number, first, second, end)
                self.end(world)
            except (AssertionError, TusError) as error:
                name = f"{durability} {first} at {number} {second} {before}"
                raise AssertionError(f"{name}: {error!r}") from error
            number += 1
        self.assertGreater(number, 5)

    def play_all(
        self,
        durability: Durability,
        successors: Iterable[str],
        before: tuple[Story, str] | None = None,
    ) -> None:
        """Play every story against some; in a campaign, against all."""
        successors = tried(STORIES, successors)
        for first, second in itertools.product(STORIES, successors):
            self.play(durability, first, second, before)

    def test_none(self) -> None:
        """Without any sync."""
        self.play_all(Durability.NONE, ("append",))

    def test_finish(self) -> None:
        """Where what is finished is synced."""
        self.play_all(Durability.FINISH, ("append", "remove"))

    def test_every_successor(self) -> None:
        """Every story of a successor, against one that does a little of everything."""
        for second in STORIES:
            self.play(Durability.FINISH, "finish", second, None)

    def test_strict(self) -> None:
        """Where every offset is synced."""
        self.play_all(Durability.STRICT, ("append",))

    def test_from_a_frozen_one(self) -> None:
        """Where the frozen one has himself taken over from who has left a chunk."""
        before = Holder.leave_chunk, "freezes"
        self.play_all(Durability.FINISH, ("append",), before)

    def test_from_a_dead_one(self) -> None:
        """Where he whose work the frozen one goes on with is dead."""
        self.play_all(Durability.STRICT, ("append",), (Holder.leave_chunk, "dies"))


class ThreeHoldersTests(TakeoverCase):
    """A is frozen, then B who takes over from him, and C goes on."""

    def play(
        self, durability: Durability, numbers: tuple[int, int], *names: str
    ) -> None:
        """Freeze A at one call and B at another."""
        world = self.begin(durability, length_for(*names))
        after: dict[str, bytes] = {}

        def take_over_from_both(second: Holder) -> None:
            first.has_lost = first.has_lost or first.has_claim
            second.has_lost = second.has_claim
            world.is_removed = not world.has_record()
            third = Holder(world, b"a")
            third.live(STORIES[names[2]])
            if not world.is_removed:
                self.assertIsNone(third.refused)
            after.update(world.snapshot())

        def take_over(frozen: Holder) -> None:
            frozen.has_lost = frozen.has_claim
            world.is_removed = not world.has_record()
            second.live(STORIES[names[1]])

        second, _ = frozen_at(world, b"Q", numbers[1], take_over_from_both)
        first, _ = frozen_at(world, b"A", numbers[0], take_over)
        first.live(STORIES[names[0]])
        if first.has_lost and second.has_lost:
            self.assertEqual(world.snapshot(), after)
        self.end(world)

    def play_all(self, durability: Durability, step: int, *names: str) -> None:
        """Freeze both at many calls; in a campaign, at all."""
        step = tried(1, step)
        for first in range(1, 60, step):
            for second in range(1 + first % step, 60, step):
                try:
                    self.play(durability, (first, second), *names)
                except (AssertionError, TusError) as error:
                    name = f"{durability} {names} at {first}, {second}"
                    raise AssertionError(f"{name}: {error!r}") from error

    def test_appending(self) -> None:
        """All of them append."""
        self.play_all(Durability.FINISH, 5, "append", "append", "append")

    def test_chunks(self) -> None:
        """Two of them have a chunk in doubt."""
        self.play_all(
            Durability.STRICT, 7, "append a chunk", "append a chunk", "append"
        )

    def test_removing(self) -> None:
        """Two of them are about to remove it."""
        self.play_all(Durability.NONE, 5, "remove", "remove", "finish")

    def test_finishing(self) -> None:
        """All of them finish it."""
        self.play_all(Durability.FINISH, 7, "finish", "finish", "finish")
