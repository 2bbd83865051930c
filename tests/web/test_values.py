"""Facts about the headers of a request as they are looked up."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.web.harness import Memory, Route, answer, head
from tustwisted.web.values import sent_headers, values


class HeaderTests(SynchronousTestCase):
    """One request with headers in all spellings."""

    def setUp(self) -> None:
        route = Route(answer)
        lines = (b"x-http-METHOD-override: PATCH", b"upload-length: 1")
        Memory(route).peer.send(head(b"POST", *lines, b"UPLOAD-Length: 2"))
        self.request = route.requests[0]

    def test_names(self) -> None:
        """All are found by their names with one capital in each word."""
        sent = sent_headers(self.request)
        self.assertEqual(sent[b"X-Http-Method-Override"], [b"PATCH"])
        self.assertNotIn(b"Upload-Offset", sent)

    def test_lines(self) -> None:
        """There is a value for each line that was sent."""
        expected = [b"1", b"2"]
        self.assertEqual(sent_headers(self.request)[b"Upload-Length"], expected)
        self.assertEqual(values(self.request, b"upload-length"), expected)
        self.assertEqual(values(self.request, b"Upload-Offset"), ())
