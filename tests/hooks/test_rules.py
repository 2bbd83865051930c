"""Tests for :mod:`tustwisted.hooks.rules`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.hooks.rules import parse_forward_headers


class ForwardHeadersTests(SynchronousTestCase):
    """Which headers of a request are sent on."""

    def test_names(self) -> None:
        """Names stand between commas, with blanks or without."""
        self.assertEqual(
            parse_forward_headers("Authorization, x-user,Cookie"),
            ("Authorization", "x-user", "Cookie"),
        )

    def test_refused(self) -> None:
        """What is no name, or belongs to the connection, is refused."""
        for text, sentence in (
            ("", "must be names of headers"),
            ("a,,b", "must be names of headers"),
            ("a b", "must be names of headers"),
            ("X-A,Transfer-Encoding", "Transfer-Encoding is never sent on"),
            ("host", "host is never sent on"),
            ("Content-Length", "Content-Length is never sent on"),
        ):
            error = str(self.assertRaises(ValueError, parse_forward_headers, text))
            self.assertIn(sentence, error)
