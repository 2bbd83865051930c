"""What a daemon that is killed leaves behind, and what its next life makes of it."""

from __future__ import annotations

import contextlib  # trial takes a module's "suppress" for its own
import hashlib
import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration import tuspy
from tests.integration.content import MIB, Running, hash_of, make_bytes, make_file
from tests.integration.daemon import twistd_program, twistd_tus, until

SIZE = 256 * MIB
ALMOST_ALL = SIZE - MIB  # so that no kill comes too late to be in mid-upload

DIES_IN_FINISH = Path(__file__).with_name("dies_in_finish.py")


class KilledTests(SynchronousTestCase):
    """SIGKILL while a body comes in."""

    def setUp(self) -> None:
        """Start a daemon."""
        self.daemon = twistd_tus(self)
        self.source = self.daemon.place / "source"

    def test_in_mid_upload(self) -> None:
        """All that was told or written before the kill is there after it (T-040)."""
        digest = make_file(self.source, SIZE, seed=3)
        path = self.daemon.create(SIZE)
        sending = Running(lambda: self._send(path))
        until(lambda: self.daemon.offset(path) > SIZE // 4, "a quarter is stored")
        told = self.daemon.offset(path)
        self.daemon.kill()
        sending.done()
        written = self.daemon.content(path).stat().st_size
        self.assertGreaterEqual(written, told)

        self.daemon.start()
        began_at = tuspy.resume(self.daemon.url, path, self.source)
        self.assertEqual(began_at, written)
        self.assertEqual(hash_of(self.daemon.content(path)), digest)

    def _send(self, path: str) -> None:
        client = self.daemon.client()
        client.begin_patch(path, 0, SIZE)
        with open(self.source, "rb") as file, contextlib.suppress(ConnectionError):
            client.send_file(file, 0, ALMOST_ALL)

    def test_after_an_answer(self) -> None:
        """A PATCH that was answered is there after a kill that follows at once."""
        content = make_bytes(2 * MIB, seed=4)
        path = self.daemon.create(len(content))
        response = self.daemon.client().patch(path, 0, content[:MIB])
        self.daemon.kill()
        self.assertEqual(response.status, 204)

        self.daemon.start()
        self.assertEqual(self.daemon.offset(path), MIB)
        response = self.daemon.client().patch(path, MIB, content[MIB:])
        self.assertEqual(response.status, 204)
        self.assertEqual(self.daemon.content(path).read_bytes(), content)

    def test_strict(self) -> None:
        """Under strict, what was answered stays, and the rest can be sent again."""
        self.daemon.stop()
        self.daemon.command = (*self.daemon.command, "--durability", "strict")
        self.daemon.start()
        content = make_bytes(2 * MIB, seed=11)
        path = self.daemon.create(len(content))
        self.assertEqual(self.daemon.client().patch(path, 0, content[:MIB]).status, 204)
        holder = self.daemon.client()
        holder.begin_patch(path, MIB, MIB)
        holder.send(content[MIB : MIB + MIB // 2])
        stored = self.daemon.content(path)
        until(lambda: stored.stat().st_size > MIB, "more bytes are stored")
        self.daemon.kill()

        self.daemon.start()
        offset = self.daemon.offset(path)
        self.assertGreaterEqual(offset, MIB)
        response = self.daemon.client().patch(path, offset, content[offset:])
        self.assertEqual(response.status, 204)
        self.assertEqual(stored.read_bytes(), content)

    def test_lock_dies_with_its_process(self) -> None:
        """An upload whose holder was killed can be written to at once (T-242)."""
        path = self.daemon.create(MIB)
        holder = self.daemon.client()
        holder.begin_patch(path, 0, MIB)
        holder.send(b"a" * 1000)
        self.daemon.until_offset(path, 1000)
        self.daemon.kill()

        self.daemon.start()
        response = self.daemon.client().patch(path, 1000, b"b" * (MIB - 1000))
        self.assertEqual(response.status, 204)
        content = self.daemon.content(path).read_bytes()
        self.assertEqual(content, b"a" * 1000 + b"b" * (MIB - 1000))


class KilledInFinishTests(SynchronousTestCase):
    """SIGKILL between the last byte and the end of the finish step."""

    def setUp(self) -> None:
        """Start a program that is killed in its first finish step."""
        self.program = twistd_program(self, DIES_IN_FINISH)
        self.program.start()

    def test_event_is_told_again(self) -> None:
        """The next life finishes it unasked, and tells the same event (T-039)."""
        content = make_bytes(3 * MIB, seed=5)
        path = self.program.create(len(content))
        with self.assertRaises(ConnectionError):
            self.program.client().patch(path, 0, content)
        self.assertEqual(self.program.ended().code, -9)
        self.assertEqual(self._state(path), "finishing")
        died_at = (self.program.place / "died_at").read_text()
        self.assertIn(path.rpartition("/")[2], died_at)

        self.program.start()
        until(lambda: self._state(path) == "finished", "recovery finishes the upload")
        self.assertEqual((self.program.place / "told").read_text(), died_at)
        self.assertEqual(self.program.offset(path), len(content))
        self.assertEqual(
            hash_of(self.program.content(path)), hashlib.sha256(content).hexdigest()
        )

        self.program.stop()
        self.program.start()
        self.program.stop()
        self.assertEqual((self.program.place / "told").read_text(), died_at)

    def _state(self, path: str) -> str:
        content = self.program.content(path)
        record = json.loads(content.with_name(content.name + ".info").read_text())
        return str(record["State"])
