"""The events of an outbox that have happened; everything here blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from attrs import define, evolve, frozen

from tustwisted.hooks.interfaces import DueEvent, Page
from tustwisted.hooks.outbox.letters import Letter
from tustwisted.hooks.outbox.names import due_name, due_names
from tustwisted.hooks.outbox.paging import choose
from tustwisted.hooks.outbox.places import Places
from tustwisted.protocol.upload import UploadInfo


@frozen
class Kept:
    """A letter, and since when it is where it is."""

    name: str
    letter: Letter
    since_s: float
    """Seconds since 1970."""


@define(eq=False, repr=False)
class Due:
    """Keeps, for each hook, what it is to be told of, and its dead letters."""

    _places: Places

    _is_shared: bool = False
    """Other machines write here too, by a network file system."""

    def changed_s(self, hook: str) -> float | None:
        """Tell when anything of what is due last changed; ``None``: never."""
        directory = self._places.due(hook)
        try:
            if self._is_shared:  # its server is asked, not what is remembered of it
                self._places.files.require_directory(directory)
            return self._places.files.changed_s(directory)
        except FileNotFoundError:
            return None

    def count(self, hook: str, is_dead: bool = False) -> int:
        """Count what is due to a hook, or its dead letters."""
        places = self._places
        directory = places.dead(hook) if is_dead else places.due(hook)
        return sum(1 for _ in places.names(directory))

    def look(self, hook: str, after: str, most: int) -> Page:
        """Choose some of the names; see :func:`~.paging.choose`."""
        directory = self._places.due(hook)

        def odd(name: str) -> None:
            self._places.tell_odd(f"{directory}/{name}", "it has no name of an event")

        return choose(lambda: self._places.names(directory), after, most, odd)

    def read(self, hook: str, name: str) -> DueEvent | None:
        """Read what is due to a hook; ``None``: it is not there, or is odd."""
        kept = self._read(self._places.due(hook), name)
        return None if kept is None else DueEvent(kept.letter.event, kept.since_s)

    def bury(self, hook: str, name: str, reason: str) -> None:
        """Make a dead letter of what is due to a hook; harmless when it is gone."""
        path = f"{self._places.due(hook)}/{name}"
        letter = self._places.read(path)
        if letter is not None:
            dead = evolve(letter, hooks=(hook,), reason=reason)
            self._places.put(f"{self._places.dead(hook)}/{name}", dead, False)
            self._places.remove(path)

    def revive(self, hook: str, name: str) -> None:
        """Make a dead letter due again, from now on; harmless when it is gone."""
        # At one stroke: it may be told, and be dead again, in the next moment.
        with suppress(FileNotFoundError):
            self._places.files.replace(
                f"{self._places.dead(hook)}/{name}", f"{self._places.due(hook)}/{name}"
            )

    def drop(self, hook: str, name: str, is_dead: bool) -> None:
        """Forget a dead letter, or what is due; harmless when it is gone."""
        places = self._places
        directory = places.dead(hook) if is_dead else places.due(hook)
        places.remove(f"{directory}/{name}")

    def is_waiting(self, upload: UploadInfo, hook: str) -> bool:
        """Tell whether anything of an upload is due to a hook, by a few exact looks."""
        directory = self._places.due(hook)
        return any(
            self._places.files.exists(f"{directory}/{name}")
            for name in due_names(upload)
        )

    def all(self, hook: str, is_dead: bool) -> Iterator[Kept]:
        """Read all that is due to a hook, or all its dead letters, by their names."""
        places = self._places
        directory = places.dead(hook) if is_dead else places.due(hook)
        for name in sorted(places.due_names(directory)):
            kept = self._read(directory, name)
            if kept is not None:
                yield kept

    def _read(self, directory: str, name: str) -> Kept | None:
        path = f"{directory}/{name}"
        letter = self._places.read(path)
        if letter is None:
            return None
        if due_name(letter.event) != name:
            self._places.tell_odd(path, "it belongs to another event")
            return None
        try:
            return Kept(name, letter, self._places.files.changed_s(path))
        except FileNotFoundError:  # delivered meanwhile
            return None
