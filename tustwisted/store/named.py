"""A store that is told by the name of what makes it (``--store``)."""

from __future__ import annotations

from collections.abc import Callable

from tustwisted.interfaces import IDataStore, IDisk
from tustwisted.named import make_named

StoreFactory = Callable[[str, IDisk], IDataStore]
"""
What ``--store`` names: makes a store, and opens nothing.

It is given the upload directory as the user has written it, which the store may use or
not, and the disk that runs what blocks.  The store is started, and stopped, by whoever
has it made.
"""


def make_named_store(name: str, directory: str, disk: IDisk) -> IDataStore:
    """
    Import a factory and have it make its store.

    :param name: ``package.module:factory``.
    :param directory: what the factory is told.
    :param disk: what the factory is given.
    :raises ValueError: that cannot be done; the message is one line that says why.
    """
    store: IDataStore = make_named(name, IDataStore, directory, disk)
    return store
