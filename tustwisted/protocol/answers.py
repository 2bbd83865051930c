"""
What a hook may answer, checked when it is made.

A value that could not be used is a :class:`ValueError` in the hook that makes it, or in
the room that reads it from JSON: never a broken answer or a wiped upload.
"""

from __future__ import annotations

import math
from typing import Any

from attrs import Attribute, evolve, field, frozen, validators

from tustwisted.httpanswer import HttpAnswer
from tustwisted.protocol.headers import MAX_BYTES
from tustwisted.protocol.ids import is_upload_id
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.upload import Storage, UploadInfo, is_owner

__all__ = ["Answer", "HttpAnswer"]


def _check_id(_: object, __: Attribute[Any], upload_id: str | None) -> None:
    if upload_id is not None and not is_upload_id(upload_id):
        raise ValueError("the id is no upload id")


def _check_seconds(_: object, __: Attribute[Any], seconds: float | None) -> None:
    if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
        raise ValueError("a time must be more than 0 seconds")


def _check_owner(_: object, __: Attribute[Any], owner: str | None) -> None:
    if owner is not None and not is_owner(owner):
        raise ValueError("the owner must be 1 to 200 printable characters")


@frozen
class Answer:
    """
    What a hook answers when it is asked.

    What an event does not ask for is not looked at; see ``docs/hooks.rst``.
    """

    response: HttpAnswer = field(factory=HttpAnswer)
    """What it changes of the answer to the client."""

    reject: bool = False
    """
    It shall not be done: the access, creation, finish or termination.

    The status is 400, or for an access 403, unless ``response`` has another one.
    """

    stop: bool = False
    """(post-receive) Read no more of the body, and remove the upload."""

    upload_id: str | None = field(default=None, validator=_check_id)
    """(pre-create) The id of the upload; one that is taken is an error of the hook."""

    metadata: Metadata | None = None
    """(pre-create) What is kept in the place of all that the client said."""

    storage_path: str | None = None
    """(pre-create) Where its bytes lie, under the root of the store."""

    max_size_bytes: int | None = field(
        default=None,
        validator=validators.optional(
            validators.and_(validators.ge(0), validators.le(MAX_BYTES))
        ),
    )
    """(pre-create) How long the upload may get; never more than the server allows."""

    expire_after_s: float | None = field(default=None, validator=_check_seconds)
    """(pre-create) How long it is kept after its last byte until it is finished."""

    owner: str | None = field(default=None, validator=_check_owner)
    """(pre-access) Who asks; (pre-create) whose upload it is."""

    def then(self, later: Answer) -> Answer:
        """Return what two hooks together say; the later one has the last word."""
        return evolve(
            self,
            response=self.response.then(later.response),
            reject=self.reject or later.reject,
            stop=self.stop or later.stop,
            **_said(later, *_OF_UPLOADS, "storage_path"),
        )

    def applied_to(self, upload: UploadInfo) -> UploadInfo:
        """Return an upload that is to be created as the hook wants it."""
        changes = _said(self, *_OF_UPLOADS)
        if self.storage_path is not None:
            changes["storage"] = Storage(self.storage_path)
        return evolve(upload, **changes) if changes else upload


_OF_UPLOADS = ("upload_id", "metadata", "max_size_bytes", "expire_after_s", "owner")
"""What is called the same in an answer and in an upload."""


def _said(answer: Answer, *names: str) -> dict[str, Any]:
    values = ((name, getattr(answer, name)) for name in names)
    return {name: value for name, value in values if value is not None}
