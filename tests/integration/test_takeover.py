"""A client that comes back while the server still waits for its old connection."""

from __future__ import annotations

import time
from functools import partial

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.content import MIB, Running, make_bytes
from tests.integration.daemon import twistd_tus
from tests.integration.raw import Response

SERVED_WITHIN_S = 0.5
SIZE = 8 * MIB
HALF = SIZE // 2


class TakeOverTests(SynchronousTestCase):
    """A PATCH for an upload that another request holds."""

    def setUp(self) -> None:
        """Start a daemon with one upload in it."""
        self.daemon = twistd_tus(self)
        self.content = make_bytes(SIZE, seed=6)
        self.path = self.daemon.create(SIZE)

    def test_silent_holder(self) -> None:
        """
        A PATCH at HEAD's offset is served at once; the silent holder is told, and its
        connection closed (T-230, T-231, T-232).
        """
        holder = self.daemon.client()
        holder.begin_patch(self.path, 0, SIZE)
        holder.send(self.content[:HALF])
        self.daemon.until_offset(self.path, HALF)

        newcomer = self.daemon.client()
        began = time.monotonic()
        response = newcomer.patch(self.path, HALF, self.content[HALF:])
        took_s = time.monotonic() - began
        self.assertEqual(response.status, 204)
        self.assertLess(took_s, SERVED_WITHIN_S)
        self._assert_interrupted(holder.response())
        self.assertTrue(holder.at_end())
        self.assertEqual(self.daemon.content(self.path).read_bytes(), self.content)

    def _assert_interrupted(self, response: Response) -> None:
        self.assertEqual(response.status, 400)
        self.assertTrue(response.body.startswith(b"ERR_UPLOAD_INTERRUPTED: "))
        self.assertEqual(response.headers["connection"], "close")

    def test_many_in_a_row(self) -> None:
        """Each of many silent holders loses to the next one at once (T-232)."""
        step = SIZE // 64
        holders = []
        for offset in range(0, SIZE - step, step):
            holder = self.daemon.client()
            holders.append(holder)
            began = time.monotonic()
            holder.begin_patch(self.path, offset, SIZE - offset)
            holder.send(self.content[offset : offset + step])
            self.daemon.until_offset(self.path, offset + step)
            self.assertLess(time.monotonic() - began, SERVED_WITHIN_S)
        response = self.daemon.client().patch(
            self.path, SIZE - step, self.content[SIZE - step :]
        )
        self.assertEqual(response.status, 204)
        for holder in holders:
            self._assert_interrupted(holder.response())
        self.assertEqual(self.daemon.content(self.path).read_bytes(), self.content)

    def test_late_bytes_of_the_holder(self) -> None:
        """What the holder sends after it lost is never stored (T-235)."""
        holder = self.daemon.client()
        holder.begin_patch(self.path, 0, SIZE)
        holder.send(self.content[:HALF])
        self.daemon.until_offset(self.path, HALF)
        newcomer = self.daemon.client()
        newcomer.begin_patch(self.path, HALF, HALF)
        newcomer.send(self.content[HALF : HALF + MIB])
        self.daemon.until_offset(self.path, HALF + MIB)
        holder.send(b"late" * 1000)
        self._assert_interrupted(holder.response())
        newcomer.send(self.content[HALF + MIB :])
        self.assertEqual(newcomer.response().status, 204)
        self.assertEqual(self.daemon.content(self.path).read_bytes(), self.content)

    def test_same_offset_at_once(self) -> None:
        """Of PATCHes with one offset, at once, one body is stored (T-234)."""
        bodies = [bytes([number]) * SIZE for number in range(4)]
        answers: list[int] = []

        def send(body: bytes) -> None:
            client = self.daemon.client()
            try:
                answers.append(client.patch(self.path, 0, body).status)
            except ConnectionError:
                answers.append(0)  # the refusal was lost with what it refused

        for running in [Running(partial(send, body)) for body in bodies]:
            running.done()
        self.assertLessEqual(answers.count(204), 1)
        self.assertLessEqual(set(answers), {0, 204, 400, 409})
        stored = self.daemon.content(self.path).read_bytes()
        self.assertEqual(self.daemon.offset(self.path), len(stored))
        self.assertLessEqual(len(set(stored)), 1)
