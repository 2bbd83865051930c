"""What keeps durable events between the core, which causes them, and their delivery."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from zope.interface import Attribute, Interface

from tustwisted.protocol.events import Event
from tustwisted.protocol.upload import UploadInfo


class IOutbox(Interface):
    """
    Keeps each durable event from before it happens until it was delivered (D10).

    So there is no moment in which a crash could lose it, or make one up: whoever does
    what an event tells of prepares it first, does it, and commits it.  An event that a
    crash left prepared is settled by whoever holds the upload next.
    """

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
