"""
What is told by the name of what makes it, such as ``--store package.module:factory``.

What goes wrong with the author's module, whatever it is, becomes one sentence.
"""

from __future__ import annotations

import importlib
import re
import traceback
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from zope.interface import Interface, providedBy
from zope.interface.exceptions import Invalid
from zope.interface.verify import verifyObject

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def check_name(name: str) -> str:
    """
    See that a string may name a factory; imports nothing.

    :returns: the string.
    :raises ValueError: it may not; the message says what does.
    """
    if _NAME.fullmatch(name) is None:
        raise ValueError("must be package.module:factory")
    return name


def make_named(name: str, interface: type[Interface], *args: object) -> Any:
    """
    Import a factory, call it, and see that it returns what it should.

    :param name: ``package.module:factory``.
    :param interface: what is made provides this, and whatever else it says it does.
    :param args: what the factory is given.
    :raises ValueError: that cannot be done; the message is one line that says why.
    """
    factory = _find(name)
    try:
        made = factory(*args)
    except Exception as error:
        raise ValueError(f"it raised {_told(error)}") from error
    if not interface.providedBy(made):
        kind = article(type(made).__name__)
        raise ValueError(f"it returned {kind}, which is no {interface.__name__}")
    for provided in providedBy(made):
        try:
            verifyObject(provided, made)
        except Invalid as error:
            raise ValueError(_one_line(str(error))) from error
    return made


def article(noun: str) -> str:
    """Put its article before the name of a type."""
    return f"{'an' if noun[:1] in 'AEIOUaeiou' else 'a'} {noun}"


def _find(name: str) -> Callable[..., Any]:
    module_name, _, attribute = check_name(name).partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        if _is_missing(error, module_name):
            raise ValueError(
                f"there is no module {error.name} on Python's path"  # type: ignore[attr-defined]
            ) from error
        raise ValueError(f"importing {module_name} raised {_told(error)}") from error
    try:
        found: Any = attrgetter(attribute)(module)
    except AttributeError as error:
        raise ValueError(f"{module_name} has no {attribute}") from error
    if not callable(found):
        raise ValueError(f"{attribute} is {article(type(found).__name__)}, no factory")
    return found  # type: ignore[no-any-return]


def _is_missing(error: Exception, module_name: str) -> bool:
    """Tell whether the module is not there, and not something that it imports."""
    return isinstance(error, ModuleNotFoundError) and f"{module_name}.".startswith(
        f"{error.name}."
    )


def _told(error: Exception) -> str:
    """Tell an error, and where it was raised, in one line."""
    told = _one_line(f"{type(error).__name__}: {error}").rstrip(": ")
    frame = traceback.extract_tb(error.__traceback__)[-1]
    if isinstance(error, SyntaxError) or frame.filename == __file__:
        return told  # the first one says where; here, it was called the wrong way
    return f"{told} ({frame.filename}, line {frame.lineno})"


def _one_line(text: str) -> str:
    return " ".join(text.split())
