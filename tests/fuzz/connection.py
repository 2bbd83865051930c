"""One case, played: a socket of its own, and every wait bounded."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Mapping, Sequence

from attrs import define, field

from tests.fuzz.case import Case, Ending
from tests.fuzz.wire import Answer, Asked, read_answers, read_requests

HANG_S = 15.0
"""No answer takes so long; it is more than a wait for a lock and for an idle body."""

QUIET_S = 0.03
"""How long to listen when no answer is due: a refusal may come all the same."""


class Hung(Exception):
    """An answer was due, and did not come."""


@define(eq=False)
class Played:
    """What became of a case."""

    case: Case
    sent: bytes
    asked: list[Asked]
    answers: list[Answer] = field(factory=list)
    rest: bytes = b""
    """What came and is no whole answer."""
    closed: bool = False
    """The server has closed the connection in order."""
    reset: bool = False
    """The connection broke: answers on their way may be lost."""


@define(eq=False)
class Connection:
    """The client's end of a connection to the daemon."""

    address: tuple[str, int]
    _socket: socket.socket = field(init=False)
    _came: bytes = field(init=False, default=b"")

    def __attrs_post_init__(self) -> None:
        self._socket = socket.create_connection(self.address, HANG_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def play(self, case: Case, uploads: Mapping[int, tuple[bytes, int]]) -> Played:
        """
        Send what a case has, and read what is due; a parked case stays open.

        :raises Hung: what is due has not come.
        """
        pieces = case.filled(uploads)
        sent = b"".join(pieces)
        played = Played(case, sent, read_requests(sent))
        self._send(played, pieces)
        match case.ending:
            case Ending.READ:
                self._read(played)
                self._socket.close()
            case Ending.HALF_CLOSE:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_WR)
                self._read_to_end(played)
                self._socket.close()
            case Ending.CLOSE:
                self._socket.close()
            case Ending.RESET:
                linger = struct.pack("ii", 1, 0)
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self._socket.close()
        return played

    def finish(self, played: Played) -> None:
        """
        Read what the server says to a parked case until it closes, or say goodbye.

        :raises Hung: it keeps the connection although this side has closed its own.
        """
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        self._read_to_end(played)
        self._socket.close()

    # -- inside ------------------------------------------------------------------------

    def _send(self, played: Played, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            try:
                self._socket.sendall(piece)
            except TimeoutError:
                raise Hung("the server does not read") from None
            except OSError:  # it has closed: its answer may still be there to be read
                return

    def _read(self, played: Played) -> None:
        due = sum(one.is_due for one in played.asked)
        deadline = time.monotonic() + HANG_S
        while not (played.closed or played.reset) and len(_final(played)) < due:
            if not self._more(played, deadline - time.monotonic()):
                raise Hung(f"{len(_final(played))} of {due} answers came")
        if due < len(played.asked):
            quiet = time.monotonic() + QUIET_S
            while not (played.closed or played.reset):
                if not self._more(played, quiet - time.monotonic()):
                    break

    def _read_to_end(self, played: Played) -> None:
        deadline = time.monotonic() + HANG_S
        while not (played.closed or played.reset):
            if not self._more(played, deadline - time.monotonic()):
                raise Hung("the server does not close what its client has closed")

    def _more(self, played: Played, limit_s: float) -> bool:
        """Read once; false if nothing came in time."""
        self._socket.settimeout(max(limit_s, 0.0001))
        try:
            data = self._socket.recv(262_144)
        except TimeoutError:
            return False
        except OSError:
            played.reset = True
            data = b""
        else:
            played.closed = not data
        self._came += data
        played.answers, played.rest = read_answers(
            self._came, played.asked, played.closed
        )
        return True


def _final(played: Played) -> list[Answer]:
    return [answer for answer in played.answers if answer.status >= 200]
