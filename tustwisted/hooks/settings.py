"""How the hooks of some uploads are told what happens."""

from __future__ import annotations

from attrs import frozen

GIVE_UP_AFTER_S = 86_400.0
"""An event that fails for a day is a dead letter."""

LIMIT = 100_000
"""So many events may wait until no upload can be created any more."""


@frozen
class HookSettings:
    """What holds for all hooks of some uploads."""

    progress_interval_s: float = 1.0
    """While an upload is received it is told of at most so often, seconds; as tusd."""

    progress_bytes: int = 16 * 1024 * 1024
    """It is told of before that when so many bytes have come since the last time."""

    outbox_limit: int = LIMIT
    """With so many events waiting for their delivery no upload is begun any more."""

    give_up_after_s: float = GIVE_UP_AFTER_S
    """An event that could not be delivered for so long is a dead letter, seconds."""

    kept_headers: tuple[str, ...] = ()
    """Headers with secrets that what is told later has all the same, in any case."""
