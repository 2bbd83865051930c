"""
What systemd is told of the daemon, by the protocol of ``sd_notify(3)``.

A datagram of ``NAME=value`` lines to the socket that ``NOTIFY_SOCKET`` names; without
that, nothing is told.  Sockets that systemd opened are :mod:`tustwisted.activation`'s.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, MutableMapping
from typing import Final

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

log = Logger()

STATUS_S: Final = 10.0
"""How often a changed status is told, when no watchdog asks for more."""

SEND_S: Final = 0.5
"""
How long a datagram may wait for systemd to take earlier ones.

It has room for hundreds (``net.unix.max_dgram_qlen``), and no datagram comes with a
request, so this is for a systemd that is in trouble itself.
"""

_MOST_DIGITS: Final = 20
"""Of what systemd writes, 64 bits; int() would not take thousands."""

KILLING_S: Final = 5.0
"""So long after its own hard end a process may be killed from outside."""


@define(eq=False, repr=False)
class Systemd:
    """
    Tells systemd how it goes; never raises.

    :param clock: measures the time between two signs of life.
    :param address: of its socket: a path, or ``@`` and an abstract name; ``None``: it
        is not there.
    :param watchdog_s: after so long without a sign of life it ends the process;
        ``None``: it does not look.
    """

    _clock: IReactorTime
    _address: str | None = None
    watchdog_s: float | None = None
    _status: str = field(init=False, default="")
    _problem: str = field(init=False, default="")
    _beating: LoopingCall | None = field(init=False, default=None)

    @classmethod
    def take(
        cls, clock: IReactorTime, environ: MutableMapping[str, str] = os.environ
    ) -> Systemd:
        """
        Take out of the environment what systemd wrote there for this process.

        So that no worker and no program of a hook speaks in its name.
        """
        address = environ.pop("NOTIFY_SOCKET", None)
        watchdog_us = environ.pop("WATCHDOG_USEC", "")
        watched = environ.pop("WATCHDOG_PID", str(os.getpid()))
        is_watched = (
            address is not None
            and watched == str(os.getpid())
            and watchdog_us.isdecimal()
            and len(watchdog_us) <= _MOST_DIGITS
            and int(watchdog_us) > 0
        )
        return cls(clock, address, int(watchdog_us) / 1e6 if is_watched else None)

    def serves(
        self, status: Callable[[], str], each_time: Callable[[], None] = lambda: None
    ) -> None:
        """
        Tell that it serves, and give signs of life from now on.

        :param status: says in one short line how it goes; asked now and then.
        :param each_time: called before each sign of life but the first.
        """
        if self._address is None:
            return
        self._tell("READY=1", *self._changed(status()))

        def beat() -> None:
            each_time()
            alive = [] if self.watchdog_s is None else ["WATCHDOG=1"]
            self._tell(*alive, *self._changed(status()))

        self._beating = LoopingCall(beat)
        self._beating.clock = self._clock
        interval_s = STATUS_S if self.watchdog_s is None else self.watchdog_s / 2
        self._beating.start(interval_s, now=False)  # type: ignore[unused-awaitable]

    def reloads(self) -> None:
        """Tell that a reload begins; :meth:`reloaded` must follow."""
        now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={now_us}")

    def reloaded(self) -> None:
        """Tell that a reload has ended, however."""
        self._tell("READY=1")

    def stops(self, limit_s: float) -> None:
        """
        Tell that a stop begins; it looks for no signs of life any more.

        :param limit_s: when it has certainly ended; what is granted for stops is
            extended to that.
        """
        if self._beating is not None and self._beating.running:
            self._beating.stop()
        self._tell(
            "STOPPING=1",
            f"EXTEND_TIMEOUT_USEC={round((limit_s + KILLING_S) * 1e6)}",
            *self._changed("stops: answers what is under way"),
        )

    # -- inside ------------------------------------------------------------------------

    def _changed(self, status: str) -> list[str]:
        if status == self._status:
            return []
        self._status = status
        return [f"STATUS={' '.join(status.split())}"]

    def _tell(self, *lines: str) -> None:
        if self._address is None or not lines:
            return
        to = self._address
        name = f"\0{to[1:]}" if to.startswith("@") else to
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
                sending.settimeout(SEND_S)
                sending.sendto("\n".join(lines).encode(errors="replace"), name)
            self._problem = ""
        except OSError as error:
            self._complain(to, error.strerror or str(error))

    def _complain(self, address: str, reason: str) -> None:
        """Say once why systemd cannot be told anything."""
        if reason != self._problem:
            self._problem = reason
            log.warn(
                "systemd cannot be told how it goes at {address}: {reason}",
                address=address,
                reason=reason,
            )
