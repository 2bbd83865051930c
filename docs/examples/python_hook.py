"""
A hook in Python: names uploads by their owner, limits them, and says when one is there.

Run it with ``PYTHONPATH=. twistd -n tus --hooks-python python_hook:make_hook``.
"""

from typing import Any
from uuid import uuid4

from twisted.logger import Logger

from tustwisted.hooks.functions import FunctionHook
from tustwisted.interfaces import IHook
from tustwisted.protocol.answers import Answer, HttpAnswer
from tustwisted.protocol.events import Event, EventType

log = Logger()


async def before_creation(event: Event) -> Answer:
    """Refuse what has no name; put all else below its type."""
    upload = event.upload
    if not upload.metadata.value("filename"):
        return Answer(HttpAnswer(422, body="a file needs a name\n"), reject=True)
    return Answer(upload_id=f"images/{uuid4().hex}", max_size_bytes=10 * 2**20)


async def after_finish(event: Event) -> None:
    """Take note of a finished upload; what raises here is called again later."""
    log.info("{id} is there", id=event.upload_id)


def make_hook(reactor: Any) -> IHook:
    """Make the hook; the reactor is for those that need one."""
    functions = {
        EventType.PRE_CREATE: before_creation,
        EventType.POST_FINISH: after_finish,
    }
    return FunctionHook("my-images", functions)
