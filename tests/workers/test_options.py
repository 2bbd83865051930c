"""What --workers takes."""

from __future__ import annotations

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.lock.directory import LockerKind
from tustwisted.lock.redis.url import RedisURL
from tustwisted.workers.options import check_workers, parse_workers


class OptionTests(SynchronousTestCase):
    """The number of workers."""

    def test_numbers(self) -> None:
        """1 to 64 are numbers of workers, and nothing else is."""
        self.assertEqual([parse_workers(t) for t in ("1", "2", "64")], [1, 2, 64])
        for text in ("0", "65", "-1", "+2", "two", "1.0", "", "²", "10000000000"):
            with self.assertRaises(ValueError) as caught:
                parse_workers(text)
            self.assertIn("from 1 to 64", str(caught.exception))

    def test_locks_of_a_single_process(self) -> None:
        """Several workers and the locker of a single process do not go together."""
        error = self.assertRaises(
            UsageError, check_workers, {"workers": 2, "locker": LockerKind.MEMORY}
        )
        self.assertIn("--workers 2: ", str(error))
        self.assertIn("--locker memory: choose --locker file", str(error))
        check_workers({"workers": 1, "locker": LockerKind.MEMORY})
        check_workers({"workers": 2, "locker": LockerKind.FILE})
        check_workers({"workers": 2, "locker": RedisURL("localhost")})
