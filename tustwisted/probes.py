"""
How a store or a locker may be asked whether it works at this moment.

Both are optional: what provides neither is taken to work.
"""

from __future__ import annotations

from zope.interface import Interface


class IHasRoom(Interface):
    """A store that can tell whether it can be written."""

    async def room() -> int:
        """
        See that bytes can be stored, and tell for how many there is room.

        It is cheap, disturbs nobody and logs nothing: it may be asked each second.

        :raises NoSpace: the storage is full.
        :raises StorageFailed: nothing can be stored.
        """


class IReachable(Interface):
    """A locker that needs somebody else, such as a Redis."""

    async def ping() -> None:
        """
        See that whom it needs answers; that ends within about a second.

        :raises LocksUnavailable: nobody does.
        """
