"""
What happens to uploads, as values that a program may act upon.

The names are tusd's, and two are ours: ``pre-access`` and ``post-expire``.
"""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from tustwisted.protocol.requests import RequestInfo
from tustwisted.protocol.upload import UploadInfo


class EventType(Enum):
    """What a hook may be asked before, or told of after."""

    PRE_ACCESS = "pre-access"
    """A request has come, other than a CORS preflight; nothing was looked at yet."""

    PRE_CREATE = "pre-create"
    """An upload is to be created; nothing of it is stored."""

    POST_CREATE = "post-create"
    """It was created."""

    POST_RECEIVE = "post-receive"
    """Some of its bytes have come; told from time to time, and may be left out."""

    PRE_FINISH = "pre-finish"
    """All its bytes are stored; the client was not told yet."""

    POST_FINISH = "post-finish"
    """It is finished."""

    PRE_TERMINATE = "pre-terminate"
    """It is to be removed, since a client asks for it."""

    POST_TERMINATE = "post-terminate"
    """It was removed."""

    POST_EXPIRE = "post-expire"
    """It was removed, since it was left alone for too long."""

    @property
    def is_blocking(self) -> bool:
        """What it is about waits for the answer."""
        return self.value.startswith("pre-")

    @property
    def is_durable(self) -> bool:
        """It is kept until it was delivered, in its order, over crashes (D10)."""
        return not self.is_blocking and self is not EventType.POST_RECEIVE


@frozen
class Event:
    """Something that is about to happen to an upload, or has happened."""

    type: EventType

    event_id: str
    """
    What makes this event one, however often it is told; printable ASCII.

    ``pre-finish`` and the durable ones are told again after a crash, with the same id.
    """

    _upload: UploadInfo | None

    request: RequestInfo | None = None
    """What has caused it; ``None``: no request, but the program or the clock."""

    upload_id: str | None = None
    """Which upload it is about; ``None``: the creation URL."""

    sequence: int | None = None
    """
    The place of a durable event in the life of its upload, counted from 1.

    Counted are those that any hook wants.  ``None``: the event is not durable.
    """

    @property
    def upload(self) -> UploadInfo:
        """
        The upload as it is then; before it is created, as it would be.

        :raises LookupError: the event is ``pre-access``: nothing was looked at yet.
        """
        if self._upload is None:
            raise LookupError("an access is about no upload that was looked at")
        return self._upload
