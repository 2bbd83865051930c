"""Claims in the file store: how they come, go, and are taken away."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from typing import Any

from tests.store.support import (
    HOST,
    FailAt,
    FailCalls,
    Recorder,
    StoreCase,
    append,
    intercepted,
    run,
)
from tests.store.takeover import Freeze
from tustwisted.abilities import IClaim, Leftover
from tustwisted.errors import LockLost, NoSpace, StorageFailed, UploadNotFound
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.store.claims import FileClaim
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles
from tustwisted.store.layout import CLAIMS
from tustwisted.testing import ImmediateDisk


class ClaimCase(StoreCase):
    """Tests of claims on the upload ``u``."""

    def setUp(self) -> None:
        """Let nobody die."""
        super().setUp()
        self.alive: list[IClaim] = []

    def claim(self, store: FileStore | None = None, upload_id: str = "u") -> FileClaim:
        """Claim an upload, as a process that lives as long as the test."""
        claim = run((store or self.make()).claim(upload_id))
        self.alive.append(claim)
        return claim

    def view(self, claim: FileClaim) -> FileStore:
        """Return the store of a claim."""
        assert isinstance(claim.store, FileStore)
        return claim.store

    def claims(self) -> list[str]:
        """List all claims, and the marks that others have left."""
        found = os.walk(self.path(CLAIMS))
        return [name for _, above, _ in found for name in above if "~" in name]

    def inode(self) -> int:
        """Tell which file has the name of the data."""
        return os.stat(self.path("u")).st_ino


class ClaimTests(ClaimCase):
    """A claim alone, and its successor."""

    def test_nobody_else(self) -> None:
        """A claim of its own keeps the data file and leaves nothing behind."""
        self.begin(self.make(), b"abc")
        inode = self.inode()
        for number in range(3):
            claim = self.claim()
            self.assertEqual(len(self.claims()), 1)
            append(self.view(claim), "u", b"x")
            run(claim.release())
            self.assertEqual((self.claims(), self.inode()), ([], inode), number)
        self.assertEqual(self.content("u"), b"abcxxx")
        self.assertEqual(sorted(os.listdir(self.directory)), [CLAIMS, "u", "u.info"])

    def test_what_it_costs(self) -> None:
        """A claim is a directory made, locked and looked around; its end two calls."""
        self.begin(self.make())
        run(self.claim().release())
        calls: list[str] = []
        store = self.make(files=intercepted(OsFiles(), Recorder(calls)))
        calls.clear()
        claim = self.claim(store)
        self.assertEqual(calls, ["make_directory", "lock_directory", "scan"])
        calls.clear()
        run(claim.release())
        self.assertEqual(calls, ["remove_directory", "close"])

    def test_nothing_without_one(self) -> None:
        """A store whose uploads nobody claims has no place for claims."""
        store = self.make()
        self.begin(store, b"0123456789")
        run(store.set_state("u", UploadState.FINISHED))
        run(store.remove("u"))
        self.assertEqual(os.listdir(self.directory), [])

    def test_not_released(self) -> None:
        """The next one takes it away, and the data file is another one then."""
        self.begin(self.make(), b"abc")
        inode = self.inode()
        self.claim()
        claim = self.claim()
        self.assertEqual(self.inode(), inode)
        append(self.view(claim), "u", b"def")
        self.assertNotEqual(self.inode(), inode)
        second = self.inode()
        append(self.view(claim), "u", b"ghi")
        self.assertEqual(self.inode(), second)
        run(claim.release())
        self.assertEqual(self.claims(), [])
        self.assertEqual(self.content("u"), b"abcdefghi")

    def test_nothing_done_about_it(self) -> None:
        """Who has not written leaves word that somebody else may be writing."""
        self.begin(self.make(), b"abc")
        inode = self.inode()
        self.claim()
        for _ in range(3):
            run(self.claim().release())
            self.assertEqual(len(self.claims()), 1)
        claim = self.claim()
        append(self.view(claim), "u", b"def")
        self.assertNotEqual(self.inode(), inode)
        run(claim.release())
        self.assertEqual(self.claims(), [])

    def test_past_receiving(self) -> None:
        """What takes no more bytes is never copied, and nothing is left of claims."""
        store = self.make()
        self.begin(store, b"0123456789")
        run(store.set_state("u", UploadState.FINISHING))
        inode = self.inode()
        self.claim()
        claim = self.claim()
        run(claim.store.open_writer("u", 10)).close()
        run(claim.store.set_state("u", UploadState.FINISHED))
        run(claim.release())
        self.assertEqual((self.inode(), self.claims()), (inode, []))

    def test_becoming_final(self) -> None:
        """A data file to which somebody may write is copied before it is finished."""
        for durability in Durability:
            self.directory = self.mktemp()
            self.begin(self.make(durability), b"0123456789")
            late = run(self.claim(self.make(durability)).store.open_writer("u", 10))
            claim = self.claim(self.make(durability))
            run(claim.store.set_state("u", UploadState.FINISHED))
            late.write([b"late"])
            late.close()
            run(claim.release())
            self.assertEqual(self.content("u"), b"0123456789")
            self.assertEqual(self.claims(), [])

    def test_removed(self) -> None:
        """A claim of an upload that is removed ends like any other."""
        self.begin(self.make(), b"abc")
        self.claim()
        claim = self.claim()
        run(claim.store.remove("u"))
        run(claim.release())
        self.assertEqual((self.claims(), os.listdir(self.directory)), ([], [CLAIMS]))

    def test_a_directory_of_that_name(self) -> None:
        """What is removed is a file; a directory with its files stays where it is."""
        store = self.make()
        self.begin(store)
        os.unlink(self.path("u"))
        os.mkdir(self.path("u"))
        self.put("u/precious", b"abc")
        claim = self.claim()
        self.assertRaises(StorageFailed, run, claim.store.remove("u"))
        self.flushLoggedErrors(OSError)
        run(claim.release())
        self.assertEqual(self.content("u/precious"), b"abc")

    def test_what_was_left_in_it(self) -> None:
        """Files in a claim go with it."""
        self.begin(self.make(), b"abc")
        for ends in (True, False):
            claim = self.claim()
            (name,) = (n for n in self.claims() if "." not in n)
            (above,) = os.listdir(self.path(CLAIMS))
            self.put(f"{CLAIMS}/{above}/{name}/content", b"half")
            if ends:
                run(claim.release())
        run(self.claim().release())
        self.assertEqual(len(self.claims()), 1)

    def make_full(self) -> FileStore:
        """Make a store on a disk that has no room for a directory any more."""
        plan = FailCalls("nothing yet", errno.ENOSPC)
        store = self.make(files=intercepted(OsFiles(), plan))
        plan.name = "make_directory"
        return store

    def test_a_full_disk(self) -> None:
        """Where a claim has no place the upload can be removed, and no more."""
        self.begin(self.make(), b"abc")
        claim = self.claim(self.make_full())
        view = self.view(claim)
        self.assertRaises(NoSpace, run, view.open_writer("u", 3))
        self.assertRaises(NoSpace, run, view.open_chunk("u", 3))
        self.assertRaises(NoSpace, run, view.set_state("u", UploadState.FINISHED))
        self.assertEqual(self.content("u"), b"abc")
        run(view.remove("u"))
        run(claim.release())
        self.assertEqual(os.listdir(self.directory), [])

    def test_a_full_disk_and_somebody_else(self) -> None:
        """There nobody takes from who may still be writing."""
        self.begin(self.make(), b"abc")
        self.claim()
        self.assertRaises(NoSpace, run, self.make_full().claim("u"))
        self.assertEqual(len(self.claims()), 1)

    def test_every_error(self) -> None:
        """Whichever call fails, the next claim is a good one, and nothing is lost."""
        for error in (errno.EIO, errno.ENOSPC):
            for number in range(1, 12):
                self.directory = self.mktemp()
                self.begin(self.make(), b"abc")
                self.claim()  # frozen
                plan = FailAt(OsFiles(), 10**6, error)
                store = self.make(files=intercepted(OsFiles(), plan))
                plan.number = plan.count + number
                try:
                    run(self.claim(store).release())
                except (NoSpace, StorageFailed) as refused:
                    kind = NoSpace if error == errno.ENOSPC else StorageFailed
                    self.assertIsInstance(refused, kind)
                self.flushLoggedErrors()
                claim = self.claim()
                inode = self.inode()
                append(self.view(claim), "u", b"def")
                self.assertNotEqual(self.inode(), inode)
                run(claim.release())
                self.assertEqual(self.claims(), [])

    def test_who_writes_all_the_time(self) -> None:
        """A claim that cannot be emptied is an error in the end."""
        self.begin(self.make())
        self.claim()

        def fill(name: str, args: tuple[Any, ...], call: Callable[[], Any]) -> Any:
            if name == "remove_directory":
                with open(f"{args[0]}/small", "w", encoding="ascii"):
                    pass
            return call()

        store = self.make(files=intercepted(OsFiles(), fill))
        self.assertRaises(StorageFailed, run, store.claim("u"))
        self.assertEqual(len(self.flushLoggedErrors(OSError, StorageFailed)), 3)
        run(self.claim().release())


class TwoAtOnceTests(ClaimCase):
    """Two claims that are made at the same time."""

    def holds(self, claim: FileClaim) -> bool:
        """Tell whether a claim may change the upload."""
        try:
            run(claim.store.set_state("u", UploadState.RECEIVING))
        except LockLost:
            return False
        return True

    def test_at_most_one_is_left(self) -> None:
        """Of two claims one holds, or none, and whoever comes next knows of both."""
        for number in range(1, 8):
            self.directory = self.mktemp()
            self.begin(self.make(), b"abc")
            self.claim()  # frozen
            others: list[FileClaim] = []
            freeze = Freeze(10**6, lambda: others.append(self.claim()))  # noqa: B023
            store = self.make(files=intercepted(OsFiles(), freeze))
            freeze.number = freeze.count + number
            holding = []
            with contextlib.suppress(LockLost):
                holding.append(self.holds(self.claim(store)))
            freeze.number = 0
            if not others:
                break
            holding.append(self.holds(others[0]))
            self.assertLess(sum(holding), 2)
            inode = self.inode()
            append(self.view(self.claim()), "u", b"def")
            self.assertNotEqual(self.inode(), inode)
        self.assertGreater(number, 4)

    def test_each_takes_the_other_away(self) -> None:
        """Who writes while his claim goes meets no other writer in his file."""
        self.begin(self.make(), b"abc")
        writers = []

        def take_over() -> None:
            second = self.claim()
            writers.append(run(second.store.open_writer("u", 3)))

        freeze = Freeze(10**6, take_over)
        store = self.make(files=intercepted(OsFiles(), freeze))
        freeze.number = freeze.count + 6  # its directory, with two above it, and lock
        first = self.claim(store)
        freeze.number = 0
        self.assertFalse(self.holds(first))
        third = self.claim()
        append(self.view(third), "u", b"def")
        writers[0].write([b"late"])
        self.assertRaises(LockLost, writers[0].settle)
        writers[0].close()
        self.assertEqual(self.content("u"), b"abcdef")

    def test_release_beside_a_claim(self) -> None:
        """Whoever comes while another goes has a claim of his own."""
        for number in range(1, 4):
            self.directory = self.mktemp()
            self.begin(self.make(), b"abc")
            others: list[FileClaim] = []
            freeze = Freeze(10**6, lambda: others.append(self.claim()))  # noqa: B023
            store = self.make(files=intercepted(OsFiles(), freeze))
            claim = self.claim(store)
            freeze.number = freeze.count + number
            run(claim.release())
            if not others:
                break
            self.assertTrue(self.holds(others[0]))
            append(self.view(others[0]), "u", b"def")
            run(others[0].release())
            self.assertEqual(self.claims(), [])

    def interrupted(self, lock: Callable[[str], None]) -> FileStore:
        """Make a store with whose claims something is done right before their lock."""

        def meanwhile(name: str, args: tuple[Any, ...], call: Callable[[], Any]) -> Any:
            if name == "lock_directory":
                lock(args[0])
            return call()

        return self.make(files=intercepted(OsFiles(), meanwhile))

    def test_somebody_has_its_lock(self) -> None:
        """A claim is lost if another one has locked it first, and dies then."""
        self.begin(self.make(), b"abc")
        held: list[int] = []
        store = self.interrupted(
            lambda path: held.append(OsFiles().lock_directory(path))
        )
        self.assertRaises(LockLost, run, store.claim("u"))
        os.close(held[0])
        self.assertEqual(self.claims(), [])
        self.assertTrue(self.holds(self.claim()))

    def test_somebody_has_taken_it_away(self) -> None:
        """A claim is lost if another one has removed it before it was locked."""
        self.begin(self.make(), b"abc")
        self.assertRaises(LockLost, run, self.interrupted(os.rmdir).claim("u"))
        self.assertEqual(self.claims(), [])

    def test_it_cannot_be_cleared_away(self) -> None:
        """A claim is lost too where what is left of it stays."""
        self.begin(self.make(), b"abc")

        def fill_and_hold(path: str) -> None:
            self.put(os.path.relpath(f"{path}/small", self.directory), b"")
            self.addCleanup(os.close, OsFiles().lock_directory(path))

        store = self.interrupted(fill_and_hold)
        self.assertRaises(LockLost, run, store.claim("u"))
        self.assertEqual(len(self.claims()), 1)


class LockTests(ClaimCase):
    """Whether locks tell who is alive."""

    def on(self, name: str | None) -> FileStore:
        """Make a store on a network file system of some type, or on a local one."""
        store = FileStore(
            self.directory,
            ImmediateDisk(),
            read_host=lambda: HOST,
            network_filesystem=lambda _: name,
        )
        run(store.start())
        return store

    def die(self, name: str | None) -> FileStore:
        """Die with a claim, on a file system of some type; return the next process."""
        store = self.on(name)
        self.begin(store, b"abc")
        claim = run(store.claim("u"))
        passage = claim._shelf.passage
        assert passage is not None
        passage.close()  # as the kernel does it; or the lock of another mount
        return store

    def test_locks_of_this_machine(self) -> None:
        """On a local file system a free lock tells that its holder is dead."""
        store = self.die(None)
        run(self.claim(store).release())
        self.assertEqual(self.claims(), [])

    def test_locks_of_a_network(self) -> None:
        """Elsewhere it tells nothing, and he may be alive: no lock is taken even."""
        store = self.die("fuse.sshfs")
        inode = self.inode()
        claim = self.claim(store)
        self.assertEqual(len(self.claims()), 2)
        append(self.view(claim), "u", b"def")
        self.assertNotEqual(self.inode(), inode)

    def test_locked_by_who_trusts_locks(self) -> None:
        """Nor does it of a claim whose holder thought that it did."""
        self.die(None)
        inode = self.inode()
        claim = self.claim(self.on("nfs4"))
        append(self.view(claim), "u", b"def")
        self.assertNotEqual(self.inode(), inode)


class LeftoverTests(ClaimCase):
    """Claims that a crash has left of uploads that are gone."""

    def sweep(self, before_s: float = 1e12) -> list[str]:
        """Clear all leftovers away; return what was told of them."""
        search = self.make().search(before_s)
        found = []
        while (batch := run(search.next_batch())) is not None:
            for leftover in batch.leftovers:
                found.append(leftover.upload_id)
                run(search.clear(leftover))
        search.close()
        return found

    def test_of_an_upload_that_is_gone(self) -> None:
        """They are cleared away when they are old enough."""
        store = self.make()
        for upload_id in ("a/b", "u"):
            run(store.create(UploadInfo(upload_id, 3)))
            self.claim(store, upload_id)
            self.claim(store, upload_id)
            run(store.remove(upload_id))
        self.assertEqual(self.sweep(0), [])
        self.assertEqual(len(self.claims()), 4)
        self.assertEqual(set(self.sweep()), {"a/b", "u"})
        self.assertEqual((self.claims(), self.sweep()), ([], []))

    def test_of_an_upload_that_is_there(self) -> None:
        """They stay, for they tell who may be writing."""
        self.begin(self.make(), b"abc")
        self.claim()
        self.assertEqual(self.sweep(), [])
        self.assertEqual(len(self.claims()), 1)

    def test_who_clears_is_shut_out_too(self) -> None:
        """Frozen before he clears something away, he does not when it is in use."""
        number, reached = 1, True
        while reached:
            self.directory = self.mktemp()
            self.make()
            upload_id = "0" * 32
            self.put(upload_id, b"orphan")
            self.claim(upload_id="v")  # so that claims are in use

            def take_over() -> None:
                claim = self.claim(upload_id=upload_id)  # noqa: B023
                if os.path.exists(self.path(upload_id)):  # noqa: B023
                    os.unlink(self.path(upload_id))  # noqa: B023
                run(claim.store.create(UploadInfo(upload_id, 3)))  # noqa: B023
                append(self.view(claim), upload_id, b"ab")  # noqa: B023

            freeze = Freeze(10**6, take_over)
            search = self.make(files=intercepted(OsFiles(), freeze)).search(1e12)
            leftovers: list[Leftover] = []
            while (batch := run(search.next_batch())) is not None:
                leftovers += batch.leftovers
            freeze.number = freeze.count + number
            for leftover in leftovers:
                if leftover.upload_id == upload_id:
                    with contextlib.suppress(LockLost):
                        run(search.clear(leftover))
            reached = freeze.count >= freeze.number
            search.close()
            if reached:
                self.assertEqual(run(self.make().info(upload_id)).offset, 2)
                self.assertEqual(self.content(upload_id), b"ab")
            else:
                self.assertRaises(UploadNotFound, run, self.make().info(upload_id))
            number += 1
        self.assertGreater(number, 5)
