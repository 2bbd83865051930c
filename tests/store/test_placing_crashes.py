"""Whatever fails, dies or is frozen while an upload is placed, it gets one name."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from random import Random

from attrs import define, field

from tests.campaign import tried
from tests.store.forgetful import ForgetfulFiles
from tests.store.support import (
    FAULTS,
    DieAt,
    FailAt,
    Killed,
    append,
    intercepted,
    run,
)
from tests.store.takeover import Freeze, UnsyncedFiles
from tests.store.test_placing import CONTENT, PlacingCase
from tustwisted.abilities import IClaim
from tustwisted.errors import NoSpace, StorageFailed, TusError, UploadNotFound
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.store.host import Host
from tustwisted.store.ifiles import IFiles
from tustwisted.testing import ImmediateDisk

FILES = UnsyncedFiles()


def finish(store: FileStore, day: int, moves: bool) -> str:
    """
    Take the finish step; the names that are wished for depend on the day.

    Bytes that were not promised may be gone, and are sent again before that.
    """
    info = run(store.info("u"))
    if info.offset < len(CONTENT):
        append(store, "u", CONTENT[info.offset :])
    if info.state is not UploadState.FINISHED:
        run(store.set_state("u", UploadState.FINISHING))
        names = (f"{day}/a", f"{day}/b")
        path = run(store.place("u", iter(names), moves))
        run(store.set_state("u", UploadState.FINISHED))
        return path
    storage = info.storage
    assert storage is not None
    return storage.placed_path


class FaultTests(PlacingCase):
    """One call fails, or the process dies at it; the next day it is done again."""

    def begin_fault(self, durability: Durability, upload_id: str = "u") -> FileStore:
        """Make a store with an upload that is whole, and a name that is taken."""
        self.directory = os.path.abspath(self.mktemp())
        self.finished = f"{self.directory}.finished"
        store = self.make(durability, FILES)
        run(store.create(UploadInfo(upload_id, len(CONTENT))))
        append(store, upload_id, CONTENT)
        self.put_finished("1/a")
        return store

    def check_end(self, path: str, moves: bool, name: object) -> None:
        """See that there is one name, with all bytes, and nothing else is left."""
        placed = [n for n in self.names(self.finished) if n != "1/a"]
        self.assertEqual(placed, [os.path.relpath(path, self.finished)], name)
        self.assertEqual(self.placed(placed[0]), CONTENT, name)
        self.assertEqual(self.placed("1/a"), b"mine", name)
        expected = ["u.info"] if moves else ["u", "u.info"]
        self.assertEqual(self.names(self.directory), expected, name)
        storage = run(self.make().info("u")).storage
        assert storage is not None
        self.assertEqual(storage.placed_path, path)

    def interrupted(
        self, durability: Durability, moves: bool, plan: FailAt | DieAt, number: int
    ) -> None:
        """Take the finish step until something happens; then take it again."""
        store = self.make(durability, intercepted(FILES, plan))
        plan.number = plan.count + number
        first = ""
        with contextlib.suppress(Killed, NoSpace, StorageFailed):
            first = finish(store, 1, moves)
        self.flushLoggedErrors(OSError)
        path = finish(self.make(durability, FILES), 2, moves)
        self.assertIn(first, ("", path))
        self.check_end(path, moves, (durability, moves, number, plan))

    def test_one_call_fails(self) -> None:
        """Whatever fails, the second attempt ends it, with one name."""
        for durability in tried(tuple(Durability), (Durability.FINISH,)):
            for moves in (False, True):
                for error in (errno.EIO, errno.ENOSPC)[: 1 + moves]:
                    number, failed = 1, True
                    while failed:
                        self.begin_fault(durability)
                        plan = FailAt(FILES, 10**6, error)
                        self.interrupted(durability, moves, plan, number)
                        failed = plan.count >= plan.number
                        number += 1
                    self.assertGreater(number, 20)

    def test_killed(self) -> None:
        """At whichever call the process dies, the next one ends it, with one name."""
        moments: dict[Durability, tuple[str, ...]] = {
            Durability.NONE: ("after",),
            Durability.FINISH: ("before", "middle", "after"),
            Durability.STRICT: ("after",),
        }
        for durability in tried(tuple(Durability), (Durability.FINISH,)):
            for moves in (False, True):
                for moment in moments[durability]:
                    number, died = 1, True
                    while died:
                        self.begin_fault(durability)
                        plan = DieAt(FILES, 10**6, moment)
                        self.interrupted(durability, moves, plan, number)
                        died = plan.count >= plan.number
                        number += 1
                    self.assertGreater(number, 20)

    def test_killed_and_removed(self) -> None:
        """Whenever it died, the upload can be removed, and nothing of it is hidden."""
        for moves in (False, True):
            number, died = 1, True
            while died:
                self.begin_fault(Durability.NONE)
                plan = DieAt(FILES, 10**6)
                store = self.make(Durability.NONE, intercepted(FILES, plan))
                plan.number = plan.count + number
                with contextlib.suppress(Killed):
                    finish(store, 1, moves)
                died = plan.count >= plan.number
                run(self.make().remove("u"))
                self.assertEqual(self.names(self.directory), [], number)
                self.assertLessEqual(len(self.names(self.finished)), 2)
                number += 1

    def test_full_disk(self) -> None:
        """On a disk that is full nothing is lost, and no byte is copied."""
        for error in (FAULTS["full"], FAULTS["over quota"]):
            for moves in (False, True):
                self.begin_fault(Durability.FINISH)
                plan = FailAt(FILES, 10**6, error, lasts=True)
                self.interrupted(Durability.FINISH, moves, plan, 1)


@define
class Machine:
    """A store on files that forget what was not synced."""

    durability: Durability
    files: ForgetfulFiles = field(factory=ForgetfulFiles)
    boot: int = 0
    plan: DieAt = field(init=False)
    store: FileStore = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Start the first process."""
        self.start()

    def start(self) -> None:
        """Start a process."""
        self.plan = DieAt(self.files, 10**9)
        self.store = FileStore(
            "/var/uploads",
            ImmediateDisk(),
            self.durability,
            files=intercepted(self.files, self.plan),
            read_host=lambda: Host("machine", str(self.boot)),
            finished_directory="/var/finished",
        )
        run(self.store.start())

    def fill(self) -> None:
        """Bring an upload to where its finish step begins; all of it is on the disk."""
        run(self.store.create(UploadInfo("u", len(CONTENT))))
        append(self.store, "u", CONTENT)
        self.files.sync_all()

    def lose_power(self, seed: int) -> None:
        """Let the machine die, and start it again."""
        self.files = self.files.lose_power(Random(seed))
        self.boot += 1
        self.start()

    def names(self) -> list[str]:
        """List the files that were placed."""
        found = []
        for directory, _ in self.files.scan("/var/finished"):
            found += [
                f"/var/finished/{directory}/{name}"
                for name, _ in self.files.scan(f"/var/finished/{directory}")
            ]
        return found


class PowerTests(PlacingCase):
    """The power fails at any call."""

    def test_power_loss(self) -> None:
        """What was told to be placed is there; what was not can be placed."""
        for durability in (Durability.FINISH, Durability.STRICT):
            for moves in (False, True):
                number, died = 1, True
                while died:
                    for seed in range(tried(6, 1)):
                        died = self.lose_power(durability, moves, number, seed)
                    number += 1

    def lose_power(
        self, durability: Durability, moves: bool, number: int, seed: int
    ) -> bool:
        """Lose the power at a call; return whether there are so many."""
        machine = Machine(durability)
        machine.fill()
        machine.plan.number = machine.plan.count + number
        machine.plan.moment = "after"
        told = ""
        with contextlib.suppress(Killed):
            told = finish(machine.store, 1, moves)
        died = machine.plan.count >= machine.plan.number
        machine.lose_power(seed)
        name = (durability, moves, number, seed)
        if told:
            self.assertIs(
                run(machine.store.info("u")).state, UploadState.FINISHED, name
            )
        path = finish(machine.store, 1, moves)
        self.assertIn(told, ("", path), name)
        self.assertEqual(machine.names(), [path], name)
        self.assertEqual(machine.files.read(path, 100), CONTENT, name)
        reader = run(machine.store.open_reader("u"))
        self.assertEqual(reader.read(0, 100), CONTENT)
        reader.close()
        if told or not moves:
            exists = machine.files.exists("/var/uploads/u")
            self.assertEqual(exists, not moves, name)
        run(machine.store.remove("u"))  # a name that came back with the power goes, too
        self.assertFalse(machine.files.exists("/var/uploads/u"), name)
        self.assertEqual(machine.names(), [] if moves else [path], name)
        return died


class FrozenTests(PlacingCase):
    """A holder is frozen at any call, and goes on when his successor has been there."""

    def setUp(self) -> None:
        """Let nobody die."""
        super().setUp()
        self.alive: list[IClaim] = []

    def claim(self, files: IFiles | None = None) -> FileStore:
        """Claim the upload, as a process that lives as long as the test."""
        claim = run(self.make(Durability.NONE, files).claim("u"))
        self.alive.append(claim)
        assert isinstance(claim.store, FileStore)
        return claim.store

    def frozen(self, successor: Callable[[], None], moves: bool) -> Iterator[bool]:
        """Freeze a holder at each call; tell each time whether he told a success."""
        number, reached = 1, True
        while reached:
            self.directory = os.path.abspath(self.mktemp())
            self.finished = f"{self.directory}.finished"
            self.fill(self.make(Durability.NONE))
            freeze = Freeze(10**9, successor)
            store = self.claim(intercepted(FILES, freeze))
            freeze.number = freeze.count + number
            succeeded = False
            with contextlib.suppress(TusError):
                run(store.place("u", iter(("old/a", "old/b")), moves))
                succeeded = True
            reached = freeze.count >= freeze.number
            self.flushLoggedErrors(OSError)
            yield succeeded and reached
            number += 1
        self.assertGreater(number, 8)

    def test_the_successor_places_it(self) -> None:
        """There is one name, whoever has given it."""
        for moves in (False, True):
            paths: list[str] = []

            def succeed(moves: bool = moves, paths: list[str] = paths) -> None:
                paths.append(finish(self.claim(), 2, moves))

            for succeeded in self.frozen(succeed, moves):
                self.assertFalse(succeeded)
                if not paths:
                    continue
                found = os.path.relpath(paths.pop(), self.finished)
                self.assertEqual(self.names(self.finished), [found])
                self.assertEqual(self.placed(found), CONTENT)
                self.assertEqual(run(self.make().info("u")).state, UploadState.FINISHED)

    def test_the_successor_removes_it(self) -> None:
        """Another upload that gets the id meanwhile gets no name by it."""

        def succeed() -> None:
            run(self.claim().remove("u"))
            self.alive.pop()
            store = self.claim()
            run(store.create(UploadInfo("u", 5)))
            append(store, "u", b"other")

        for moves in (False, True):
            for succeeded in self.frozen(succeed, moves):
                self.assertFalse(succeeded)
                for name in self.names(self.finished):
                    self.assertEqual(self.placed(name), CONTENT)
                with contextlib.suppress(UploadNotFound):
                    self.assertIn(run(self.make().info("u")).offset, (5, 10))

    def test_contested(self) -> None:
        """Who takes it over places a file to which nobody else can write."""
        store = self.make(Durability.NONE)
        run(store.create(UploadInfo("u", len(CONTENT))))
        old = self.claim()
        writer = run(old.open_writer("u", 0))
        writer.write([CONTENT])
        new = self.claim()
        run(new.place("u", iter(("a",)), False))
        with contextlib.suppress(StorageFailed):
            writer.write([b"late"])
        writer.close()
        self.assertEqual(self.placed("a"), CONTENT)
        self.assertTrue(os.path.samefile(self.path("u"), f"{self.finished}/a"))
