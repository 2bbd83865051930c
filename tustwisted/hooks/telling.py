"""
What hooks are told durable events with: an outbox, and what delivers from it.

That is two dozen modules, so they are imported where there are hooks.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorTime

from tustwisted.hooks.interfaces import IOutbox
from tustwisted.hooks.settings import HookSettings
from tustwisted.interfaces import IDisk, IHook
from tustwisted.protocol.events import EventType
from tustwisted.store.durability import Durability

if TYPE_CHECKING:
    from tustwisted.hooks.delivery import Delivery


def make_outbox(
    directory: str, disk: IDisk, durability: Durability, settings: HookSettings
) -> IOutbox:
    """
    Make an outbox beside the uploads of a directory; it is opened when it is started.

    :param durability: of those uploads.
    """
    from tustwisted.hooks.outbox.file import NAME, FileOutbox

    return FileOutbox(
        os.path.join(directory, NAME),
        disk,
        syncs=partial(_is_synced, durability),
        limit=settings.outbox_limit,
        keep=settings.kept_headers,
    )


def make_memory_outbox(settings: HookSettings) -> IOutbox:
    """Make an outbox that lives as long as this process."""
    from tustwisted.hooks.outbox.memory import MemoryOutbox

    return MemoryOutbox(settings.outbox_limit)


def make_delivery(
    outbox: IOutbox,
    hooks: Sequence[IHook],
    clock: IReactorTime,
    settings: HookSettings,
) -> Delivery:
    """Make what delivers, to be started by one process of all that share an outbox."""
    from tustwisted.hooks.delivery import Delivery

    return Delivery(outbox, hooks, clock, settings.give_up_after_s)


def _is_synced(durability: Durability, kind: EventType) -> bool:
    """Tell whether an event is as safe as what it tells of, when the power fails."""
    if durability is Durability.FINISH:
        return kind is EventType.POST_FINISH
    return durability.syncs
