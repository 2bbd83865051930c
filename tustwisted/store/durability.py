"""What a store promises when the power fails (DESIGN D8)."""

from __future__ import annotations

from enum import Enum


class Durability(Enum):
    """
    A promise with a name, one for a whole store.

    Whatever the choice, a process that is killed loses nothing that was acknowledged:
    the kernel has it.
    """

    NONE = "none"
    """Nothing is synced; after a power loss anything may be missing, as in tusd."""

    FINISH = "finish"
    """A finished upload is on the device before it is called finished."""

    STRICT = "strict"
    """Every upload and every offset is on the device before it is told."""

    syncs: bool
    """Anything at all is synced; no property: a small upload asks a dozen times."""

    def __init__(self, name: str) -> None:
        """Say it once for each."""
        self.syncs = name != "none"
