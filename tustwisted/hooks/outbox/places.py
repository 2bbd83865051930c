"""
The files of an outbox, and where they lie; everything here blocks.

``prepared/<name>`` is about to happen, ``to-<hook>/due/<name>`` has happened and waits
for its delivery, and ``to-<hook>/dead/<name>`` is not delivered any more.  Every file
is written beside its place and renamed, so that a process that is killed leaves it
whole or not at all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress

from attrs import define, field
from twisted.logger import Logger

from tustwisted.hooks.outbox.letters import (
    MAX_LETTER_BYTES,
    Letter,
    decode_letter,
    encode_letter,
)
from tustwisted.hooks.outbox.names import due_name, is_due_name
from tustwisted.store.ifiles import IFiles

log = Logger()

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
"""What a request said is nobody else's business."""

_OF_A_HOOK = re.compile(r"to-([a-z0-9.-]{1,80})")
_TEMPORARY = "."
"""How the names begin of what is being written; no event has such a name."""


@define(eq=False, repr=False)
class Places:
    """The directories of one outbox; to be used from any thread."""

    root: str
    """Absolute."""

    files: IFiles

    _made: set[str] = field(init=False, factory=set)
    """Whose directories were there."""

    _told: set[str] = field(init=False, factory=set)
    """Which odd files were told of already."""

    @property
    def prepared(self) -> str:
        """Where the events are that are about to happen."""
        return f"{self.root}/prepared"

    def due(self, hook: str) -> str:
        """Where the events are that a hook is to be told of."""
        return f"{self.root}/to-{hook}/due"

    def dead(self, hook: str) -> str:
        """Where those are of which it will not be told."""
        return f"{self.root}/to-{hook}/dead"

    def make(self) -> None:
        """Make what all hooks share, unless it is there."""
        self._make_directory(self.root)
        self._make_directory(self.prepared)

    def make_for(self, hook: str, synced: bool) -> None:
        """
        Make what a hook needs, unless it is there.

        :param synced: when this is done for the first time it reaches the device.
        """
        if hook in self._made:
            return
        for path in (f"{self.root}/to-{hook}", self.due(hook), self.dead(hook)):
            self._make_directory(path)
        if synced:
            for path in (self.root, f"{self.root}/to-{hook}"):
                self.files.sync_directory(path)
        self._made.add(hook)

    def _make_directory(self, path: str) -> None:
        with suppress(FileExistsError):
            self.files.make_directory(path, DIRECTORY_MODE)

    def hooks(self) -> list[str]:
        """List the hooks for which there are directories."""
        found = [
            match[1]
            for name, is_directory in self.files.scan(self.root)
            if is_directory and (match := _OF_A_HOOK.fullmatch(name))
        ]
        return sorted(found)

    def all(self) -> list[str]:
        """List the directories in which there may be events."""
        found = [self.prepared]
        for hook in self.hooks():
            found += [self.due(hook), self.dead(hook)]
        return found

    def names(self, directory: str) -> Iterator[str]:
        """List what is in a directory, in no order; one that is missing is empty."""
        with suppress(FileNotFoundError):
            for name, is_directory in self.files.scan(directory):
                if not is_directory and not name.startswith(_TEMPORARY):
                    yield name

    def due_names(self, directory: str) -> Iterator[str]:
        """List the events in a directory, in no order; what is odd is told once."""
        for name in self.names(directory):
            if is_due_name(name):
                yield name
            else:
                self.tell_odd(f"{directory}/{name}", "it has no name of an event")

    def write(self, path: str, content: bytes, synced: bool) -> None:
        """
        Write a file, whole or not at all, in the place of one that may be there.

        :param synced: it is on the device before it has its name; the name is not.
        """
        directory, _, name = path.rpartition("/")
        temporary = f"{directory}/{_TEMPORARY}{os.urandom(4).hex()}.{name}"
        try:
            self.files.write(temporary, content, FILE_MODE, synced)
            self.files.replace(temporary, path)
        except OSError:
            with suppress(OSError):
                self.files.unlink(temporary)
            raise

    def read(self, path: str) -> Letter | None:
        """
        Read a letter.

        :returns: ``None``: it is not there, or is none, which is told once.
        """
        try:
            content = self.files.read(path, MAX_LETTER_BYTES)
        except FileNotFoundError:
            return None
        try:
            return decode_letter(content)
        except ValueError as error:
            self.tell_odd(path, str(error))
            return None

    def put(self, path: str, letter: Letter, synced: bool) -> None:
        """Write a letter; see :meth:`write`."""
        self.write(path, encode_letter(letter), synced)

    def put_due(self, hook: str, letter: Letter, synced: bool) -> None:
        """Have a letter wait for its delivery to a hook; see :meth:`write`."""
        path = f"{self.due(hook)}/{due_name(letter.event)}"
        try:
            self.make_for(hook, synced)
            self.put(path, letter, synced)
        except FileNotFoundError:  # somebody has tidied up
            self._made.discard(hook)
            self.make()
            self.make_for(hook, synced)
            self.put(path, letter, synced)

    def remove(self, path: str) -> None:
        """Remove a file, unless it is gone already."""
        with suppress(FileNotFoundError):
            self.files.unlink(path)

    def clear_temporary(self, directory: str, before_s: float) -> None:
        """Remove what somebody was writing when he was killed, before some time."""
        with suppress(FileNotFoundError):
            for name, _ in self.files.scan(directory):
                path = f"{directory}/{name}"
                if name.startswith(_TEMPORARY):
                    with suppress(OSError):
                        if self.files.changed_s(path) < before_s:
                            self.files.unlink(path)

    def tell_odd(self, path: str, problem: str) -> None:
        """Log once that a file is left alone."""
        if path not in self._told:
            self._told.add(path)
            log.warn(
                "{path} is left alone in the outbox: {problem}",
                path=path,
                problem=problem,
            )
