"""
Hooks made of Python functions, for programs that embed the server and for the daemon.

:class:`FunctionHook` takes one function for each event.  The others make a hook of a
function that decides one thing about an upload that is to be created.  Any function may
be ``async``, or return a Deferred.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from attrs import define, field, validators
from zope.interface import implementer

from tustwisted.interfaces import IHook
from tustwisted.named import article
from tustwisted.protocol.answers import Answer, HttpAnswer
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.metadata import Metadata

_T = TypeVar("_T")
_Given: TypeAlias = _T | Awaitable[_T | None] | None

EventFunction = Callable[[Event], _Given[Answer]]
"""Is asked, or told: of what it is told nobody looks at what it returns."""

MAX_REASON_CHARACTERS = 500
"""What a client is shown of the text of a :class:`ValueError`."""

_MAX_NAME_CHARACTERS = 80
_HOOK_NAME = re.compile(rf"[a-z0-9.-]{{1,{_MAX_NAME_CHARACTERS}}}")


@implementer(IHook)
@define(eq=False, repr=False)
class FunctionHook:
    """
    Calls a function for each event that has one.

    :param name: see :attr:`tustwisted.interfaces.IHook.name`.
    :param functions: by the event for which each is called.
    """

    name: str = field(validator=validators.matches_re(_HOOK_NAME))
    _functions: Mapping[EventType, EventFunction] = field(
        validator=validators.deep_mapping(
            validators.instance_of(EventType), validators.is_callable()
        )
    )

    @property
    def events(self) -> frozenset[EventType]:
        """See :attr:`tustwisted.interfaces.IHook.events`."""
        return frozenset(self._functions)

    async def start(self) -> None:
        """See :meth:`tustwisted.interfaces.IHook.start`."""

    async def stop(self) -> None:
        """See :meth:`tustwisted.interfaces.IHook.stop`."""

    async def ask(self, event: Event) -> Answer | None:
        """See :meth:`tustwisted.interfaces.IHook.ask`."""
        function = self._functions[event.type]
        return _checked(function, await _returned(function, event), Answer)

    async def tell(self, event: Event) -> None:
        """See :meth:`tustwisted.interfaces.IHook.tell`."""
        await _returned(self._functions[event.type], event)


def naming(f: Callable[[Event], _Given[str]], name: str | None = None) -> IHook:
    """
    Let a function name uploads.

    :param f: returns the id of the upload that is to be created; ``None``: the one that
        it would have.
    :param name: of the hook; ``None``: made of the function's.
    """
    return _deciding("naming", f, name, str, lambda upload_id: {"upload_id": upload_id})


def limiting(f: Callable[[Event], _Given[int]], name: str | None = None) -> IHook:
    """
    Let a function say how long an upload may get.

    :param f: returns a number of bytes; ``None``: as long as the server allows.
    :param name: of the hook; ``None``: made of the function's.
    """
    return _deciding("limiting", f, name, int, lambda size: {"max_size_bytes": size})


def storing_at(f: Callable[[Event], _Given[str]], name: str | None = None) -> IHook:
    """
    Let a function say where the bytes of an upload lie.

    :param f: returns a path relative to the root of the store; ``None``: where they
        would.
    :param name: of the hook; ``None``: made of the function's.
    """
    return _deciding("storing-at", f, name, str, lambda path: {"storage_path": path})


def checking_metadata(
    f: Callable[[Event], _Given[Answer | Metadata]], name: str | None = None
) -> IHook:
    """
    Let a function judge what a client says of its file.

    :param f: returns ``None`` if that may stay, or the metadata to keep in its place,
        or an answer.  A :class:`ValueError` of its is a rejection: the client gets 400
        and the text of the error, as one line.
    :param name: of the hook; ``None``: made of the function's.
    """

    async def answer(event: Event) -> Answer | None:
        try:
            returned = await _returned(f, event)
        except ValueError as error:
            return Answer(reject=True, response=HttpAnswer(400, body=_reason(error)))
        if isinstance(returned, Metadata):
            return Answer(metadata=returned)
        return _checked(f, returned, Answer)

    return _before_creation("checking-metadata", f, name, answer)


def _deciding(
    kind: str,
    f: Callable[[Event], _Given[_T]],
    name: str | None,
    type_: type[_T],
    fields: Callable[[_T], dict[str, Any]],
) -> IHook:
    async def answer(event: Event) -> Answer | None:
        returned = _checked(f, await _returned(f, event), type_)
        if returned is None:
            return None
        try:
            return Answer(**fields(returned))
        except ValueError as error:
            raise ValueError(
                f"{_path(f)} returned what cannot be used: {error}"
            ) from error

    return _before_creation(kind, f, name, answer)


def _before_creation(
    kind: str, f: Callable[..., object], name: str | None, answer: EventFunction
) -> IHook:
    if name is None:
        told = re.sub("[^a-z0-9]+", "-", _path(f).lower()).strip("-")
        name = f"{kind}.{told[len(kind) + 1 - _MAX_NAME_CHARACTERS :]}"
    return FunctionHook(name, {EventType.PRE_CREATE: answer})


async def _returned(function: Callable[[Event], Any], event: Event) -> Any:
    """Call a function, and wait if that is what it wants."""
    returned = function(event)
    return await returned if inspect.isawaitable(returned) else returned


def _checked(f: Callable[..., object], returned: Any, type_: type[_T]) -> _T | None:
    # A bool is an int to Python, and a size to nobody.
    is_right = isinstance(returned, type_) and not isinstance(returned, bool)
    if returned is None or is_right:
        return returned  # type: ignore[no-any-return]  # it was looked at
    raise TypeError(
        f"{_path(f)} returned {article(type(returned).__name__)}, "
        f"which is neither {article(type_.__name__)} nor None"
    )


def _path(f: Callable[..., object]) -> str:
    """Name a function, or what is called like one."""
    named = f if hasattr(f, "__qualname__") else type(f)
    return f"{named.__module__}.{named.__qualname__}"


def _reason(error: ValueError) -> str:
    """Make one printable line of the text of an error."""
    printable = "".join(c if c.isprintable() else " " for c in str(error))
    return " ".join(printable.split())[:MAX_REASON_CHARACTERS]
