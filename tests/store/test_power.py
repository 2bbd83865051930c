"""
No promise is broken when the process or the machine dies, whenever that is.

The file system is the forgetful one; what may be lost is chosen against us.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from random import Random
from typing import Any, TypeAlias

from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.campaign import tried
from tests.store.forgetful import ForgetfulFiles
from tests.store.support import DieAt, Killed, intercepted, run, steady
from tustwisted.errors import TusError, UploadExists, UploadNotFound
from tustwisted.interfaces import IUploadWriter
from tustwisted.protocol.upload import Storage, UploadInfo, UploadState
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.store.host import Host
from tustwisted.testing import ImmediateDisk

Deed: TypeAlias = tuple[Any, ...]
"""The name of a method of :class:`World`, and its arguments."""

Life: TypeAlias = tuple[list[Deed], str, int]
"""Deeds of one process, how it ends, and a seed for what is lost then."""

LENGTH = 24
IDS = ("a", "b", "day/c", "e")
PATHS = {"e": "bytes/of/e"}
"""Where the bytes of some uploads lie, if not in the usual place."""


def pattern(upload_id: str) -> bytes:
    """Return the content of an upload; no byte of it is zero."""
    first = 1 + 50 * IDS.index(upload_id)
    return bytes(range(first, first + LENGTH))


@define
class Promise:
    """What a client was told of one upload."""

    exists: bool = False
    offset: int = 0
    finished: bool = False
    removing: bool = False


@define
class World:
    """A store, its machine, and a client that remembers what it was told."""

    durability: Durability
    paths: dict[str, str] = field(factory=lambda: dict(PATHS))
    files: ForgetfulFiles = field(factory=ForgetfulFiles)
    boot: int = 0
    now_s: float = 1000.0
    promises: dict[str, Promise] = field(
        factory=lambda: {upload_id: Promise() for upload_id in IDS}
    )
    writers: dict[str, IUploadWriter] = field(factory=dict)
    plan: DieAt | None = None
    store: FileStore = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Start the first process."""
        self.start()

    def start(self) -> None:
        """Start a process."""
        self.plan = DieAt(self.files, 10**9)
        self.writers.clear()
        self.store = FileStore(
            "/var/uploads",
            ImmediateDisk(),
            self.durability,
            files=intercepted(self.files, self.plan),
            seconds=lambda: self.now_s,
            read_host=lambda: Host("machine", str(self.boot)),
        )
        run(self.store.start())

    def die_in(self, calls: int, moment: str) -> None:
        """Let the process die at one of its next calls."""
        assert self.plan is not None
        self.plan.number, self.plan.moment = self.plan.count + calls, moment

    def lose_power(self, seed: int) -> None:
        """Let the machine die, and start it again."""
        self.files = self.files.lose_power(Random(seed))
        self.boot += 1
        for promise in self.promises.values():
            if self.durability is not Durability.STRICT and not promise.finished:
                promise.exists, promise.offset = False, 0

    # -- what a client does ------------------------------------------------------------

    def create(self, upload_id: str) -> None:
        """Create an upload."""
        path = self.paths.get(upload_id)
        storage = None if path is None else Storage(path)
        try:
            run(self.store.create(UploadInfo(upload_id, LENGTH, storage=storage)))
        except UploadExists:
            return
        self.promises[upload_id] = Promise(exists=True)

    def write(self, upload_id: str, size: int) -> None:
        """Send some more bytes, beginning with a question for the offset."""
        if upload_id not in self.writers:
            offset = self.check(upload_id)
            if offset is None:
                return
            self.writers[upload_id] = run(self.store.open_writer(upload_id, offset))
        writer = self.writers[upload_id]
        chunk = pattern(upload_id)[writer.offset : writer.offset + size]
        if chunk:
            writer.write([chunk[:1], chunk[1:]])

    def settle(self, upload_id: str) -> None:
        """End a request."""
        writer = self.writers.pop(upload_id, None)
        if writer is not None:
            told = writer.settle()
            self.promises[upload_id].offset = told
            writer.close()

    def finish(self, upload_id: str) -> None:
        """Finish an upload if it is whole."""
        self.settle(upload_id)
        offset = self.check(upload_id)
        if offset == LENGTH:
            run(self.store.set_state(upload_id, UploadState.FINISHING))
            run(self.store.set_state(upload_id, UploadState.FINISHED))
            self.promises[upload_id].finished = True

    def remove(self, upload_id: str) -> None:
        """Remove an upload."""
        self.writers.pop(upload_id, None)
        self.promises[upload_id] = Promise(removing=True)
        try:
            run(self.store.remove(upload_id))
        except UploadNotFound:
            return

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds

    # -- what must hold ----------------------------------------------------------------

    def check(self, upload_id: str) -> int | None:
        """Compare what the store tells with what was promised; return the offset."""
        promise = self.promises[upload_id]
        try:
            info = run(self.store.info(upload_id))
        except UploadNotFound:
            assert not promise.exists, f"{upload_id} is lost"
            return None
        assert info.offset >= promise.offset, f"{promise.offset} became {info.offset}"
        content = self.content(upload_id)
        assert content[: info.offset] == pattern(upload_id)[: info.offset], content
        if info.state is not UploadState.RECEIVING:
            assert info.offset == LENGTH
        if promise.finished:
            assert info.state is UploadState.FINISHED
        if not promise.removing:
            promise.exists, promise.offset = True, info.offset  # it was told
        return info.offset

    def content(self, upload_id: str) -> bytes:
        """Read the data file."""
        try:
            path = self.paths.get(upload_id, upload_id)
            return self.files.read(f"/var/uploads/{path}", 1000)
        except FileNotFoundError:
            return b""

    def complete(self, upload_id: str) -> None:
        """Bring an upload to its end, whatever happened before."""
        self.writers.clear()
        if self.check(upload_id) is None:
            self.create(upload_id)
            if self.check(upload_id) is None:
                return  # an orphan keeps the id taken, until it is swept
        self.promises[upload_id].removing = False
        self.write(upload_id, LENGTH)
        self.finish(upload_id)
        assert self.promises[upload_id].finished
        assert self.content(upload_id) == pattern(upload_id)


_ids = st.sampled_from(IDS)
_deeds = st.one_of(
    st.tuples(st.just("create"), _ids),
    st.tuples(st.just("write"), _ids, st.integers(1, LENGTH)),
    st.tuples(st.just("write"), _ids, st.just(LENGTH)),
    st.tuples(st.just("settle"), _ids),
    st.tuples(st.just("finish"), _ids),
    st.tuples(st.just("remove"), _ids),
    st.tuples(st.just("wait"), st.sampled_from((1.0, 31.0))),
    st.tuples(
        st.just("die_in"),
        st.integers(1, 12),
        st.sampled_from(("before", "middle", "after")),
    ),
)
_lives = st.lists(
    st.tuples(
        st.lists(_deeds, max_size=14),
        st.sampled_from(("kill", "power")),
        st.integers(0, 2**16),
    ),
    max_size=5,
)


def live(world: World, deeds: Sequence[Deed]) -> None:
    """Do one deed after the other, until the end of the process."""
    for name, *args in deeds:
        getattr(world, name)(*args)


class RandomLivesTests(SynchronousTestCase):
    """Any deeds, deaths and losses of power, in any order."""

    def live(self, durability: Durability, lives: list[Life]) -> None:
        """Play a story and look at every end of a process."""
        world = World(durability)
        for deeds, end, seed in lives:
            with contextlib.suppress(Killed):
                live(world, deeds)
            if end == "power" and durability is not Durability.NONE:
                world.lose_power(seed)
            world.start()
            for upload_id in IDS:
                world.check(upload_id)
        for upload_id in IDS:
            world.complete(upload_id)

    @given(_lives)
    @steady(150)
    def test_finish(self, lives: list[Life]) -> None:
        """Under ``finish`` no finished upload is lost and no offset is ever wrong."""
        self.live(Durability.FINISH, lives)

    @given(_lives)
    @steady(150)
    def test_strict(self, lives: list[Life]) -> None:
        """Under ``strict`` nothing that was told is ever lost."""
        self.live(Durability.STRICT, lives)

    @given(_lives)
    @steady(100)
    def test_none(self, lives: list[Life]) -> None:
        """Under ``none`` nothing is lost while the machine lives."""
        self.live(Durability.NONE, lives)


STORY: Sequence[Deed] = [
    ("create", "day/c"),
    ("write", "day/c", 9),
    ("settle", "day/c"),
    ("wait", 31.0),
    ("write", "day/c", 5),
    ("wait", 31.0),
    ("write", "day/c", 2),
    ("settle", "day/c"),
    ("write", "day/c", LENGTH),
    ("finish", "day/c"),
    ("create", "a"),
    ("write", "a", 9),
    ("settle", "a"),
    ("remove", "a"),
]


MOMENTS = ("before", "middle", "after") * tried(2, 1)


class EveryCallTests(SynchronousTestCase):
    """
    One story, ended at each call that the store makes, in each way.

    In every other one a path was chosen for the bytes of the upload.
    """

    def world(self, durability: Durability, number: int) -> World:
        """Return the world of one story; in the odd ones a path was chosen."""
        chosen = {"day/c": "bytes/of/day/c"} if number % 2 else {}
        return World(durability, PATHS | chosen)

    def calls(self, durability: Durability) -> range:
        """Number the calls of the whole story."""
        world = self.world(durability, 1)
        assert world.plan is not None
        first = world.plan.count
        live(world, STORY)
        return range(1, world.plan.count - first + 1)

    def end_at(
        self, durability: Durability, call: int, moment: str, number: int
    ) -> World:
        """Live until one call, if there are so many."""
        world = self.world(durability, number)
        world.die_in(call, moment)
        with contextlib.suppress(Killed):
            live(world, STORY)
        return world

    def test_kill(self) -> None:
        """Killed at any call, the store goes on with all that it has told."""
        for durability in Durability:
            for call in self.calls(durability):
                for number, moment in enumerate(MOMENTS):
                    world = self.end_at(durability, call, moment, number)
                    world.start()
                    for upload_id in IDS:
                        world.check(upload_id)
                        world.complete(upload_id)

    def test_power_loss(self) -> None:
        """If the power fails at any call, what was promised against that is there."""
        for durability in (Durability.FINISH, Durability.STRICT):
            for call in self.calls(durability):
                for seed in range(tried(8, 1)):
                    world = self.end_at(durability, call, "after", seed)
                    world.lose_power(seed)
                    world.start()
                    for upload_id in IDS:
                        world.check(upload_id)
                        world.complete(upload_id)

    def test_power_loss_while_recovering(self) -> None:
        """The power may fail again at any call of the first writer after it."""
        for durability in (Durability.FINISH, Durability.STRICT):
            for call in range(1, 25):
                for seed in range(6):
                    world = self.world(durability, seed)
                    live(world, STORY[:8])
                    world.lose_power(seed)
                    world.start()
                    world.die_in(call, "after")
                    with contextlib.suppress(Killed):
                        world.complete("day/c")
                    world.lose_power(seed + 1)
                    world.start()
                    world.check("day/c")
                    world.complete("day/c")

    def test_change_of_promise(self) -> None:
        """A store that is run with another promise keeps to it from the next write."""
        for before in Durability:
            for after in (Durability.FINISH, Durability.STRICT):
                for call in range(1, 30):
                    for seed in range(4):
                        self._change(before, after, call, seed)

    def _change(
        self, before: Durability, after: Durability, call: int, seed: int
    ) -> None:
        world = self.world(before, seed)
        live(world, STORY[:6])
        world.files.sync_all()
        world.durability = after
        world.start()
        world.die_in(call, "after")
        with contextlib.suppress(Killed):
            try:
                world.write("day/c", 4)
            finally:
                world.promises["day/c"] = Promise()  # so far it was the old one
            world.write("day/c", 4)
            live(world, STORY[7:10])
        world.lose_power(seed)
        world.start()
        world.check("day/c")
        world.complete("day/c")


class PromiseTests(SynchronousTestCase):
    """The boundaries of what is promised, one by one."""

    def test_unsynced_bytes_are_given_up(self) -> None:
        """Under ``finish`` an unfinished upload goes back to what was last synced."""
        for seed in range(20):
            world = World(Durability.FINISH)
            live(world, STORY[:5])  # the second write syncs the nine bytes before it
            world.lose_power(seed)
            world.start()
            self.assertIn(world.check("day/c"), (None, 9))

    def test_a_restart_gives_up_nothing(self) -> None:
        """Without a new boot all bytes count, synced or not."""
        world = World(Durability.FINISH)
        live(world, STORY[:3])
        world.start()
        self.assertEqual(world.check("day/c"), 9)

    def test_errors_are_ours(self) -> None:
        """What remains of a torn record is never more than UploadNotFound."""
        for seed in range(40):
            world = World(Durability.NONE)
            live(world, STORY[:3])
            world.lose_power(seed)
            world.start()
            try:
                run(world.store.info("day/c"))
            except TusError as error:
                self.assertIsInstance(error, UploadNotFound)
