"""
Several machines with one directory and one Redis, as daemons on different ports.

Each client writes bytes of its own: the byte at a position says which position it is
and who has written it, so nothing can be mixed unnoticed.
"""

from __future__ import annotations

import random
import time
from itertools import pairwise

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase

from tests.integration.content import MIB, Running
from tests.integration.daemon import Daemon, twistd_tus, until
from tests.integration.raw import Client
from tests.valkey import Valkey

CLIENTS = 4
ROUNDS = 100
SIZE = 64 * 1024
PIECES = 5
PAUSE_S = 0.02
"""Clients that came back at once would do nothing but stop each other."""
TTL_S = 1.0

PATTERN = random.Random(14).randbytes(SIZE)
BY_CLIENT = [bytes(byte & 0xFC | number for byte in PATTERN) for number in range(4)]
"""What each client sends; the lowest bits are its number."""


def with_redis(
    test: SynchronousTestCase, redis: Valkey, *options: str
) -> tuple[Daemon, Daemon]:
    """Start two daemons that share a directory and a Redis."""
    shared = ("--locker", redis.url, *options)
    first = twistd_tus(test, *shared)
    second = twistd_tus(test, *shared, "--upload-dir", str(first.directory))
    second.directory = first.directory
    return first, second


@define(eq=False)
class Fighter:
    """
    A client that wants to upload all of it, whoever else does.

    :ivar acknowledged: from where to where its PATCHes were answered by 204.
    """

    daemon: Daemon
    number: int
    random: random.Random
    acknowledged: list[tuple[int, int]] = field(factory=list)
    answers: list[int] = field(factory=list)

    def fight(self, path: str) -> None:
        """Send from where the server is until the upload is whole."""
        client: Client | None = None
        ends = time.monotonic() + 30
        while time.monotonic() < ends:
            client = client or self.daemon.client()
            try:
                offset = client.head(path)
                if offset == SIZE:
                    client.close()
                    return
                status = self._send(client, path, offset)
            except ConnectionError:
                status = 0
            self.answers.append(status)
            if status != 204:
                client.close()
                client = None
                time.sleep(self.random.random() * PAUSE_S)
        raise AssertionError(f"the upload is not whole: {self.answers}")

    def _send(self, client: Client, path: str, offset: int) -> int:
        """Send a body, in two parts most of the time."""
        end = min(SIZE, offset + self.random.randint(1, SIZE // PIECES))
        body = BY_CLIENT[self.number][offset:end]
        half = self.random.randint(0, len(body))
        client.begin_patch(path, offset, len(body), start=body[:half])
        if self.random.random() < 0.5:
            time.sleep(self.random.random() * 0.003)
        client.send(body[half:])
        response = client.response()
        if response.status == 204:
            assert int(response.headers["upload-offset"]) == end, response
            self.acknowledged.append((offset, end))
        return response.status


class FightTests(SynchronousTestCase):
    """Clients of two daemons that want the same upload."""

    def setUp(self) -> None:
        """Start a Redis and two daemons."""
        self.redis = Valkey(self)
        self.redis.start()
        self.redis.age()
        self.daemons = with_redis(self, self.redis)
        self.answers: list[int] = []

    def fight(self, seed: int) -> None:
        """Let four clients fight for a new upload, and look at what they made of it."""
        path = self.daemons[0].create(SIZE)
        fighters = [
            Fighter(self.daemons[n % 2], n, random.Random(10 * seed + n))
            for n in range(CLIENTS)
        ]
        for running in [Running(lambda f=f: f.fight(path)) for f in fighters]:  # type: ignore[misc]
            running.done()
        stored = self.daemons[0].content(path).read_bytes()
        self.assertEqual(len(stored), SIZE)
        self.assertEqual(
            bytes(b & 0xFC for b in stored), bytes(b & 0xFC for b in PATTERN)
        )
        ranges = sorted(each for f in fighters for each in f.acknowledged)
        for (_, end), (begin, _) in pairwise(ranges):
            self.assertLessEqual(end, begin, "a byte was acknowledged twice")
        for fighter in fighters:
            mine = BY_CLIENT[fighter.number]
            for begin, end in fighter.acknowledged:
                self.assertEqual(stored[begin:end], mine[begin:end])
            self.answers += fighter.answers
        client = self.daemons[1].client()
        self.assertEqual(client.request("GET", path).body, stored)
        client.close()

    def test_four_clients(self) -> None:
        """
        In 100 rounds four clients of two daemons fight for an upload: each becomes
        whole, with the bytes at their places, and what was acknowledged is that
        client's alone (T-230, T-234, T-240).
        """
        for seed in range(ROUNDS):
            self.fight(seed)
        self.assertLessEqual(set(self.answers), {0, 204, 400, 409})
        # They have fought: some were stopped, and yet most of their bytes counted.
        self.assertGreater(self.answers.count(400), ROUNDS)
        self.assertGreater(self.answers.count(204), ROUNDS)
        for daemon in self.daemons:
            self.assertNotIn("Traceback", daemon.log)
            self.assertEqual(daemon.log.count("#error"), 0, daemon.log)


class EmptiedTests(SynchronousTestCase):
    """A Redis that has forgotten everything."""

    def test_two_writers(self) -> None:
        """
        While one daemon still holds what Redis has forgotten, the other one gets
        nothing; when it does, the first one has given up (T-234).
        """
        redis = Valkey(self)
        redis.start()
        first, second = with_redis(self, redis, "--lock-ttl", f"{TTL_S:g}s")
        path = first.create(SIZE)
        holder = first.client()
        holder.begin_patch(path, 0, SIZE)
        holder.send(BY_CLIENT[0][: SIZE // 2])
        first.until_offset(path, SIZE // 2)

        redis.restart()
        began = time.monotonic()
        newcomer = second.client()
        newcomer.begin_patch(path, SIZE // 2, SIZE - SIZE // 2)
        newcomer.send(BY_CLIENT[1][SIZE // 2 :])
        status = newcomer.response().status
        while status == 503:  # it has not found the new one yet
            newcomer = second.client()
            status = newcomer.patch(path, SIZE // 2, BY_CLIENT[1][SIZE // 2 :]).status
        self.assertEqual(status, 204)
        self.assertGreater(time.monotonic() - began, 0.8 * TTL_S)
        with_error = holder.response(0.1)
        self.assertEqual(with_error.status, 500)
        expected = BY_CLIENT[0][: SIZE // 2] + BY_CLIENT[1][SIZE // 2 :]
        self.assertEqual(first.content(path).read_bytes(), expected)


class RedisDownTests(SynchronousTestCase):
    """A Redis that cannot be asked."""

    def test_fails_fast(self) -> None:
        """PATCH is 503 with Retry-After at once; HEAD, GET and POST go on."""
        redis = Valkey(self)
        redis.start()
        redis.age()
        first, _ = with_redis(self, redis, "--lock-ttl", f"{TTL_S:g}s")
        whole = first.create(3)
        self.assertEqual(first.client().patch(whole, 0, b"abc").status, 204)
        redis.kill()
        until(lambda: "is lost" in first.log, "the daemon has seen it")
        client = first.client()
        path = client.create("/files/", MIB)
        began = time.monotonic()
        response = client.patch(path, 0, b"abc")
        self.assertLess(time.monotonic() - began, 0.5)
        self.assertEqual(response.status, 503)
        self.assertTrue(response.body.startswith(b"ERR_LOCKS_UNAVAILABLE: "))
        self.assertEqual(response.headers["retry-after"], "1")
        client = first.client()
        self.assertEqual(client.head(path), 0)
        self.assertEqual(client.request("GET", whole).body, b"abc")
        redis.start()
        until(
            lambda: first.client().patch(path, 0, b"abc").status == 204,
            "the daemon has found Redis again",
        )
