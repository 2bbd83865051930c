"""Where the bytes of bodies wait, are held, and one of them is spoilt."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from attrs import define, field

from tests.integration.raw import LIMIT_S


@define(eq=False)
class Gate:
    """
    The one place that all bodies on a relay pass, in pieces, from many threads.

    :param era: what is held on connections of an earlier one is held to the end.
    """

    era: int = 0
    spoil_at: int | None = None
    _count: int = 0
    _hold_at: int | None = None
    _ended: bool = False
    _moved: threading.Condition = field(factory=threading.Condition)

    def hold_at(self, count: int) -> None:
        """Hold whatever comes after so many bytes."""
        self._hold_at = count

    def open(self) -> None:
        """Hold none but those that are held."""
        with self._moved:
            self._hold_at = None
            self.era += 1

    def end(self) -> None:
        """Let nobody wait any longer."""
        with self._moved:
            self._ended = True
            self._moved.notify_all()

    def pass_on(self, era: int, piece: bytes, send: Callable[[bytes], None]) -> None:
        """Send a piece of a body, some of it later if it is held."""
        while piece:
            with self._moved:
                if self._room(era) <= 0:
                    self._moved.wait_for(lambda: self._ended, LIMIT_S)
                    raise ConnectionAbortedError("held to the end")
                part = self._spoilt(piece[: self._room(era)])
                self._count += len(part)
            send(part)
            piece = piece[len(part) :]

    def _room(self, era: int) -> int:
        if era < self.era:
            return 0
        return sys.maxsize if self._hold_at is None else self._hold_at - self._count

    def _spoilt(self, part: bytes) -> bytes:
        at = None if self.spoil_at is None else self.spoil_at - self._count
        if at is None or at >= len(part):
            return part
        self.spoil_at = None
        return part[:at] + bytes([part[at] ^ 1]) + part[at + 1 :]
