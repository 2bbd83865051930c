"""A reactor of which something is different, for endpoints that listen by it."""

from __future__ import annotations

from typing import Any

from zope.interface import directlyProvides, providedBy


class AlteredReactor:
    """
    Does what another reactor does, but for the methods of a subclass.

    :param reactor: the other one.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        directlyProvides(self, *providedBy(reactor))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)
