"""Tests for :mod:`tustwisted.auth.watched`."""

from __future__ import annotations

import os
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs, formatEvent

from tests.auth.support import HookCase
from tustwisted.auth.watched import LOOK_S, Look, WatchedFile, look_at
from tustwisted.errors import HookUnusable

OPTION = "--letters FILE"


def parse(content: bytes) -> str:
    """Take letters only."""
    text = content.decode()
    if not text.isalpha():
        raise ValueError("the file has something else")
    return text


class WatchedCase(HookCase):
    """Has a file, and notes what is said of it."""

    def setUp(self) -> None:
        super().setUp()
        self.file = WatchedFile(self.path, OPTION, self.clock, parse)
        self.addCleanup(self.file.stop)

    def later(self, times: int = 1) -> list[tuple[LogLevel, str]]:
        """Let it look so often; return what is logged."""
        with capturedLogs() as events:
            self.clock.pump([LOOK_S] * times)
        return [(e["log_level"], e.get("problem", "")) for e in events]


class StartTests(WatchedCase):
    """Files at the start."""

    def assert_unusable(self, sentence: str) -> None:  # type: ignore[override]
        """It says what is wrong, and looks no more."""
        told = str(self.assertRaises(HookUnusable, self.file.start))
        self.assertEqual(told, f"{OPTION}: {sentence}")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_meaning(self) -> None:
        """What it says is known then, and not before."""
        self.write("abc")
        self.assertIsNone(self.file.meaning)
        self.file.start()
        self.assertEqual(self.file.meaning, "abc")

    def test_unusable(self) -> None:
        """One that is missing, no file, or makes no sense is named with the reason."""
        self.assert_unusable("No such file or directory")
        self.write("1")
        self.assert_unusable("the file has something else")
        os.unlink(self.path)
        os.mkdir(self.path)
        self.assert_unusable("Is a directory")

    def test_pipe(self) -> None:
        """A pipe is no file, and holds nothing up."""
        os.mkfifo(self.path)
        self.assert_unusable("the file is none, but something else")

    def test_huge(self) -> None:
        """A file of gigabytes is not read."""
        self.write("")
        os.truncate(self.path, 1 << 32)
        self.assert_unusable("the file is too large")

    def test_again(self) -> None:
        """It can be started again, and reads anew."""
        self.write("abc")
        self.file.start()
        self.file.stop()
        self.write("abd")
        self.assertEqual(self.later(3), [])
        self.assertEqual(self.file.meaning, "abc")
        self.file.start()
        self.assertEqual(self.file.meaning, "abd")


class ChangeTests(WatchedCase):
    """Files that change."""

    def setUp(self) -> None:
        super().setUp()
        self.write("abc")
        self.file.start()

    def test_changed(self) -> None:
        """It counts when it was looked at again, and is said once."""
        self.write("abd")
        self.assertEqual(self.file.meaning, "abc")
        self.assertEqual(self.later(3), [(LogLevel.info, "")])
        self.assertEqual(self.file.meaning, "abd")

    def test_changed_in_place(self) -> None:
        """So does one that is written over."""
        with open(self.path, "w") as file:
            file.write("xyz")
        self.later()
        self.assertEqual(self.file.meaning, "xyz")

    def test_wrong(self) -> None:
        """One that makes no sense changes nothing; that is said once."""
        self.write("1")
        said = [(LogLevel.error, "the file has something else")]
        self.assertEqual(self.later(3), said)
        self.assertEqual(self.file.meaning, "abc")
        self.write("abd")
        self.assertEqual(self.later(3), [(LogLevel.info, "")])
        self.assertEqual(self.file.meaning, "abd")

    def test_gone(self) -> None:
        """One that is gone changes nothing; that is said once for each time."""
        for _ in range(2):
            os.rename(self.path, self.path + ".away")
            said = [(LogLevel.error, "No such file or directory")]
            self.assertEqual(self.later(3), said)
            self.assertEqual(self.file.meaning, "abc")
            os.rename(self.path + ".away", self.path)
            self.later(3)

    def test_no_file_any_more(self) -> None:
        """One in whose place something else stands is said once, too."""
        os.unlink(self.path)
        os.mkfifo(self.path)
        said = [(LogLevel.error, "the file is none, but something else")]
        self.assertEqual(self.later(3), said)

    def test_public(self) -> None:
        """That others may read it is said whenever it is read."""
        os.chmod(self.path, 0o640)
        levels = [level for level, _ in self.later(2)]
        self.assertEqual(levels, [LogLevel.warn, LogLevel.info])

    def test_stopped(self) -> None:
        """After its stop nobody looks, however often that was."""
        self.file.stop()
        self.file.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ReadTests(WatchedCase):
    """What looks at the file in a thread."""

    def setUp(self) -> None:
        super().setUp()
        self.looks: list[tuple[Callable[[], Look | None], Deferred[Look | None]]] = []

        def read(look: Callable[[], Look | None]) -> Deferred[Look | None]:
            waits: Deferred[Look | None] = Deferred()
            self.looks.append((look, waits))
            return waits

        self.write("abc")
        self.file = WatchedFile(self.path, OPTION, self.clock, parse, read)
        self.file.start()
        self.addCleanup(self.file.stop)

    def test_one_at_a_time(self) -> None:
        """However long a look takes, there is one; what it finds counts then."""
        self.later(5)
        ((look, waits),) = self.looks
        self.write("abd")
        waits.callback(look())
        self.assertEqual(self.file.meaning, "abd")
        self.later()
        self.assertEqual(len(self.looks), 2)

    def test_known(self) -> None:
        """What is known already is not read."""
        seen = look_at(self.path, ())
        assert seen is not None
        self.assertIsNone(look_at(self.path, seen.version))


class RereadTests(WatchedCase):
    """A file that is to be read at once."""

    def reread(self) -> list[str]:
        """Have it read; return what is logged of it."""
        with capturedLogs() as events:
            self.successResultOf(Deferred.fromCoroutine(self.file.reread()))
        return [formatEvent(event) for event in events]

    def test_at_once(self) -> None:
        """It is not waited until somebody looks; that it was read is told each time."""
        self.write("abc")
        self.file.start()
        self.write("abd")
        for _ in range(2):
            self.assertEqual(self.reread(), [f"{OPTION} was read again"])
            self.assertEqual(self.file.meaning, "abd")
        self.assertEqual(self.later(), [])

    def test_makes_no_sense(self) -> None:
        """The old meaning holds, and that is said each time, too."""
        self.write("abc")
        self.file.start()
        self.write("123")
        self.later()
        for _ in range(2):
            (told,) = self.reread()
            self.assertIn("the file has something else; what it said before", told)
        os.unlink(self.path)
        self.later()
        for _ in range(2):
            (told,) = self.reread()
            self.assertIn("No such file or directory; what it said before", told)
        self.assertEqual(self.file.meaning, "abc")
