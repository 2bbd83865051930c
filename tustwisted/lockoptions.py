"""Those options of ``twistd tus`` that say what keeps writers apart."""

from __future__ import annotations

from twisted.python import usage

from tustwisted.config import parse_time
from tustwisted.lock.directory import LockerKind
from tustwisted.lock.redis.locks import TTL_S
from tustwisted.lock.redis.url import RedisURL
from tustwisted.lockers import default_locker, parse_locker
from tustwisted.options import tried

MIN_TTL_S = 1.0
"""A shorter lease would be lost whenever a process or the network is busy."""

MAX_TTL_S = 300.0
"""For so long nobody could go on after a crash."""


class LockOptions(usage.Options):
    """Read into ``self["locker"]``, ``["lock-ttl"]`` and ``["lock-timeout"]``."""

    optParameters = [  # noqa: RUF012 - usage.Options wants a list on the class
        [
            "locker",
            None,
            None,
            "What keeps writers apart: memory (one process), file (processes of one "
            "machine) or redis://[user:password@]host[:port][/db] (several machines; "
            "also rediss: and unix:). [default: file; memory with --store]",
        ],
        ["lock-timeout", None, "20s", "Wait so long for another request's upload."],
        [
            "lock-ttl",
            None,
            None,
            "Free what a process held in Redis so long after it was last heard of. "
            "[default: 10s]",
        ],
    ]

    def postOptions(self) -> None:
        """
        Read these options.

        :raises UsageError: a value cannot be used.
        """
        super().postOptions()
        self["lock-timeout"] = tried("lock-timeout", self["lock-timeout"], parse_time)
        self["locker"] = self._locker()
        self["lock-ttl"] = self._lock_ttl_s()

    def _locker(self) -> object:
        text = self["locker"]
        if text is not None:
            return tried("locker", text, parse_locker, shows=":" not in text)
        # Nobody knows whether somebody's own store bears a second process.
        return default_locker() if self["store"] is None else LockerKind.MEMORY

    def _lock_ttl_s(self) -> float:
        if self["lock-ttl"] is None:
            return TTL_S
        if not isinstance(self["locker"], RedisURL):
            raise usage.UsageError(
                "--lock-ttl: means nothing without --locker redis://...: omit it"
            )
        return tried("lock-ttl", self["lock-ttl"], _parse_ttl)


def _parse_ttl(text: str) -> float:
    seconds = parse_time(text)
    if not MIN_TTL_S <= seconds <= MAX_TTL_S:
        raise ValueError("must be a time from 1s to 5m")
    return seconds
