"""The fuzzer itself: that it does the same every time, and sees what it looks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz.case import Ending, make_case
from tests.fuzz.corpus import upload
from tests.fuzz.judge import faults
from tests.fuzz.watch import CANARY, Log, Sandbox
from tests.fuzz.wire import Answer, Asked, Garbled, read_answers, read_requests


class CaseTests(SynchronousTestCase):
    """What is sent."""

    def test_same_seed(self) -> None:
        """A seed and a number make the same case every time, and others others."""
        self.assertEqual(make_case(1, 7), make_case(1, 7))
        sent = {make_case(seed, n).sent for seed in (1, 2) for n in range(50)}
        self.assertGreater(len(sent), 90)

    def test_every_ending(self) -> None:
        """Connections end in every way."""
        endings = {make_case(1, number).ending for number in range(300)}
        self.assertEqual(endings, set(Ending))

    def test_filled(self) -> None:
        """Ids take the place of placeholders, also where a cut goes through one."""
        case = next(
            case
            for case in (make_case(1, number) for number in range(1000))
            if case.slots() and len(case.pieces) > 20
        )
        uploads = {slot: (b"%032x" % slot, 5) for slot in case.slots()}
        filled = case.filled(uploads)
        self.assertEqual([*map(len, filled)], [*map(len, case.pieces)])
        for slot, (upload_id, _) in uploads.items():
            self.assertIn(upload_id, b"".join(filled))
            self.assertNotIn(upload(slot), b"".join(filled))


class RequestTests(SynchronousTestCase):
    """Reading what was sent."""

    def due(self, sent: bytes) -> list[bool]:
        """Tell of each request if an answer to it is due."""
        return [one.is_due for one in read_requests(sent)]

    def test_whole(self) -> None:
        """Each whole request is due, however its body is framed."""
        plain = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        sized = b"PUT / HTTP/1.1\r\ncontent-length:3\r\n\r\nabc"
        chunks = b"3;a=b\r\nabc\r\n0\r\nx: y\r\n\r\n"
        chunked = b"PUT / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n" + chunks
        found = read_requests(plain + sized + chunked + plain)
        self.assertEqual([one.is_due for one in found], [True] * 4)
        self.assertEqual(
            [one.method for one in found], [b"GET", b"PUT", b"PUT", b"GET"]
        )
        self.assertEqual([one.body for one in found], [b"", b"abc", b"abc", b""])

    def test_incomplete(self) -> None:
        """One that has not all come is not due."""
        for sent in (
            b"GET / HTTP/1.1\r\nHost: x\r\n",
            b"PUT / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabc",
            b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
            b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: y\r\n",
        ):
            self.assertEqual(self.due(sent), [False], sent)

    def test_improper(self) -> None:
        """One that is framed in no way is due, and the last one."""
        for lines, body in (
            (b"Content-Length: 3\r\nContent-Length: 3", b"abc"),
            (b"Content-Length: 3\r\nTransfer-Encoding: chunked", b"abc"),
            (b"Content-Length: -3", b"abc"),
            (b"Transfer-Encoding: gzip", b"abc"),
            (b"Transfer-Encoding: chunked", b"xyz\r\n"),
        ):
            sent = b"PUT / HTTP/1.1\r\n" + lines + b"\r\n\r\n" + body
            self.assertEqual(self.due(sent + b"GET / HTTP/1.1\r\n\r\n"), [True], lines)


class AnswerTests(SynchronousTestCase):
    """Reading and judging what came."""

    asked = (Asked(b"GET", b"/files/x", True),)
    fields = (
        (b"Tus-Resumable", b"1.0.0"),
        (b"X-Content-Type-Options", b"nosniff"),
        (b"Content-Length", b"9"),
    )

    def assert_fault(self, answer: Answer, *what: str) -> None:
        """These and no other faults are seen."""
        found = list(faults(answer, [CANARY], silent=False))
        self.assertEqual(len(found), len(what), found)
        for one, part in zip(found, what, strict=True):
            self.assertIn(part, one)

    def answer(self, status: int, body: bytes = b"ERR_A: b\n") -> Answer:
        """Make an answer with all that one has."""
        return Answer(self.asked[0], status, self.fields, body)

    def test_good(self) -> None:
        """An error with all it should have is fine, and so is a bare 400."""
        self.assert_fault(self.answer(404))
        self.assert_fault(Answer(None, 400, (), b""))

    def test_statuses(self) -> None:
        """A 500, and what is not documented, is seen; silence may be told by a 500."""
        for status in (500, 502, 503, 507, 418, 301):
            self.assert_fault(self.answer(status), f"status {status}")
        told = self.answer(500, b"ERR_READ_TIMEOUT: x\n")
        self.assertEqual(list(faults(told, [], silent=True)), [])
        self.assertEqual(list(faults(told, [], silent=False)), ["status 500"])

    def test_secrets(self) -> None:
        """Bytes that no answer may have are seen, in its body and in its headers."""
        self.assert_fault(self.answer(200, CANARY), "is in the answer")
        fields = (*self.fields, (b"Location", b"/" + CANARY))
        answer = Answer(self.asked[0], 200, fields, b"")
        self.assert_fault(answer, "is in the answer")

    def test_form(self) -> None:
        """Missing headers, header injection and other texts are seen."""
        missing = Answer(self.asked[0], 404, (), b"ERR_A: b\n")
        self.assert_fault(missing, "no Tus-Resumable", "no nosniff")
        fields = (*self.fields, (b"X-Injected", b"1"))
        injected = Answer(self.asked[0], 200, fields, b"")
        self.assert_fault(injected, "a header of the client's making")
        self.assert_fault(self.answer(404, b"<html>"), "not one line")

    def test_read(self) -> None:
        """Answers are read one by one, and what is cut is left."""
        one = b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nab"
        found, rest = read_answers(one + one[:-1], [*self.asked, *self.asked], True)
        self.assertEqual([each.body for each in found], [b"ab"])
        self.assertEqual(rest, one[:-1])

    def test_garbled(self) -> None:
        """What is no answer is seen."""
        for came in (b"HELLO\r\n\r\n", b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n"):
            with self.assertRaises(Garbled):
                read_answers(came, list(self.asked), False)


class WatchTests(SynchronousTestCase):
    """Looking at files and at the log."""

    def setUp(self) -> None:
        self.place = Path(self.mktemp())
        self.place.mkdir()
        self.sandbox = Sandbox(self.place, self.place / "uploads")
        self.sandbox.plant()

    def assert_seen(self, *names: str) -> None:
        """Faults that begin with these names are seen."""
        found = list(self.sandbox.faults())
        self.assertEqual([fault.partition(" ")[0] for fault in found], list(names))

    def test_untouched(self) -> None:
        """What the server stores is no fault."""
        for name in ("0" * 32, "0" * 32 + ".info", ".tustwisted.lock"):
            (self.place / "uploads" / name).touch()
        self.assert_seen()
        self.assertEqual(self.sandbox.ids(), [b"0" * 32])

    def test_outside(self) -> None:
        """A file beside the store that is new, changed or gone is seen."""
        (self.place / "new").touch()
        (self.place / "secret").write_bytes(b"x")
        (self.place / "etc" / "passwd").unlink()
        self.assert_seen("etc/passwd", "new", "secret")

    def test_inside(self) -> None:
        """A name in the store that no server makes is seen."""
        (self.place / "uploads" / "planted").touch()
        self.assert_seen("planted")

    def test_log(self) -> None:
        """A traceback in the log is seen, once."""
        path = self.place / "daemon.log"
        log = Log(path)
        for lines, seen in self._logs():
            with path.open("a") as file:
                file.write(lines)
            self.assertEqual(len(list(log.faults())), seen, lines)

    def _logs(self) -> Sequence[tuple[str, int]]:
        return (
            ("2026 [tustwisted.tap#info] all is well\n", 0),
            ("2026 [-] Unhandled error in Deferred:\n", 1),
            ("2026 [a.b#critical] x\n", 1),
            ("  Traceback (most recent call last):\n", 1),
            ("2026 [a.b#warn] x\n", 0),
        )
