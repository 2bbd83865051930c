"""Requests leave nothing behind that only the garbage collector would find."""

from __future__ import annotations

import gc

from tests.web.tus_harness import (
    BASE,
    UPLOAD_BYTES,
    TusCase,
    message,
    patch,
)


class GarbageTests(TusCase):
    """What is over is gone at once, as the last reference to it is."""

    def setUp(self) -> None:
        super().setUp()
        self.client = self.server.connect()
        self.addCleanup(gc.enable)

    def assert_clean(self, *messages: bytes) -> None:
        """Send some requests, and look for what refers to itself."""
        gc.collect()
        gc.disable()
        for sent in messages:
            self.client.ask(sent)
        self.assertEqual(gc.collect(), 0)

    def test_upload(self) -> None:
        """An upload by POST and PATCH, and a look at it."""
        path = self.server.create(5)
        self.assert_clean(
            message(b"POST", BASE, b"Upload-Length: 5"),
            patch(path, 0, body=b"hello"),
            message(b"HEAD", path),
        )

    def test_body_of_a_creation(self) -> None:
        """An upload by one POST."""
        self.assert_clean(
            message(b"POST", BASE, b"Upload-Length: 2", UPLOAD_BYTES, body=b"ab")
        )

    def test_chunked(self) -> None:
        """A body of unknown length."""
        path = self.server.create(5)
        self.assert_clean(patch(path, 0, chunks=[b"he", b"llo"]))
