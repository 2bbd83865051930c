"""What the groups of options of ``twistd tus`` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.python import usage

_T = TypeVar("_T")


def tried(name: str, text: str, parse: Callable[[str], _T], shows: bool = True) -> _T:
    """
    Read the value of an option.

    :param shows: it may be repeated: there is no secret in it.
    :raises UsageError: it cannot be used; one sentence that names both.
    """
    try:
        return parse(text)
    except ValueError as error:
        shown = f"--{name} {text}" if shows else f"--{name}"
        raise usage.UsageError(f"{shown}: {error}") from error
