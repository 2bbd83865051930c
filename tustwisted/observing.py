"""
Telling somebody what the server does, such as one who counts it.

The core and the web tell facts by way of this interface, each once and when it is over;
nothing is told for a piece of a body.
"""

# ruff: noqa: N805 (zope interfaces have no self)

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from zope.interface import Interface, implementer

if TYPE_CHECKING:
    from tustwisted.protocol.events import EventType
    from tustwisted.protocol.upload import UploadInfo


class Asked(Enum):
    """How it went with a hook that was asked, or told, of an event."""

    OK = "ok"
    REFUSED = "refused"
    """It does not allow what it was asked about, or will never take note of it."""
    FAILED = "failed"
    CUT = "cut"
    """Nobody waited for its answer any more."""


class IObserver(Interface):
    """
    Is told what the server does; whoever wants to know only some of it derives from
    :class:`Unobserved`.

    It is called in the reactor and in the middle of the work: it is quick and raises
    nothing.
    """

    def happened(kind: EventType, upload: UploadInfo) -> None:
        """
        Take note of what became of an upload.

        :param kind: a durable one: created, finished, terminated or expired.
        """

    def received(size_bytes: int) -> None:
        """Take note of the end of a body, and of how much of it has come."""

    def answered(method: str, status: int | None, code: str, took_s: float) -> None:
        """
        Take note of the end of a request.

        :param method: as it was sent, or as a header has changed it: any word.
        :param status: ``None``: its connection ended before its answer did.
        :param code: the ``ERR_CODE`` that was told; empty: none.
        """

    def waited(is_granted: bool, took_s: float) -> None:
        """Take note of the end of a wait for the lock of an upload."""

    def taken_over() -> None:
        """Take note that a request has lost its upload to another one."""

    def asked(hook: str, kind: EventType, how: Asked, took_s: float) -> None:
        """Take note of the end of a call of a hook."""

    def swept(is_done: bool, took_s: float) -> None:
        """Take note of the end of a sweep."""


@implementer(IObserver)
class Unobserved:
    """Takes note of nothing."""

    def happened(self, kind: EventType, upload: UploadInfo) -> None:
        """See :meth:`IObserver.happened`."""

    def received(self, size_bytes: int) -> None:
        """See :meth:`IObserver.received`."""

    def answered(
        self, method: str, status: int | None, code: str, took_s: float
    ) -> None:
        """See :meth:`IObserver.answered`."""

    def waited(self, is_granted: bool, took_s: float) -> None:
        """See :meth:`IObserver.waited`."""

    def taken_over(self) -> None:
        """See :meth:`IObserver.taken_over`."""

    def asked(self, hook: str, kind: EventType, how: Asked, took_s: float) -> None:
        """See :meth:`IObserver.asked`."""

    def swept(self, is_done: bool, took_s: float) -> None:
        """See :meth:`IObserver.swept`."""


UNOBSERVED = Unobserved()
"""Where this is the observer, what is only for observers is not even done."""
