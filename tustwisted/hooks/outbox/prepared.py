"""The events of an outbox that are about to happen; everything here blocks."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define

from tustwisted.hooks.outbox.letters import Letter
from tustwisted.hooks.outbox.names import (
    due_name,
    prepared_id,
    prepared_name,
    prepared_names,
)
from tustwisted.hooks.outbox.places import Places

LEFT_S = 3600.0
"""Nobody writes a small file for so long: he was killed."""


@define(eq=False, repr=False)
class Prepared:
    """Keeps events until it is known whether they have happened."""

    _places: Places

    _is_shared: bool
    """Other machines write here too, by a network file system."""

    def keep(self, letter: Letter, synced: bool) -> None:
        """
        Write an event down.

        :param synced: it is on the device when this returns, but for its name.
        """
        for hook in letter.hooks:  # so that nothing is in the way of what must be done
            self._places.make_for(hook, synced)
        self._places.put(self._path(prepared_name(letter.event)), letter, synced)

    def move(self, letter: Letter) -> bool:
        """
        Make an event due that one hook wants; tell whether it was still there.

        A file system with a journal never loses both names of a rename when the power
        fails: so the file that was synced when it was prepared is enough.
        """
        (hook,) = letter.hooks
        path = f"{self._places.due(hook)}/{due_name(letter.event)}"
        try:
            self._places.files.replace(self._path(prepared_name(letter.event)), path)
        except FileNotFoundError:  # somebody settled it, or a directory was removed
            return False
        return True

    def copy(self, letter: Letter, synced: bool) -> None:
        """
        Make an event due to all hooks; it stays prepared until that is forgotten.

        :param synced: what is written is on the device, but for its names.
        """
        for hook in letter.hooks:
            self._places.put_due(hook, letter, synced)

    def forget(self, letter: Letter) -> None:
        """Forget that an event is prepared; harmless when it is not."""
        self._places.remove(self._path(prepared_name(letter.event)))

    def find(self, upload_id: str) -> list[Letter]:
        """Find what is prepared of an upload, in order."""
        if self._is_shared:  # its server is asked, not what is remembered of it
            self._places.files.require_directory(self._places.prepared)
        paths = [self._path(name) for name in prepared_names(upload_id)]
        letters = [self._places.read(path) for path in paths]
        return [
            letter
            for path, letter in zip(paths, letters, strict=True)
            if letter is not None and self._is_its_place(path, letter)
        ]

    def find_all(self, now_s: float) -> Sequence[str]:
        """
        List the uploads of which something is prepared.

        :param now_s: what was being written long before it is removed.
        """
        for directory in self._places.all():
            self._places.clear_temporary(directory, now_s - LEFT_S)
        found = set()
        for name in self._places.names(self._places.prepared):
            upload_id = prepared_id(name)
            if upload_id is not None:
                found.add(upload_id)
            else:
                self._places.tell_odd(self._path(name), "it has no name of an event")
        return sorted(found)

    def _is_its_place(self, path: str, letter: Letter) -> bool:
        if letter.hooks and path == self._path(prepared_name(letter.event)):
            return True
        self._places.tell_odd(path, "it belongs to another event")
        return False

    def _path(self, name: str) -> str:
        return f"{self._places.prepared}/{name}"
