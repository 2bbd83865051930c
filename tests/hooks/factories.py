"""Factories of hooks, most of them of no use, for ``--hooks-python`` to find."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from tustwisted.hooks.functions import FunctionHook
from tustwisted.interfaces import IHook
from tustwisted.protocol.answers import Answer
from tustwisted.protocol.events import Event, EventType


def make(reactor: Any) -> FunctionHook:
    """Make a hook that names uploads by the type of reactor that it was given."""

    def answer(event: Event) -> Answer:
        return Answer(upload_id=type(reactor).__name__)

    return FunctionHook("named", {EventType.PRE_CREATE: answer})


def make_nothing(reactor: Any) -> None:
    """Forget to return a hook."""


def take_nothing() -> FunctionHook:
    """Take no reactor."""
    return FunctionHook("named", {})


def make_incomplete(reactor: Any) -> IHook:
    """Make a hook that cannot be told anything."""
    return Incomplete()


@implementer(IHook)
class Incomplete:  # type: ignore[misc]  # that is what it is for
    """Lacks most of what a hook has."""

    name = "incomplete"
