"""
What one gives to ``@tus/server`` as functions, written as one hook.

Run it with ``PYTHONPATH=. twistd -n tus --hooks-python like_tus_node:make_hook``, or
give ``make_hook(reactor)`` to an ``UploadsService`` as one of its ``hooks``.
"""

import json
import secrets
from typing import Any

from twisted.logger import Logger

from tustwisted.hooks.functions import FunctionHook
from tustwisted.interfaces import IHook
from tustwisted.protocol.answers import Answer, HttpAnswer
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.upload import UploadInfo

log = Logger("uploads")

USERS = {"Bearer letmein": "ada", "Bearer sesame": "grace"}
MAX_SIZE_BYTES = {"ada": 10 * 1024 * 1024, "grace": 1024 * 1024}


async def on_incoming_request(event: Event) -> Answer:
    """Do what ``onIncomingRequest`` does: for every request, before a byte is read."""
    assert event.request is not None
    owner = USERS.get(event.request.header("Authorization") or "")
    if owner is None:
        refusal = HttpAnswer(401, {"WWW-Authenticate": "Bearer"}, "Unauthorized\n")
        return Answer(reject=True, response=refusal)
    return Answer(owner=owner)


def naming_function(upload: UploadInfo) -> str:
    """Do what ``namingFunction`` does; a slash is allowed, and needs nothing more."""
    return f"{upload.owner}/{secrets.token_hex(16)}"


async def on_upload_create(event: Event) -> Answer:
    """Do what ``onUploadCreate``, ``namingFunction`` and ``maxSize`` do."""
    upload = event.upload
    assert upload.owner is not None  # nobody else is let in
    pairs = upload.metadata.pairs
    if "filename" not in pairs:
        missing = HttpAnswer(400, body='expected "filename" in Upload-Metadata\n')
        return Answer(reject=True, response=missing)
    return Answer(
        upload_id=naming_function(upload),
        max_size_bytes=MAX_SIZE_BYTES[upload.owner],
        metadata=Metadata.from_pairs({**pairs, "by": upload.owner.encode()}),
    )


async def on_upload_finish(event: Event) -> Answer:
    """Do what ``onUploadFinish`` does: the client is answered what this says."""
    body = json.dumps({"id": event.upload.upload_id, "size": event.upload.length})
    return Answer(response=HttpAnswer(200, {"Content-Type": "application/json"}, body))


async def told(event: Event) -> None:
    """Do what listeners of ``POST_CREATE`` and the like do."""
    log.info(
        "{type}: {upload_id} has {offset} bytes",
        type=event.type.value,
        upload_id=event.upload.upload_id,
        offset=event.upload.offset,
    )


def make_hook(reactor: Any) -> IHook:
    """Put them together."""
    return FunctionHook(
        "like-tus-node",
        {
            EventType.PRE_ACCESS: on_incoming_request,
            EventType.PRE_CREATE: on_upload_create,
            EventType.PRE_FINISH: on_upload_finish,
            EventType.POST_CREATE: told,
            EventType.POST_RECEIVE: told,
            EventType.POST_FINISH: told,
            EventType.POST_TERMINATE: told,
            EventType.POST_EXPIRE: told,
        },
    )
