"""
What a hook may answer, checked when it is made.

A value that could not be used is a :class:`ValueError` in the hook that makes it, or in
the room that reads it from JSON: never a broken answer or a wiped upload.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from attrs import Attribute, evolve, field, frozen, validators

from tustwisted.protocol.headers import MAX_BYTES
from tustwisted.protocol.ids import is_upload_id
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.upload import is_owner

MAX_BODY_BYTES = 1024 * 1024
"""A longer body is no message to a client."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(
    r"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*"
    r"[\x21-\x7e\x80-\xff])?)?"
)

_OF_THE_SERVER = frozenset(
    {
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "server",
        "trailer",
        "transfer-encoding",
        "tus-resumable",
        "upgrade",
        "upload-offset",
    }
)
"""What would break the connection, or lie about what is stored."""


def _check_status(_: object, __: Attribute[Any], status: int | None) -> None:
    if status is not None and not (type(status) is int and 200 <= status <= 599):
        raise ValueError(f"{status!r} is no status from 200 to 599")


def _check_headers(_: object, __: Attribute[Any], headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no name of a header")
        if name.lower() in _OF_THE_SERVER:
            raise ValueError(f"{name} is for the server to set")
        if not isinstance(value, str) or _VALUE.fullmatch(value) is None:
            raise ValueError(f"{name} has a value that no header can have")


def _check_body(_: object, __: Attribute[Any], body: str) -> None:
    if not isinstance(body, str) or len(body.encode("utf-8")) > MAX_BODY_BYTES:
        raise ValueError(f"a body is a text of at most {MAX_BODY_BYTES} bytes")


@frozen
class HttpAnswer:
    """What a hook changes of the answer to a request."""

    status: int | None = field(default=None, validator=_check_status)
    """200 to 599; ``None``: as it would be."""

    headers: Mapping[str, str] = field(factory=dict, validator=_check_headers)
    """Set beside those of the server, or in their place."""

    body: str = field(default="", validator=_check_body)
    """Sent in UTF-8; empty: as it would be."""

    def then(self, later: HttpAnswer) -> HttpAnswer:
        """Return what two hooks together change; the later one has the last word."""
        return HttpAnswer(
            self.status if later.status is None else later.status,
            {**self.headers, **later.headers},
            later.body or self.body,
        )


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
        said = {
            name: value
            for name in (
                "upload_id",
                "metadata",
                "storage_path",
                "max_size_bytes",
                "expire_after_s",
                "owner",
            )
            if (value := getattr(later, name)) is not None
        }
        return evolve(
            self,
            response=self.response.then(later.response),
            reject=self.reject or later.reject,
            stop=self.stop or later.stop,
            **said,
        )
