"""
The fields of a JSON object as Go reads them: ``null`` says as little as no field.

Pure.  What cannot be meant is a :class:`ValueError` with a sentence that names it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

_T = TypeVar("_T")

_CALLED = {
    bool: "true or false",
    dict: "an object",
    int: "a whole number",
    list: "a list",
    str: "a text",
}


def load_object(content: bytes) -> dict[str, Any]:
    """
    Read a JSON object that a stranger may have written; ``null`` is an empty one.

    :raises ValueError: it is none; nothing else is raised, whatever the bytes.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):  # 100,000 brackets
        raise ValueError("it is no JSON") from None
    return take({"it": found}, "it", dict, {})


def take(fields: Mapping[str, Any], name: str, kind: type[_T], default: _T) -> _T:
    """
    Look a field up.

    :param default: what absent and ``null`` are.
    :raises ValueError: it is of another type.
    """
    value = fields.get(name)
    if value is None:
        return default
    require(value, kind, name)
    return value  # type: ignore[no-any-return] # it was just looked at


def require(value: object, kind: type[object], name: str) -> None:
    """
    Insist on a type.

    :raises ValueError: it is another one.
    """
    if type(value) is not kind:  # exactly: True is an int to isinstance()
        raise ValueError(f"{name} must be {_CALLED[kind]}")


def take_text(fields: Mapping[str, Any], name: str) -> str:
    """
    Look a text up; absent and ``null`` are empty.

    :raises ValueError: it is something else.
    """
    return take(fields, name, str, "")


def take_texts(fields: Mapping[str, Any], name: str) -> dict[str, str] | None:
    """
    Look an object of texts up; a ``null`` in it is empty, as in Go.

    :returns: ``None``: absent or ``null``.
    :raises ValueError: it is something else.
    """
    if fields.get(name) is None:
        return None
    found = take(fields, name, dict, {})
    return {key: take_text(found, key) for key in found}


def take_seconds(fields: Mapping[str, Any], name: str) -> float | None:
    """
    Look a number up that may have a fraction.

    :returns: ``None``: absent or ``null``.
    :raises ValueError: it is something else, or no finite number.
    """
    value = fields.get(name)
    if value is None:
        return None
    try:
        if type(value) in (int, float) and abs(float(value)) < float("inf"):
            return float(value)
    except OverflowError:  # an integer of 400 digits
        pass
    raise ValueError(f"{name} must be a number of seconds")
