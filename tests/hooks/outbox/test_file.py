"""The outbox in a directory: its files, and what may be wrong with them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from attrs import define
from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from tests.store.forgetful import ForgetfulFiles
from tests.store.support import (
    DieAt,
    FailCalls,
    Killed,
    Recorder,
    intercepted,
    run,
)
from tustwisted.errors import CannotStart, NoSpace, StorageFailed
from tustwisted.hooks.outbox.file import FileOutbox
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.requests import RequestInfo
from tustwisted.store.files import OsFiles
from tustwisted.store.ifiles import IFiles
from tustwisted.testing import ImmediateDisk
from tustwisted.testing_outbox import (
    CREATED,
    FINISHED,
    LONGEST_ID,
    make_event,
    upload_of,
)

NAME = "u~00001000000250000~1"


@define
class _Failing(FailCalls):
    """Fails every call of one name while that is wanted."""

    is_on: bool = False

    def __call__(
        self, name: str, args: tuple[Any, ...], call: Callable[[], Any]
    ) -> Any:
        """Make a call, or not."""
        return super().__call__(name, args, call) if self.is_on else call()


class _Syncs(Recorder):
    """Notes which calls wait for the device."""

    def __call__(
        self, name: str, args: tuple[Any, ...], call: Callable[[], Any]
    ) -> Any:
        """Note a call, if it does, and make it."""
        if name == "sync_directory" or (name == "write" and args[3]):
            self.calls.append(name)
        return call()


class FileOutboxCase(SynchronousTestCase):
    """Tests with an outbox in a directory of their own."""

    def setUp(self) -> None:
        """Choose a directory, not made yet."""
        self.place = Path(self.mktemp()).absolute()

    def make(self, files: IFiles | None = None, syncs: bool = False) -> FileOutbox:
        """Return a started outbox."""
        outbox = FileOutbox(
            str(self.place), ImmediateDisk(), lambda _: syncs, files=files or OsFiles()
        )
        run(outbox.start())
        return outbox

    def commit(self, outbox: FileOutbox, event: Event) -> None:
        """Have something happen."""
        run(run(outbox.prepare(event, ["h"])).commit())

    def due(self, outbox: FileOutbox) -> list[Event]:
        """Read all that is due."""
        found = [run(outbox.read("h", name)) for name in self.names(outbox)]
        return [due.event for due in found if due is not None]

    def names(self, outbox: FileOutbox) -> tuple[str, ...]:
        """Look what is due."""
        return run(outbox.look("h", "", 100)).names

    def files(self) -> list[str]:
        """List all files, below the directory."""
        found = (path for path in self.place.rglob("*") if path.is_file())
        return sorted(str(path.relative_to(self.place)) for path in found)


class LayoutTests(FileOutboxCase):
    """What lies where."""

    def test_the_way_of_an_event(self) -> None:
        """Prepared, due, dead."""
        outbox = self.make()
        notice = run(outbox.prepare(make_event(), ["h"]))
        self.assertEqual(self.files(), ["prepared/u~1"])
        run(notice.commit())
        self.assertEqual(self.files(), [f"to-h/due/{NAME}"])
        run(outbox.bury("h", NAME, "nobody wants it"))
        self.assertEqual(self.files(), [f"to-h/dead/{NAME}"])
        self.assertIn(b'"nobody wants it"', (self.place / self.files()[0]).read_bytes())

    def test_nobody_else_reads_it(self) -> None:
        """Directories have mode 0700, files 0600."""
        outbox = self.make()
        self.commit(outbox, make_event())
        run(outbox.prepare(make_event(FINISHED), ["h"]))
        for path in (self.place, *self.place.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            self.assertEqual(mode, 0o700 if path.is_dir() else 0o600, path)

    def test_secrets_are_not_kept(self) -> None:
        """But those that hooks are told all the same."""
        headers = {"Authorization": ("a secret",), "Cookie": ("another",)}
        event = make_event()
        request = RequestInfo("POST", "/", "", headers)
        event = Event(
            event.type, event.event_id, event.upload, request, "u", event.sequence
        )
        for keep, kept in (((), set()), (("cookie",), {"Cookie"})):
            outbox = FileOutbox(
                str(self.place), ImmediateDisk(), lambda _: False, keep=keep
            )
            run(outbox.start())
            self.commit(outbox, event)
            (found,) = self.due(outbox)
            assert found.request is not None
            self.assertEqual(set(found.request.headers), kept)

    def test_the_longest_name(self) -> None:
        """An id of 200 characters leaves room for what is written beside it."""
        outbox = self.make()
        self.commit(outbox, make_event(upload_id=LONGEST_ID))
        (name,) = self.names(outbox)
        self.assertLess(len(name) + len(".01234567."), os.pathconf("/", "PC_NAME_MAX"))

    def test_no_directory_is_read_for_one_upload(self) -> None:
        """However many events there are, a few exact looks are enough."""
        outbox = self.make()
        self.commit(outbox, make_event())
        calls: list[str] = []
        outbox = self.make(intercepted(OsFiles(), Recorder(calls)))
        calls.clear()
        run(outbox.unsettled("u"))
        self.assertTrue(run(outbox.is_waiting(upload_of(make_event()), "h")))
        self.commit(outbox, make_event(FINISHED))
        self.assertNotIn("scan", calls)

    def test_a_network_file_system(self) -> None:
        """Its server is asked for what others did, by opening their directories."""
        calls: list[str] = []
        outbox = FileOutbox(
            str(self.place),
            ImmediateDisk(),
            lambda _: False,
            files=intercepted(OsFiles(), Recorder(calls)),
            network_filesystem=lambda _: "nfs4",
        )
        run(outbox.start())
        self.assertIsNone(run(outbox.mark("h")))
        self.commit(outbox, make_event())
        for ask in (lambda: outbox.unsettled("u"), lambda: outbox.mark("h")):
            calls.clear()
            run(ask())
            self.assertEqual(calls[0], "require_directory")

    def test_a_directory_that_was_removed(self) -> None:
        """Who has tidied up loses no event that comes after that."""
        outbox = self.make()
        self.commit(outbox, make_event())
        notice = run(outbox.prepare(make_event(FINISHED), ["h", "i"]))
        for path in sorted(self.place.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        self.assertEqual(self.names(outbox), ())
        run(notice.commit())
        self.assertEqual(self.due(outbox), [make_event(FINISHED)])

    def test_moved_to_another_hook(self) -> None:
        """Files may be moved when a hook has got another name."""
        outbox = self.make()
        self.commit(outbox, make_event())
        (self.place / "to-new" / "due").mkdir(parents=True)
        os.rename(
            self.place / "to-h" / "due" / NAME, self.place / "to-new" / "due" / NAME
        )
        due = run(outbox.read("new", NAME))
        assert due is not None
        self.assertEqual(due.event, make_event())

    def test_since_when_it_waits(self) -> None:
        """The time counts from the commit, and anew when it is due again."""
        outbox = self.make()
        notice = run(outbox.prepare(make_event(), ["h"]))
        os.utime(self.place / "prepared/u~1", (1.0, 1.0))
        run(notice.commit())
        due = run(outbox.read("h", NAME))
        assert due is not None
        self.assertGreater(due.since_s, 1_000_000_000)


class OddFileTests(FileOutboxCase):
    """Files that nobody can have written."""

    def setUp(self) -> None:
        """Have an event whose file is whole."""
        super().setUp()
        self.outbox = self.make()
        self.commit(self.outbox, make_event())
        self.whole = (self.place / self.files()[0]).read_bytes()

    def test_left_alone(self) -> None:
        """They are told of once, not delivered, and stay; others are not kept."""
        odd = {
            f"to-h/due/{NAME[:-1]}2": self.whole[:-1],
            f"to-h/due/{NAME[:-1]}3": b"",
            f"to-h/due/v{NAME[1:]}": self.whole,
            "to-h/due/README": b"hello",
            "prepared/u~2": self.whole,
            "prepared/u~3": self.whole[:20],
            "prepared/notes": b"hello",
        }
        for name, content in odd.items():
            (self.place / name).write_bytes(content)
        with capturedLogs() as logs:
            for _ in range(2):
                self.assertEqual(self.due(self.outbox), [make_event()])
                self.assertEqual(run(self.outbox.unsettled("u")), [])
                run(self.outbox.all_unsettled())
        self.assertEqual(
            sorted(e["path"] for e in logs), sorted(f"{self.place}/{n}" for n in odd)
        )
        self.assertEqual({e["log_level"] for e in logs}, {LogLevel.warn})
        self.assertEqual(self.files(), sorted([*odd, f"to-h/due/{NAME}"]))

    def test_what_was_being_written(self) -> None:
        """What a kill left of a write is no event, and is removed after an hour."""
        for directory in ("prepared", "to-h/due"):
            (self.place / directory / ".0123.u~1").write_bytes(self.whole[:20])
        self.assertEqual(self.due(self.outbox), [make_event()])
        self.assertEqual(list(run(self.outbox.all_unsettled())), [])
        later = FileOutbox(
            str(self.place), ImmediateDisk(), lambda _: False, now=lambda: 9e9
        )
        run(later.start())
        self.assertEqual(list(run(later.all_unsettled())), [])
        self.assertEqual(self.files(), [f"to-h/due/{NAME}"])

    def test_a_killed_process(self) -> None:
        """Wherever it is killed, no torn file counts, and what may be has its event."""
        for moment in ("before", "middle", "after"):
            number = 1
            while not self._survives(number, moment):
                number += 1
                with capturedLogs() as logs:
                    outbox = self.make()
                    for notice in run(outbox.unsettled("u")):
                        self.assertEqual(notice.event, make_event(FINISHED))
                        run(notice.commit())
                        self.assertEqual(len(self.due(outbox)), 2)
                        self.assertEqual(len(run(outbox.look("i", "", 9)).names), 1)
                    self.assertIn(len(self.due(outbox)), (1, 2))
                self.assertEqual(logs, [])
            self.assertGreater(number, 15)

    def _survives(self, number: int, moment: str) -> bool:
        """Prepare and commit an event; tell whether all went well."""
        self.setUp()
        files = intercepted(OsFiles(), DieAt(OsFiles(), number, moment))
        is_prepared = False
        try:
            notice = run(self.make(files).prepare(make_event(FINISHED), ["i", "h"]))
            is_prepared = True
            run(notice.commit())
        except Killed:
            found = run(self.outbox.unsettled("u"))
            is_due = len(self.due(self.outbox)) == 2
            self.assertTrue(found or is_due or not is_prepared, (number, moment))
            return False
        return True


class TroubleTests(FileOutboxCase):
    """A storage that is full or fails."""

    def test_it_cannot_start(self) -> None:
        """One sentence says where and why."""
        self.place.parent.mkdir(exist_ok=True)
        self.place.write_text("in the way")
        with self.assertRaises(CannotStart) as raised:
            self.make()
        self.assertEqual(
            str(raised.exception),
            f"cannot keep the events of uploads in {self.place}: it, or what it lies "
            "in, is not a directory; mend its permissions",
        )

    def test_no_room_to_prepare(self) -> None:
        """Nothing is prepared, and nothing remains."""
        failing = _Failing("write", errno.ENOSPC)
        outbox = self.make(intercepted(OsFiles(), failing))
        failing.is_on = True
        with self.assertRaises(NoSpace):
            run(outbox.prepare(make_event(), ["h"]))
        self.assertEqual(self.files(), [])

    def test_a_commit_fails(self) -> None:
        """It stays prepared, and can be tried again."""
        failing = _Failing("replace", errno.EIO)
        outbox = self.make(intercepted(OsFiles(), failing))
        notice = run(outbox.prepare(make_event(), ["h"]))
        failing.is_on = True
        with self.assertRaises(StorageFailed):
            run(notice.commit())
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.assertEqual(self.files(), ["prepared/u~1"])
        failing.is_on = False
        run(notice.commit())
        self.assertEqual(self.due(outbox), [make_event()])

    def test_what_fails_is_translated(self) -> None:
        """No error of the system comes out of anything."""
        outbox = self.make()
        self.commit(outbox, make_event())
        for name in ("read", "unlink", "changed_s", "exists", "scan"):
            broken = self.make()
            broken._places.files = intercepted(OsFiles(), FailCalls(name))
            works = {
                "read": lambda b: b.read("h", NAME),
                "unlink": lambda b: b.delivered("h", NAME),
                "changed_s": lambda b: b.mark("h"),
                "exists": lambda b: b.is_waiting(upload_of(make_event()), "h"),
                "scan": lambda b: b.look("h", "", 9),
            }
            with self.assertRaises(StorageFailed):
                run(works[name](broken))
            self.flushLoggedErrors(OSError)


class PowerTests(FileOutboxCase):
    """The power fails."""

    def test_what_was_prepared_is_there(self) -> None:
        """An event that is synced is known afterwards, with all that was in it."""
        for seed in range(50):
            files = ForgetfulFiles()
            files.make_directory("/uploads", 0o700)
            files.sync_all()
            outbox = self._outbox(files)
            run(outbox.prepare(make_event(FINISHED), ["h"]))
            after = self._outbox(files.lose_power(Random(seed)))
            (notice,) = run(after.unsettled("u"))
            self.assertEqual(notice.event, make_event(FINISHED))

    def test_several_hooks(self) -> None:
        """When all have it nothing is undecided, and until then it is prepared."""
        for seed in range(50):
            files = ForgetfulFiles()
            files.make_directory("/uploads", 0o700)
            files.sync_all()
            notice = run(self._outbox(files).prepare(make_event(FINISHED), ["h", "i"]))
            run(notice.commit())
            after = self._outbox(files.lose_power(Random(seed)))
            for hook in ("h", "i"):
                (name,) = run(after.look(hook, "", 9)).names
                due = run(after.read(hook, name))
                assert due is not None
                self.assertEqual(due.event, make_event(FINISHED))

    def _outbox(self, files: IFiles) -> FileOutbox:
        outbox = FileOutbox(
            "/uploads/.tustwisted.outbox",
            ImmediateDisk(),
            lambda kind: kind is FINISHED,
            files=files,
            network_filesystem=lambda _: None,
        )
        run(outbox.start())
        return outbox

    def test_only_what_must_be_is_synced(self) -> None:
        """Two syncs for an event that must survive, none for others."""
        calls: list[str] = []
        files = intercepted(OsFiles(), _Syncs(calls))

        def syncs(kind: EventType) -> bool:
            return kind is FINISHED

        outbox = FileOutbox(str(self.place), ImmediateDisk(), syncs, files=files)
        run(outbox.start())
        self.commit(outbox, make_event(FINISHED, "first"))
        calls.clear()
        self.commit(outbox, make_event(CREATED))
        self.assertEqual(calls, [])
        self.commit(outbox, make_event(FINISHED))
        self.assertEqual(calls, ["write", "sync_directory"])


del FileOutboxCase
