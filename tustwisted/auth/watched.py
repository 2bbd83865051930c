"""A small file that is read again when it has changed, without a request waiting."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Generic, TypeVar

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from tustwisted.errors import HookUnusable
from tustwisted.smallfile import read_small

log = Logger()

_T = TypeVar("_T")

LOOK_S: Final = 1.0
"""How long a change may stay unnoticed."""

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
"""A larger file is not what it should be."""


@frozen
class Look:
    """What stands at a path."""

    version: tuple[int, ...]
    """Is another one when the file has changed."""

    content: bytes

    is_public: bool
    """Others than its owner may read it."""


async def in_place(look: Callable[[], Look | None]) -> Look | None:
    """Look without a thread: for a file on a disk of this machine."""
    return look()


@define(eq=False, repr=False)
class WatchedFile(Generic[_T]):
    """
    What a file means, as it stands there.

    When it cannot be read any more, or makes no sense, what it said before still holds.

    :param option: what names the file, for whoever has to mend it.
    :param parse: makes the meaning of its bytes, or raises a ValueError that completes
        "the file ..." and holds no secret.
    :param read: runs what looks at the file, perhaps in a thread.
    """

    _path: str
    _option: str
    _clock: IReactorTime
    _parse: Callable[[bytes], _T]
    _read: Callable[[Callable[[], Look | None]], Awaitable[Look | None]] = in_place
    _version: tuple[int, ...] = field(init=False, default=())
    _is_lost: bool = field(init=False, default=False)
    _meaning: _T | None = field(init=False, default=None)
    _loop: LoopingCall | None = field(init=False, default=None)

    @property
    def meaning(self) -> _T | None:
        """What it says; ``None`` before the start."""
        return self._meaning

    def start(self) -> None:
        """
        Read the file, and look again from time to time.

        :raises HookUnusable: it cannot be used.
        """
        try:
            look = look_at(self._path, ())
            assert look is not None
            self._take(look)
        except (OSError, ValueError) as error:
            raise HookUnusable(self._option, _told(error)) from error
        self._loop = LoopingCall(lambda: Deferred.fromCoroutine(self._look_again()))
        self._loop.clock = self._clock
        stopped = self._loop.start(LOOK_S, now=False)
        stopped.addErrback(self._give_up)  # type: ignore[unused-awaitable]

    def stop(self) -> None:
        """Look no more; harmless when it was not started."""
        loop, self._loop = self._loop, None
        if loop is not None and loop.running:
            loop.stop()

    def _give_up(self, failure: Failure) -> None:
        log.failure("{option} is not looked at any more", failure, option=self._option)

    async def reread(self) -> None:
        """See :meth:`tustwisted.interfaces.IRereads.reread`."""
        self._is_lost = False  # or nothing would be said of it
        await self._look((), "was read again")

    async def _look_again(self) -> None:
        await self._look(self._version, "has changed: it was read again")

    async def _look(self, known: tuple[int, ...], told: str) -> None:
        try:
            look = await self._read(partial(look_at, self._path, known))
        except (OSError, ValueError) as error:
            if not self._is_lost:
                self._complain(error)
            self._is_lost = True
            return
        self._is_lost = False
        if look is not None:
            try:
                self._take(look)
            except ValueError as error:
                self._complain(error)
            else:
                log.info("{option} {told}", option=self._option, told=told)

    def _complain(self, error: Exception) -> None:
        log.error(
            "{option}: {problem}; what it said before still holds",
            option=self._option,
            problem=_told(error),
        )

    def _take(self, look: Look) -> None:
        self._version = look.version
        if look.is_public:
            log.warn(
                "{option}: others than its owner may read the file",
                option=self._option,
            )
        self._meaning = self._parse(look.content)


def look_at(path: str, known: tuple[int, ...]) -> Look | None:
    """
    Read a file unless it is known; blocks.

    :param known: the version that is.
    :raises OSError: that cannot be done.
    :raises ValueError: it is no file, or a huge one.
    """
    if _version(os.stat(path)) == known:
        return None
    content, facts = read_small(path, MAX_FILE_BYTES)
    return Look(_version(facts), content, bool(facts.st_mode & 0o044))


def _version(facts: os.stat_result) -> tuple[int, ...]:
    return (
        facts.st_dev,
        facts.st_ino,
        facts.st_size,
        facts.st_mtime_ns,
        facts.st_ctime_ns,
    )


def _told(error: Exception) -> str:
    """Say what is wrong, without the path, which the option names."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)
