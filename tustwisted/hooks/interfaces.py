"""What keeps durable events between the core, which causes them, and their delivery."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from attrs import frozen
from zope.interface import Attribute, Interface

from tustwisted.protocol.events import Event
from tustwisted.protocol.upload import UploadInfo
from tustwisted.waiting import Bell


class IOutbox(Interface):
    """
    Keeps each durable event from before it happens until it was delivered (D10).

    So there is no moment in which a crash could lose it, or make one up: whoever does
    what an event tells of prepares it first, does it, and commits it.  An event that a
    crash left prepared is settled by whoever holds the upload next.
    """

    is_shared: bool = Attribute(
        """All processes that share the uploads put events here: one delivers them."""
    )

    async def start() -> None:
        """
        Take it into use; nothing is opened or made before.

        :raises CannotStart: it cannot be used.
        """

    async def stop() -> None:
        """Let go of what ``start`` took, when nothing is being prepared any more."""

    async def prepare(event: Event, hooks: Collection[str]) -> INotice:
        """
        Keep an event that is about to happen; for the holder of its upload.

        One of the same id that was prepared before, and not settled, is replaced.

        :param hooks: the names of those that want it, at least one.
        :raises EventsWaiting: (post-create only) so many wait for their delivery that
            no upload may begin.
        :raises NoSpace: it is not kept.
        :raises StorageFailed: it is not kept.
        """

    async def unsettled(upload_id: str) -> Sequence[INotice]:
        """
        Find what a crash left prepared of an upload, in order; for its holder.

        It is asked before each change of an upload, and so is quick.
        """

    async def all_unsettled() -> Sequence[str]:
        """List the uploads of which something is prepared, just now or by a crash."""

    async def is_waiting(upload: UploadInfo, hook: str) -> bool:
        """
        Tell whether an event of an upload still waits for its delivery to a hook.

        :param upload: its id and its creation tell which one it is.
        """


class INotice(Interface):
    """An event that is prepared."""

    event: Event = Attribute("""What is about to happen.""")

    async def commit() -> None:
        """
        Take note that it has happened: it is delivered from now on.

        Whatever became of the files meanwhile, the event is kept when this fires.

        :raises NoSpace: or :class:`StorageFailed`; it stays prepared.
        """

    async def withdraw() -> None:
        """Forget it: it has not happened.  Harmless when it was settled before."""


@frozen
class DueEvent:
    """An event that waits for its delivery to a hook."""

    event: Event

    since_s: float
    """Since when it waits, seconds since 1970."""


@frozen
class Kept:
    """How many events are kept for a hook."""

    due: int
    dead: int
    """Dead letters: those that are not to be delivered."""


@frozen
class Page:
    """Some names of events that are due to a hook, and where to go on."""

    names: tuple[str, ...]
    """Sorted; of no upload is one left out that comes before another one in here."""

    after: str
    """What to give next time; empty: these were all."""

    total: int
    """How many there were."""


class IMail(Interface):
    """
    What an outbox has for the delivery; for one process at a time (D10).

    An event that is due has a name.  Those of one upload begin alike, up to ``~``, and
    sorted they are in the order in which they are to be told.
    """

    def bell(hook: str) -> Bell:
        """Return what rings when an event for a hook was committed by this process."""

    async def hooks() -> Sequence[str]:
        """
        List the hooks for which anything is due.

        :raises StorageFailed: the storage would not tell.
        """

    async def kept() -> Mapping[str, Kept]:
        """
        Count what is kept for each hook, where there is anything or was once.

        :raises StorageFailed: the storage would not tell.
        """

    async def mark(hook: str) -> object:
        """
        Return what differs from what it was before if something came for a hook.

        So it does for most of what comes: a file system may not notice two changes in
        the same moment.  It is quick.

        :raises StorageFailed: the storage would not tell.
        """

    async def look(hook: str, after: str, most: int) -> Page:
        """
        Look for events that are due to a hook, also for those that others committed.

        :param after: where the page before has ended; empty: begin.  After the last
            name it goes on from the first one.
        :param most: about so many are told of.
        :raises StorageFailed: the storage would not tell.
        """

    async def read(hook: str, name: str) -> DueEvent | None:
        """
        Read an event that is due; ``None``: there is none of this name any more.

        :raises StorageFailed: the storage would not tell.
        """

    async def delivered(hook: str, name: str) -> None:
        """
        Forget an event that a hook has taken note of; harmless when it is gone.

        :raises StorageFailed: it is still due.
        """

    async def bury(hook: str, name: str, reason: str) -> None:
        """
        Keep an event apart that is not to be delivered; harmless when it is gone.

        :param reason: one sentence.
        :raises NoSpace: or :class:`StorageFailed`; it is still due.
        """
