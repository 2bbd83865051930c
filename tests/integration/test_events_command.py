"""The installed command ``tustwisted events``, on real files."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

from tests.integration.commands import InPlace
from tests.integration.daemon import script
from tests.store.support import append, run
from tustwisted.admin import do
from tustwisted.hooks.outbox.file import NAME, FileOutbox
from tustwisted.protocol.events import Event
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.testing import ImmediateDisk
from tustwisted.testing_outbox import CREATED, FINISHED, TERMINATED, make_event

COMMAND = script("tustwisted")

ROW = r"(due |dead|gone)  \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  "


class EventsCommandCase(InPlace):
    """Has an outbox with some events, some of which are dead letters."""

    def setUp(self) -> None:
        """Have an upload created and finished, and another one terminated."""
        super().setUp()
        self.uploads.mkdir()
        directory = str(self.uploads / NAME)
        self.outbox = FileOutbox(directory, ImmediateDisk(), lambda _: False)
        run(self.outbox.start())
        for hook in ("http", "second"):
            for event in (
                make_event(CREATED, "a/b"),
                make_event(FINISHED, "a/b", 2),
                make_event(TERMINATED, "c", 3),
            ):
                run(run(self.outbox.prepare(event, [hook])).commit())
        for name in self.names("http")[:2]:
            run(self.outbox.bury("http", name, "the hook refused it: no\nsuch thing"))

    def names(self, hook: str) -> tuple[str, ...]:
        """List what is due to a hook."""
        return run(self.outbox.look(hook, "", 100)).names

    def events(self, *words: str) -> list[str]:
        """Run a command that works; return what it writes."""
        code, output = self.run_to_end(COMMAND, "events", *words)
        self.assertEqual(code, 0, output)
        return output.splitlines()

    def refused(self, *words: str) -> str:
        """Run a command that fails; return the one sentence that it writes."""
        code, output = self.run_to_end(COMMAND, *words)
        self.assertEqual((code, output.count("\n")), (1, 1), output)
        self.assertTrue(output.startswith("tustwisted: "), output)
        return output.removeprefix("tustwisted: ").strip()


class ListTests(EventsCommandCase):
    """What waits."""

    def test_lines(self) -> None:
        """One line for each event, by hooks and ids, aligned; dead ones first."""
        lines = self.events("list")
        for line in lines:
            self.assertRegex(line, ROW)
        self.assertEqual(
            [re.sub(ROW, r"\1 ", line) for line in lines],
            [
                "dead http    1  a/b@1000000.250000:post-create  "
                "the hook refused it: no such thing",
                "dead http    2  a/b@1000000.250000:post-finish  "
                "the hook refused it: no such thing",
                "due  http    3  c@1000000.250000:post-terminate",
                "due  second  1  a/b@1000000.250000:post-create",
                "due  second  2  a/b@1000000.250000:post-finish",
                "due  second  3  c@1000000.250000:post-terminate",
            ],
        )
        self.assertEqual(self.events("list"), lines)
        self.assertEqual(self.events("list", "--dead"), lines[:2])
        self.assertEqual(self.events("list", "--hook", "second"), lines[3:])
        self.assertEqual(self.events("list", "-d", str(self.uploads)), lines)

    def test_json(self) -> None:
        """An object a line, with all that a hook is told."""
        first, *_ = map(json.loads, self.events("list", "--json", "--dead"))
        self.assertEqual(
            (first["State"], first["Hook"], first["Type"], first["Reason"]),
            ("dead", "http", "post-create", "the hook refused it: no\nsuch thing"),
        )
        self.assertEqual(
            first["Event"]["Upload"]["MetaData"], {"name": "ä", "flag": ""}
        )
        self.assertEqual(first["Event"]["Sequence"], 1)

    def test_as_a_module(self) -> None:
        """``python -m tustwisted`` is the same command."""
        code, output = self.run_to_end(sys.executable, "-m", "tustwisted", "--version")
        self.assertEqual((code, output.split()[0]), (0, "tustwisted"))

    def test_an_odd_file(self) -> None:
        """What is no event is told of, and left out."""
        odd = self.uploads / NAME / "to-http" / "dead" / "notes"
        odd.write_text("hello")
        lines = self.events("list", "--dead")
        self.assertEqual(len(lines), 3)
        self.assertIn("notes is left alone", "\n".join(lines))

    def test_nothing_is_made(self) -> None:
        """A directory without events stays as it is."""
        (self.place / "other").mkdir()
        for words in (("list",), ("resend", "--upload", "u")):
            told = self.refused("events", *words, "--upload-dir", "other")
            self.assertIn("there are no events in other", told)
        self.assertEqual(os.listdir(self.place / "other"), [])

    def test_directory_of_the_daemon(self) -> None:
        """Without a word it is where the daemon's configuration has it."""
        command = (COMMAND, "events", "list")
        code, output = self.run_to_end(*command, TUS_UPLOAD_DIR="other")
        self.assertIn("tustwisted: there are no events in other: ", output)
        code, output = self.run_to_end(*command, TUS_UPLOAD="other")
        self.assertEqual((code, output.count("\n")), (1, 1))
        self.assertIn("TUS_UPLOAD: there is no such setting", output)


class WrongWordsTests(EventsCommandCase):
    """What cannot be meant is one sentence, and nothing is done."""

    def test_sentences(self) -> None:
        """Each says what to say."""
        for words, told in {
            (): "say what to do (check-url, events), or --help",
            ("events",): "say what to do (list, redeliver, drop, resend), or --help",
            ("events", "list", "all"): "all is no option: see --help",
            ("events", "list", "--hook", "x"): (
                "there is no hook x; there are: http, second"
            ),
            ("events", "redeliver"): (
                "say which ones: --upload ID, --event ID or --all"
            ),
            ("events", "redeliver", "--all", "--upload", "c"): (
                "say which ones: --upload ID, --event ID or --all"
            ),
            ("events", "redeliver", "--upload", "c"): "there is no dead letter of c",
            ("events", "drop", "--all", "--due"): "--due needs --hook NAME",
            ("events", "resend"): "say which one: --upload ID",
            ("events", "resend", "--upload", "x"): (
                f"there is no upload x in {self.uploads}"
            ),
            ("events", "resend", "--upload", "../x"): (
                f"there is no upload ../x in {self.uploads}"
            ),
        }.items():
            directory = ("-d", str(self.uploads)) if len(words) > 1 else ()
            with self.assertRaises(SystemExit) as raised:
                do([*words, *directory])
            self.assertEqual(str(raised.exception), f"tustwisted: {told}")
        self.assertEqual(len(self.events("list")), 6)


class RedeliverTests(EventsCommandCase):
    """Dead letters that shall be told after all."""

    def test_of_an_upload(self) -> None:
        """They are due again, from now on, without a reason."""
        lines = self.events("redeliver", "--upload", "a/b")
        self.assertEqual(
            [re.sub(ROW, r"\1 ", line) for line in lines],
            [
                "due  http    1  a/b@1000000.250000:post-create",
                "due  http    2  a/b@1000000.250000:post-finish",
            ],
        )
        self.assertEqual(len(self.names("http")), 3)
        self.assertEqual(self.events("list", "--dead"), [])

    def test_one(self) -> None:
        """The others stay dead."""
        event_id = "a/b@1000000.250000:post-finish"
        self.assertEqual(len(self.events("redeliver", "--event", event_id)), 1)
        self.assertEqual(len(self.events("list", "--dead")), 1)

    def test_all(self) -> None:
        """Of one hook, or of all; harmless when there are none."""
        self.assertEqual(self.events("redeliver", "--all", "--hook", "second"), [])
        self.assertEqual(len(self.events("redeliver", "--all")), 2)
        self.assertEqual(self.events("redeliver", "--all"), [])


class DropTests(EventsCommandCase):
    """Events that nobody will ever want."""

    def test_dead_letters(self) -> None:
        """They are gone, and what waits is not."""
        self.assertEqual(len(self.events("drop", "--all")), 2)
        self.assertEqual(len(self.events("list")), 4)

    def test_of_a_hook_that_is_not_used_any_more(self) -> None:
        """All that waits for it is gone."""
        self.assertEqual(
            len(self.events("drop", "--all", "--due", "--hook", "second")), 3
        )
        self.assertEqual(len(self.events("list")), 3)


class ResendTests(EventsCommandCase):
    """A finished upload is told of again."""

    def setUp(self) -> None:
        """Have an upload that is finished, and nothing waits of it."""
        super().setUp()
        self.store = FileStore(str(self.uploads), ImmediateDisk(), Durability.NONE)
        run(self.store.start())
        run(self.store.create(UploadInfo("u", 3, created_s=5.5)))
        append(self.store, "u", b"abc")

    def test_finished(self) -> None:
        """It is due to every hook, with the same id as before."""
        run(self.store.set_state("u", UploadState.FINISHED))
        lines = self.events("resend", "--upload", "u")
        self.assertEqual(
            [re.sub(ROW, r"\1 ", line) for line in lines],
            [
                f"due  {hook}  2  u@5.500000:post-finish"
                for hook in ("http  ", "second")
            ],
        )
        (name,) = [name for name in self.names("http") if name.startswith("u~")]
        due = run(self.outbox.read("http", name))
        assert due is not None
        self.assertEqual(due.event.upload.offset, 3)
        self.assertEqual(due.event.upload.state, UploadState.FINISHED)
        self._is_mine(self.uploads / NAME / "to-http" / "due" / name, due.event)

    def _is_mine(self, path: Path, event: Event) -> None:
        self.assertEqual(event.event_id, "u@5.500000:post-finish")
        self.assertEqual(self.mode(path), 0o600)
        self.assertEqual(path.stat().st_uid, (self.uploads / NAME).stat().st_uid)

    def test_by_root(self) -> None:
        """What root makes belongs to the daemon, who must read it."""
        if os.geteuid() != 0:
            self.skipTest("only root can do that")
        run(self.store.set_state("u", UploadState.FINISHED))
        for path in (self.uploads, *self.uploads.rglob("*")):
            os.chown(path, 12345, 12345)
        self.events("resend", "--upload", "u", "--hook", "http")
        (name,) = [name for name in self.names("http") if name.startswith("u~")]
        made = (self.uploads / NAME / "to-http" / "due" / name).stat()
        self.assertEqual((made.st_uid, made.st_gid), (12345, 12345))

    def test_moved(self) -> None:
        """One whose file was moved is found where the daemon has moved it."""
        finished = str(self.uploads.parent / "finished")
        store = FileStore(
            str(self.uploads),
            ImmediateDisk(),
            Durability.NONE,
            finished_directory=finished,
        )
        run(store.start())
        path = run(store.place("u", ["a.txt"], True))
        run(store.set_state("u", UploadState.FINISHED))
        words = ("resend", "--upload", "u", "--hook", "http")
        self.events(*words, "--finished-dir", finished)
        (name,) = [name for name in self.names("http") if name.startswith("u~")]
        due = run(self.outbox.read("http", name))
        assert due is not None and due.event.upload.storage is not None
        self.assertEqual(due.event.upload.storage.path, path)
        self.assertIn("there is no upload u", self.refused("events", *words))

    def test_not_finished(self) -> None:
        """Nothing is told that has not happened."""
        told = self.refused("events", "resend", "--upload", "u")
        self.assertEqual(told, "upload u is not finished")
        self.assertEqual(len(self.events("list")), 6)


del EventsCommandCase
