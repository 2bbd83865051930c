"""How the benchmark reads answers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from bench.wire import parse_answer

CREATED = (
    b"HTTP/1.1 201 Created\r\nlocation: http://h:1/files/a\r\nUpload-Offset: 7\r\n"
)


class AnswerTests(SynchronousTestCase):
    """Servers write their answers in several ways."""

    def test_whole_answers(self) -> None:
        """An answer is there with its last byte, and no earlier."""
        for rest, has_body in (
            (b"Content-Length: 0\r\n\r\n", True),
            (b"Content-Length: 2\r\n\r\nab", True),
            (b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", True),
            (b"Content-Length: 99\r\n\r\n", False),
        ):
            whole = CREATED + rest
            for end in range(len(whole)):
                self.assertIsNone(parse_answer(whole[:end], has_body))
            found = parse_answer(whole, has_body)
            assert found is not None
            self.assertEqual(
                (found.status, found.location, found.offset), (201, "/files/a", 7)
            )

    def test_no_content(self) -> None:
        """A 204 has no body, whatever it says."""
        found = parse_answer(b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n")
        self.assertIsNotNone(found)
