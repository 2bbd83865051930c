"""
Which locker keeps writers off each other's uploads: chosen by its name or address.

Only :func:`make_locker` needs a reactor: what it imports may install one.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from tustwisted.interfaces import ILocker
from tustwisted.lock.directory import DirectoryLock, LockerKind
from tustwisted.lock.kernel import has_byte_locks
from tustwisted.lock.memory import MemoryLocker
from tustwisted.lock.redis.terms import TTL_S
from tustwisted.lock.redis.url import FORMS, RedisURL, parse_redis_url
from tustwisted.lock.shared import SharedLocker

LockerChoice: TypeAlias = LockerKind | RedisURL
"""A locker by its kind, or by the address of the Redis that it asks."""

_KINDS = {"memory": LockerKind.MEMORY, "file": LockerKind.FILE}


def parse_locker(text: str) -> LockerChoice:
    """
    Read which locker is meant: ``memory``, ``file``, or the address of a Redis.

    :raises ValueError: none is; the message names what is, and shows no password.
    """
    if text in _KINDS:
        return _KINDS[text]
    if ":" not in text:
        raise ValueError(f"must be memory, file, or {FORMS}")
    return parse_redis_url(text)


def default_locker() -> LockerChoice:
    """Choose for a daemon with our store of files: several processes may share it."""
    return LockerKind.FILE if has_byte_locks() else LockerKind.MEMORY


def make_locker(
    reactor: Any,
    choice: LockerChoice,
    directory: str,
    lock_ttl_s: float = TTL_S,
) -> ILocker:
    """
    Make a locker; nothing is opened before it is started.

    :param reactor: provides ``IReactorTime``, and ``IReactorUNIX`` or ``IReactorTCP``
        for what the processes tell each other.
    :param directory: where the uploads are; held against lockers of other kinds, and
        made if it is missing.
    :param lock_ttl_s: how long a lease in Redis lasts, seconds; the same in all
        processes.
    """
    if isinstance(choice, RedisURL):
        from tustwisted.lock.redis.connect import make_redis_locks

        held = DirectoryLock(directory, LockerKind.REDIS)
        return SharedLocker(
            reactor, make_redis_locks(reactor, choice, lock_ttl_s), held
        )
    held = DirectoryLock(directory, choice)
    if choice is LockerKind.MEMORY:
        return MemoryLocker(reactor, held)
    from tustwisted.lock.file import FileLocks

    return SharedLocker(reactor, FileLocks(directory, reactor), held)
