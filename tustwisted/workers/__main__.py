"""
The process of one worker, as the supervisor starts it.

Not for people: ``twistd tus --workers N`` runs ``python -m tustwisted.workers`` with
the words of its own command line, the orders in its environment, and open descriptors.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from twisted.internet.error import ReactorNotRunning
from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import globalLogBeginner
from twisted.python.failure import Failure
from twisted.python.reflect import namedAny
from zope.interface import implementer

from tustwisted.workers.balance import Balance
from tustwisted.workers.inheriting import InheritingReactor, without_activation
from tustwisted.workers.role import (
    BALANCE_FD,
    FIRST_PORT_FD,
    LIFE_FD,
    WIRE_FD,
    Orders,
)
from tustwisted.workers.wire import Wire


@implementer(IReadDescriptor)
class Life:
    """
    Notices that the supervisor has died, or wants this worker to end.

    :param reactor: is stopped then.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def fileno(self) -> int:
        """Name the pipe."""
        return LIFE_FD

    def logPrefix(self) -> str:
        """Name the pipe in logs."""
        return type(self).__name__

    def doRead(self) -> None:
        """Stop: nothing is ever written to the pipe, so this is its end."""
        self._reactor.removeReader(self)
        self._reactor.callLater(0, self._stop)

    def connectionLost(self, reason: Failure) -> None:
        """Stop, as some reactors tell the end of a pipe."""
        self.doRead()

    def _stop(self) -> None:
        # Service managers send SIGTERM to all processes of a service, so that may come
        # just before or just after; Twisted takes a second stop for an error.
        signal.signal(signal.SIGTERM, _ignore)
        with suppress(ReactorNotRunning):
            self._reactor.stop()


def main() -> None:
    """Serve, until the supervisor ends or wants an end."""
    orders = Orders.take()
    sys.path[:] = orders.path
    for fd in range(WIRE_FD, FIRST_PORT_FD + orders.ports):
        os.set_inheritable(fd, False)  # a hook's process must not hold them open
    wire = Wire(WIRE_FD)
    globalLogBeginner.beginLoggingTo([wire])
    namedAny(orders.reactor).install()
    from twisted.internet import reactor  # noqa: PLC0415 - it was installed just now

    try:
        _start(reactor, orders, wire)
    except (SystemExit, OSError) as problem:
        wire.failed(str(problem).removeprefix("tustwisted: "))
        raise SystemExit(1) from None
    # Ctrl-C is for the supervisor, which ends its workers in order.
    signal.signal(signal.SIGINT, _ignore)
    reactor.run()


def _start(reactor: Any, orders: Orders, wire: Wire) -> None:
    # Not above: these import a reactor, or what does.
    from tustwisted.making import make_daemon  # noqa: PLC0415
    from tustwisted.tap import Options  # noqa: PLC0415

    balance = Balance(BALANCE_FD, orders.workers)
    number = orders.number

    def stop() -> object:
        signal.signal(signal.SIGTERM, _ignore)
        balance.leave(number)
        return service.stopService()

    def failed() -> None:
        if service.problem is not None:
            wire.failed(service.problem)
        reactor.stop()

    with _in_directory(orders.read_in):
        options = Options()
        options.parseOptions(sys.argv[2:])
        options["port"] = [without_activation(port) for port in options["port"]]
        service = make_daemon(
            reactor,
            options,
            failed=failed,
            listening=InheritingReactor(
                reactor, _sockets(orders.ports), lambda: balance.has_too_many(number)
            ),
            role=orders.role,
            serves=wire.ready,
            counted=lambda connections: balance.tell(number, connections),
        )
    service.startService()
    balance.tell(number, 0)
    reactor.addSystemEventTrigger("before", "shutdown", stop)
    reactor.addReader(Life(reactor))


@contextmanager
def _in_directory(path: str) -> Iterator[None]:
    """Read what the options name where ``twistd`` read it, before ``--rundir``."""
    before = os.getcwd()
    os.chdir(path)
    yield
    os.chdir(before)


def _sockets(ports: int) -> Iterator[socket.socket]:
    for fd in range(FIRST_PORT_FD, FIRST_PORT_FD + ports):
        yield socket.socket(fileno=fd)


def _ignore(number: int, frame: object) -> None:
    """Do nothing; unlike SIG_IGN, this is not passed on to processes that it starts."""


if __name__ == "__main__":
    main()
