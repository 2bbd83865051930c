"""
``tustwisted events``: what waits to be told to hooks, and what is not told any more.

The commands work on the files of the outbox, beside a running daemon or without it: all
that they do is to make, rename or remove one file, and a daemon finds it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from attrs import evolve
from twisted.python import usage

from tustwisted.command import Command, Group
from tustwisted.config.origins import ConfigurationError
from tustwisted.config.reading import read_settings
from tustwisted.config.settings import Settings
from tustwisted.config.sources import CONFIG
from tustwisted.errors import UploadNotFound
from tustwisted.hooks.outbox.due import Due, Kept
from tustwisted.hooks.outbox.file import NAME
from tustwisted.hooks.outbox.letters import Letter
from tustwisted.hooks.outbox.places import Places
from tustwisted.hooks.wire import encode_event
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.store.durability import Durability
from tustwisted.store.files import OsFiles
from tustwisted.store.host import read_host
from tustwisted.store.layout import Layout
from tustwisted.store.lookup import look_up
from tustwisted.store.shelf import Shelf

FINISH_SEQUENCE = 2
"""
What a finish that is told again counts as.

As it was, if any hook is told of creations; otherwise it was 1.
"""


class _FilesOfTheDaemon(OsFiles):
    """What root makes belongs to whom its directory does: the daemon must read it."""

    def write(self, path: str, content: bytes, mode: int, synced: bool) -> None:
        """Write a file that has no name yet by which the daemon knows it."""
        super().write(path, content, mode, synced)
        self._give_away(path)

    def make_directory(self, path: str, mode: int) -> None:
        """Make a directory."""
        super().make_directory(path, mode)
        self._give_away(path)

    def _give_away(self, path: str) -> None:
        if os.geteuid() == 0:
            above = os.stat(os.path.dirname(path))
            os.chown(path, above.st_uid, above.st_gid)


class _EventsCommand(Command):
    """
    Works on the outbox of one upload directory.

    :ivar places: its files.
    :ivar uploads: the upload directory.
    :ivar finished: where its finished files are moved to, if they are.
    """

    optParameters = [  # noqa: RUF012 - usage.Options wants a list on the class
        [
            "upload-dir",
            "d",
            None,
            "Directory of the uploads. [default: that of the daemon's configuration]",
        ],
        [CONFIG, "c", None, "File of the daemon's configuration."],
        ["hook", None, None, "Only for the hook of this name."],
    ]

    places: Places
    uploads: str
    finished: str | None

    def run(self) -> None:
        """Open the outbox and do it."""
        self.uploads, self.finished = self["upload-dir"], self.get("finished-dir")
        if self.uploads is None:
            configured = self._configured()
            self.uploads = configured.upload_dir
            self.finished = self.finished or configured.finished_dir
        directory = os.path.abspath(os.path.join(self.uploads, NAME))
        self.places = Places(directory, _FilesOfTheDaemon())
        try:
            known = self.places.hooks()
        except FileNotFoundError:
            raise usage.UsageError(
                f"there are no events in {self.uploads}: name the directory of "
                "a daemon with --upload-dir"
            ) from None
        wanted = self["hook"]
        if wanted is not None and wanted not in known:
            names = ", ".join(known) or "none"
            raise usage.UsageError(f"there is no hook {wanted}; there are: {names}")
        self.work(known if wanted is None else [wanted])

    def _configured(self) -> Settings:
        """Read what a daemon would that is started here without options."""
        try:
            return read_settings(os.environ, self[CONFIG]).settings
        except ConfigurationError as error:
            raise usage.UsageError(str(error)) from error

    def work(self, hooks: list[str]) -> None:
        """Do it for some hooks."""
        raise NotImplementedError


class ListOptions(_EventsCommand):
    """What ``events list`` takes."""

    longdesc = (
        "List the events that wait to be told to hooks, and the dead letters: those "
        "that a hook refused, or that failed for too long.  A line has: whether it is "
        "due or dead, since when, the hook, the place of the event in the life of its "
        "upload, its id, and of a dead letter the reason."
    )
    optFlags = [  # noqa: RUF012 - usage.Options wants a list on the class
        ["dead", None, "Only dead letters."],
        ["json", None, "As JSON, an object a line, with all that hooks are told."],
    ]

    def work(self, hooks: list[str]) -> None:
        """List them, by hooks and ids."""
        width = max(map(len, hooks), default=0)
        for hook in hooks:
            for is_dead in (True,) if self["dead"] else (True, False):
                for kept in Due(self.places).all(hook, is_dead):
                    _print(
                        kept, hook, "dead" if is_dead else "due", width, self["json"]
                    )


class _SelectingCommand(_EventsCommand):
    """Does something to some dead letters, which must be said."""

    optParameters = [  # noqa: RUF012 - usage.Options wants a list on the class
        ["upload", None, None, "Those of the upload with this id."],
        ["event", None, None, "The one with this id."],
    ]
    optFlags = [  # noqa: RUF012 - usage.Options wants a list on the class
        ["all", None, "All of them."],
    ]

    def postOptions(self) -> None:
        """See that it is said once which ones are meant."""
        if sum(bool(self[name]) for name in ("upload", "event", "all")) != 1:
            raise usage.UsageError("say which ones: --upload ID, --event ID or --all")

    def selected(self, hooks: list[str], is_dead: bool) -> Iterator[tuple[str, Kept]]:
        """Find those that are meant, in order."""
        for hook in hooks:
            for kept in Due(self.places).all(hook, is_dead):
                event = kept.letter.event
                if self["all"] or (
                    event.event_id == self["event"]
                    or event.upload.upload_id == self["upload"]
                ):
                    yield hook, kept

    def finish(self, count: int, what: str) -> None:
        """
        Tell that nothing was found of what must be there.

        :param count: how many were found.
        """
        if count == 0 and not self["all"]:
            named = self["upload"] or self["event"]
            raise usage.UsageError(f"there is no {what} of {named}")


class RedeliverOptions(_SelectingCommand):
    """What ``events redeliver`` takes."""

    longdesc = "Make dead letters due again; a running daemon tells them at once."

    def work(self, hooks: list[str]) -> None:
        """Revive them, and tell which."""
        count, width = 0, max(map(len, hooks), default=0)
        for hook, kept in self.selected(hooks, True):
            Due(self.places).revive(hook, kept.name)
            revived = evolve(kept.letter, reason="")
            _print(Kept(kept.name, revived, time.time()), hook, "due", width)
            count += 1
        self.finish(count, "dead letter")


class DropOptions(_SelectingCommand):
    """What ``events drop`` takes."""

    longdesc = "Forget dead letters, for good."
    optFlags = [  # noqa: RUF012 - usage.Options wants a list on the class
        ["due", None, "And events that wait, of a hook that is not used any more."],
    ]

    def postOptions(self) -> None:
        """See that waiting events are dropped for one hook only."""
        super().postOptions()
        if self["due"] and self["hook"] is None:
            raise usage.UsageError("--due needs --hook NAME")

    def work(self, hooks: list[str]) -> None:
        """Forget them, and tell which."""
        count, width = 0, max(map(len, hooks), default=0)
        for is_dead in (True, False) if self["due"] else (True,):
            for hook, kept in self.selected(hooks, is_dead):
                Due(self.places).drop(hook, kept.name, is_dead)
                _print(kept, hook, "gone", width)
                count += 1
        self.finish(count, "event" if self["due"] else "dead letter")


class ResendOptions(_EventsCommand):
    """What ``events resend`` takes."""

    longdesc = (
        "Tell again that an upload is finished, though hooks have taken note of it: "
        "with the same event id as before."
    )
    optParameters = [  # noqa: RUF012 - usage.Options wants a list on the class
        ["upload", None, None, "The id of the upload."],
        ["finished-dir", None, None, "As the daemon has it, where it moves files."],
    ]

    def postOptions(self) -> None:
        """See that an upload is named."""
        if not self["upload"]:
            raise usage.UsageError("say which one: --upload ID")

    def work(self, hooks: list[str]) -> None:
        """Have it told to each hook for which events were ever kept."""
        if not hooks:
            raise usage.UsageError("no hook was ever told of anything here")
        upload = self._look_up(self["upload"])
        if upload.state is not UploadState.FINISHED:
            raise usage.UsageError(f"upload {upload.upload_id} is not finished")
        kind = EventType.POST_FINISH
        event_id = f"{upload.upload_id}@{upload.created_s:.6f}:{kind.value}"
        event = Event(kind, event_id, upload, None, upload.upload_id, FINISH_SEQUENCE)
        for hook in hooks:
            letter = Letter(event, (hook,))
            self.places.put_due(hook, letter, False)
            _print(Kept("", letter, time.time()), hook, "due", max(map(len, hooks)))

    def _look_up(self, upload_id: str) -> UploadInfo:
        shelf = Shelf(
            Layout(self.uploads, self.finished),
            OsFiles(),
            Durability.NONE,
            read_host(),
            0o600,
            0o700,
            time.time,
        )
        try:
            return look_up(shelf, upload_id).info
        except UploadNotFound:
            raise usage.UsageError(
                f"there is no upload {upload_id} in {self.uploads}"
            ) from None


class EventsOptions(Group):
    """What ``events`` takes."""

    longdesc = "See and change what waits to be told to the hooks of a daemon."
    subCommands = [  # noqa: RUF012 - usage.Options wants a list on the class
        ["list", None, ListOptions, "List what waits, and dead letters."],
        ["redeliver", None, RedeliverOptions, "Make dead letters due again."],
        ["drop", None, DropOptions, "Forget dead letters."],
        ["resend", None, ResendOptions, "Tell again that an upload is finished."],
    ]
    # Twisted completes the names of commands on the first level only.
    compData = usage.Completions(
        extraActions=[
            usage.CompleteList([name for name, *_ in subCommands], descr="command")
        ]
    )


def _print(
    kept: Kept, hook: str, state: str, width: int, as_json: bool = False
) -> None:
    """Write one line."""
    since = datetime.fromtimestamp(kept.since_s, UTC)
    letter, event = kept.letter, kept.letter.event
    if as_json:
        line = json.dumps(
            {
                "State": state,
                "Hook": hook,
                "Since": since.isoformat(timespec="milliseconds"),
                "Reason": letter.reason or None,
                **json.loads(encode_event(event)),
            }
        )
    else:
        line = (
            f"{state:4}  {since:%Y-%m-%dT%H:%M:%SZ}  {hook:{width}}  "
            f"{event.sequence or 0}  {event.event_id}"
        )
        if letter.reason:
            line = f"{line}  {' '.join(letter.reason.split())}"
    sys.stdout.write(f"{line}\n")
