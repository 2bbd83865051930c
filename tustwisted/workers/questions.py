"""
What the supervisor asks its workers, for whoever asks it: how they are, all together.

A question is a word in a line; its answer is a line of JSON that begins with the word.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from typing import Any, Final

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from tustwisted.metrics.counts import Counts, merged
from tustwisted.outcome import Outcome
from tustwisted.vitals import IVitals
from tustwisted.waiting import within

log = Logger()

PROBLEMS: Final = "problems"
COUNTS: Final = "counts"

PATIENCE_S: Final = 2.0
"""How long a worker may take; its own parts have less."""

MOST_BYTES: Final = 2**22
"""Of a line: a hundred hooks make some 100 kB."""


class _Lines(LineOnlyReceiver):
    delimiter = b"\n"
    MAX_LENGTH = MOST_BYTES


class Answering(_Lines):
    """
    The worker's end.

    :param vitals: tells how this worker is.
    """

    def __init__(self, vitals: IVitals) -> None:
        self._vitals = vitals

    def lineReceived(self, line: bytes) -> None:
        """Begin to answer."""
        answering = Deferred.fromCoroutine(self._answer(line.decode()))
        answering.addErrback(  # type: ignore[unused-awaitable]
            lambda f: log.failure("the supervisor could not be answered", f)
        )

    async def _answer(self, word: str) -> None:
        if word == PROBLEMS:
            told: Any = list(await self._vitals.problems())
        else:
            told = (await self._vitals.counts()).as_json()
        self.sendLine(json.dumps([word, told]).encode())


class Asking(_Lines):
    """
    The supervisor's end, for one process; it asks each thing once at a time.

    :param vitals: is told of its end.
    :ivar number: of the worker.
    """

    def __init__(self, vitals: WorkersVitals, number: int) -> None:
        self._vitals = vitals
        self.number = number
        self._asked: dict[str, Outcome[Any]] = {}

    def ask(self, word: str) -> Deferred[Any]:
        """Return the answer; it fails with why the connection ended, if it does."""
        outcome = self._asked.get(word)
        if outcome is None:
            outcome = self._asked[word] = Outcome()
            self.sendLine(word.encode())
        return outcome.wait()

    def lineReceived(self, line: bytes) -> None:
        """Pass an answer on."""
        word, told = json.loads(line)
        self._asked.pop(word).settle(told)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Take note that the worker has ended."""
        asked, self._asked = self._asked, {}
        for outcome in asked.values():
            outcome.settle(reason)
        self._vitals.ended(self)


@implementer(IVitals)
@define(eq=False, repr=False)
class WorkersVitals:
    """
    How several workers are, as one.

    :param reactor: provides ``IReactorSocket`` and ``IReactorTime``.
    """

    _reactor: Any
    _lines: dict[int, Asking] = field(init=False, factory=dict)
    _told: dict[Asking, Counts] = field(init=False, factory=dict)
    """What each has told last: what one does not tell in time has not gone."""
    _left: Counts = field(init=False, factory=Counts)
    """What those have told that ended since: a sum must never fall."""

    def ask_at(self, number: int, at: socket.socket) -> None:
        """Ask a worker by a socket, which is closed here."""
        line = Asking(self, number)
        with at:
            _adopt(self._reactor, at.fileno(), line)
        self._lines[number] = line

    def ended(self, line: Asking) -> None:
        """Take note that a worker has ended."""
        told = self._told.pop(line, None)
        if told is not None:
            self._left = merged([self._left, told.only_growing()])
        if self._lines.get(line.number) is line:  # or another one is in its place
            del self._lines[line.number]

    async def problems(self) -> Sequence[str]:
        """
        See :meth:`tustwisted.vitals.IVitals.problems`.

        One that is ready is enough: it takes the connections.
        """
        found = ["workers: none of them runs"] if not self._lines else []
        for line, told in await self._ask_all(PROBLEMS):
            if not told and told is not None:
                return []
            for problem in ["does not answer"] if told is None else told:
                found.append(f"worker {line.number}: {problem}")
        return found

    async def counts(self) -> Counts:
        """See :meth:`tustwisted.vitals.IVitals.counts`."""
        for line, told in await self._ask_all(COUNTS):
            if told is not None and line in self._lines.values():
                self._told[line] = Counts.from_json(told)
        return merged([self._left, *self._told.values()])

    async def _ask_all(self, word: str) -> list[tuple[Asking, Any]]:
        """Ask all at once; of who does not answer in time the answer is ``None``."""
        lines = [line for _, line in sorted(self._lines.items())]
        asking = [within(PATIENCE_S, line.ask(word), self._reactor) for line in lines]
        answers = await DeferredList(asking, consumeErrors=True)
        return [
            (line, told if is_told else None)
            for line, (is_told, told) in zip(lines, answers, strict=True)
        ]


def answer_at(reactor: Any, fd: int, vitals: IVitals) -> None:
    """
    Answer what the supervisor asks.

    :param fd: a socket; owned from now on.
    """
    _adopt(reactor, fd, Answering(vitals))
    os.close(fd)


def _adopt(reactor: Any, fd: int, protocol: _Lines) -> None:
    os.set_blocking(fd, False)  # which the reactor takes for granted
    reactor.adoptStreamConnection(fd, socket.AF_UNIX, _Single(protocol))


class _Single(Factory):
    """Gives one connection its protocol."""

    noisy = False

    def __init__(self, protocol: _Lines) -> None:
        self._protocol = protocol

    def buildProtocol(self, _: IAddress | None) -> _Lines:
        """Return it."""
        return self._protocol
