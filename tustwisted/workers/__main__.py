"""
The process of one worker, as the supervisor starts it.

Not for people: ``twistd tus --workers N`` runs ``python -P -m tustwisted.workers`` with
the words of its own command line, the orders in its environment, and open descriptors.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import evolve
from twisted.logger import globalLogBeginner
from twisted.python.reflect import namedAny

from tustwisted.process import collecting_later, spare_what_is_there
from tustwisted.prompt import PromptReactor
from tustwisted.signals import ignore_all
from tustwisted.workers.balance import Balance
from tustwisted.workers.inheriting import InheritingReactor, without_activation
from tustwisted.workers.life import Life, end_hard_with_supervisor, ignore
from tustwisted.workers.role import (
    BALANCE_FD,
    FIRST_PORT_FD,
    LIFE_FD,
    QUESTIONS_FD,
    SETTINGS_FD,
    WIRE_FD,
    Orders,
)
from tustwisted.workers.wire import Wire

if TYPE_CHECKING:
    from tustwisted.vitals import IVitals


def main() -> None:
    """Serve, until the supervisor ends or wants an end."""
    signal.signal(signal.SIGHUP, ignore)  # until it can do what that wants
    orders = Orders.take()
    sys.path[:] = orders.path
    for fd in range(WIRE_FD, FIRST_PORT_FD + orders.ports):
        os.set_inheritable(fd, False)  # a hook's process must not hold them open
    end_hard_with_supervisor(LIFE_FD, orders.orphan_s)
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
    signal.signal(signal.SIGINT, ignore)
    reactor.run()


@collecting_later()
def _start(reactor: Any, orders: Orders, wire: Wire) -> None:
    # Not above: these import a reactor, or what does.
    from twisted.internet.task import LoopingCall  # noqa: PLC0415

    from tustwisted.config.settings import Settings  # noqa: PLC0415
    from tustwisted.making import make_daemon  # noqa: PLC0415
    from tustwisted.workers.words import Words  # noqa: PLC0415

    balance = Balance(BALANCE_FD, orders.workers)
    number = orders.number

    def stop() -> object:
        signal.signal(signal.SIGTERM, ignore)
        balance.leave(number)
        return service.stopService()

    def failed() -> None:
        if service.problem is not None:
            wire.failed(service.problem)
        reactor.stop()

    with open(SETTINGS_FD, "rb") as file:
        settings = Settings(**pickle.load(file))
    with _in_directory(orders.read_in):
        words = Words()
        words.parseOptions(sys.argv[2:])
        ports = tuple(map(without_activation, settings.endpoints))
        service = make_daemon(
            reactor,
            evolve(settings, port=ports),
            failed=failed,
            listening=InheritingReactor(
                PromptReactor(reactor),
                _sockets(orders.ports),
                lambda: balance.has_too_many(number),
            ),
            role=orders.role,
            serves=wire.ready,
            counted=lambda connections: balance.tell(number, connections),
            read=lambda: words.read().settings,
            show=partial(_answer_questions, reactor),
        )
    # Before the supervisor is told that it serves: it may want that at once.
    signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(service.reload))
    service.startService()
    reactor.callWhenRunning(spare_what_is_there)
    balance.tell(number, 0)
    reactor.addSystemEventTrigger("before", "shutdown", stop)
    reactor.addSystemEventTrigger("after", "shutdown", ignore_all)
    reactor.addReader(Life(reactor, LIFE_FD))
    if orders.alive_every_s is not None:
        alive = LoopingCall(wire.alive)
        alive.start(orders.alive_every_s)  # type: ignore[unused-awaitable] # no end


def _answer_questions(reactor: Any, vitals: IVitals) -> None:
    from tustwisted.workers.questions import answer_at  # noqa: PLC0415 - as above

    answer_at(reactor, QUESTIONS_FD, vitals)


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


if __name__ == "__main__":
    main()
