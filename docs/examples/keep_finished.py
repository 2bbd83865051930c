"""
Let clients remove what is not finished yet, and nothing else.

Run it with ``PYTHONPATH=. twistd -n tus --hooks-python keep_finished:make_hook``.
"""

from typing import Any

from tustwisted.hooks.functions import FunctionHook
from tustwisted.interfaces import IHook
from tustwisted.protocol.answers import Answer
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.upload import UploadState


async def keep(event: Event) -> Answer | None:
    """Refuse the removal of an upload that is finished."""
    is_finished = event.upload.state is UploadState.FINISHED
    return Answer(reject=is_finished)


def make_hook(reactor: Any) -> IHook:
    """Ask before a removal."""
    return FunctionHook("keep-finished", {EventType.PRE_TERMINATE: keep})
