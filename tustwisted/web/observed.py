"""Requests of whose end somebody is told."""

from __future__ import annotations

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.server import Request

from tustwisted.observing import UNOBSERVED, IObserver
from tustwisted.web.problems import code_of


@frozen(eq=False, repr=False)
class Watch:
    """
    Tells an observer how requests end; where there is none, that costs nothing.

    :param clock: measures how long they take.
    """

    _observer: IObserver
    _clock: IReactorTime

    def __call__(self, request: Request) -> None:
        """Watch a request that begins."""
        if self._observer is UNOBSERVED:
            return
        began_s = self._clock.seconds()

        def ended(result: object) -> None:
            is_cut = isinstance(result, Failure)
            self._observer.answered(
                request.method.decode("latin-1"),
                None if is_cut else request.code,
                code_of(request),
                self._clock.seconds() - began_s,
            )

        request.notifyFinish().addBoth(ended)  # type: ignore[unused-awaitable]


def watch_nothing(request: Request) -> None:
    """Tell nobody."""
