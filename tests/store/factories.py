"""Factories of stores, most of them of no use, for ``--store`` to find."""

from __future__ import annotations

import importlib

from zope.interface import implementer

from tustwisted.abilities import IDefersLength
from tustwisted.interfaces import IDataStore, IDisk
from tustwisted.store.memory import MemoryStore

CONSTANT = 3


class Stores:
    """A factory that is an attribute of something."""

    @staticmethod
    def make(directory: str, disk: IDisk) -> MemoryStore:
        """Make a store that keeps to its interfaces."""
        return MemoryStore()


def fail(directory: str, disk: IDisk) -> MemoryStore:
    """Raise something, over two lines."""
    raise ValueError(f"cannot\nuse {directory}")


def fail_to_import(directory: str, disk: IDisk) -> MemoryStore:
    """Import what is not there."""
    importlib.import_module("tests.store.missing")
    return MemoryStore()


def make_none(directory: str, disk: IDisk) -> None:
    """Forget to return a store."""


def take_one(directory: str) -> MemoryStore:
    """Take too little."""
    return MemoryStore()


@implementer(IDataStore)
class Incomplete:  # type: ignore[misc] # which is the point
    """Says that it is a store."""


@implementer(IDefersLength)
class Unable(MemoryStore):
    """A store that says that it can do something."""

    set_length = None  # type: ignore[assignment]


def make_incomplete(directory: str, disk: IDisk) -> IDataStore:
    """Return what lacks everything."""
    return Incomplete()


def make_unable(directory: str, disk: IDisk) -> IDataStore:
    """Return what lacks an ability that it claims."""
    return Unable()
