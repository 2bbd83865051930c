"""
The smallest store of one's own: one that somebody else has written.

Run it with ``PYTHONPATH=. twistd -n tus --store smallest_store:make_store``.
"""

from tustwisted.interfaces import IDataStore, IDisk
from tustwisted.store.memory import MemoryStore


def make_store(directory: str, disk: IDisk) -> IDataStore:
    """Make a store that keeps everything in memory, up to 1 GiB."""
    return MemoryStore(capacity_bytes=2**30)
