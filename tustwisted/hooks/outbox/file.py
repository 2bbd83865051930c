"""An outbox in a directory that several processes share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import ClassVar, ParamSpec, TypeVar

from attrs import define, field
from zope.interface import implementer

from tustwisted.errors import CannotStart
from tustwisted.hooks.interfaces import DueEvent, IMail, INotice, IOutbox, Kept, Page
from tustwisted.hooks.outbox.due import Due
from tustwisted.hooks.outbox.letters import Letter
from tustwisted.hooks.outbox.places import Places
from tustwisted.hooks.outbox.prepared import Prepared
from tustwisted.hooks.outbox.room import Room
from tustwisted.hooks.settings import LIMIT
from tustwisted.hooks.wire import without_secrets
from tustwisted.interfaces import IDisk
from tustwisted.lock.filesystem import network_filesystem
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.upload import UploadInfo
from tustwisted.store.failures import storage_errors
from tustwisted.store.files import OsFiles
from tustwisted.store.ifiles import IFiles
from tustwisted.store.sharedsync import SharedSync
from tustwisted.store.starting import problem
from tustwisted.waiting import Bell

_P = ParamSpec("_P")
_T = TypeVar("_T")

NAME = ".tustwisted.outbox"
"""In a directory of uploads; no id begins with a dot, so that no walk comes here."""

_ALL = "(outbox)"
"""What the log has in the place of an id when something fails that is about many."""

FEW = 200
"""A directory of so many names is read in the reactor: it takes 0.1 ms."""


@define(slots=False, eq=False, repr=False)
class OutboxUnusable(CannotStart):
    """The events of uploads cannot be kept."""

    directory: str
    problem: str

    def __str__(self) -> str:
        return (
            f"cannot keep the events of uploads in {self.directory}: {self.problem}; "
            "mend its permissions"
        )


@implementer(IOutbox, IMail)
@define(eq=False, repr=False)
class FileOutbox:
    """
    Keeps events as files; see :mod:`tustwisted.hooks.outbox.places`.

    :param directory: its own; what it lies in must be there when this starts.
    :param disk: runs what blocks.
    :param syncs: which types of events must survive a power loss.
    :param limit: how many events may wait, over all hooks; about, where several
        processes put them here.
    :param keep: the names of headers with secrets that hooks are told all the same.
    :param now: tells the time, seconds since 1970.
    :param network_filesystem: names a file system that other machines may use.
    """

    is_shared: ClassVar[bool] = True

    directory: str
    _disk: IDisk
    _syncs: Callable[[EventType], bool]
    _limit: int = LIMIT
    _files: IFiles = field(factory=OsFiles)
    _keep: Collection[str] = ()
    _now: Callable[[], float] = time.time
    _network_filesystem: Callable[[str], str | None] = network_filesystem
    _bells: dict[str, Bell] = field(init=False, factory=dict)
    _totals: dict[str, int] = field(init=False, factory=dict)
    """How many names there were in the last look, for each hook."""

    _places: Places = field(init=False)
    _prepared: Prepared = field(init=False)
    _due: Due = field(init=False)
    _room: Room = field(init=False)
    _directories: SharedSync = field(init=False)

    async def start(self) -> None:
        """
        See :meth:`IOutbox.start`.

        :raises OutboxUnusable: the directory cannot be made or written.
        """
        try:
            await self._disk.sync(self._start)
        except OSError as error:
            raise OutboxUnusable(self.directory, problem(error)) from None

    def _start(self) -> None:
        places = Places(os.path.abspath(self.directory), self._files)
        places.make()
        probe = f"{places.prepared}/.probe"
        self._files.write(probe, b"", 0o600, False)
        places.remove(probe)
        if any(kind.is_durable and self._syncs(kind) for kind in EventType):
            for path in (os.path.dirname(places.root), places.root, places.prepared):
                self._files.sync_directory(path)
        is_shared = self._network_filesystem(places.root) is not None
        self._places, self._due = places, Due(places, is_shared)
        self._prepared = Prepared(places, is_shared)
        self._room = Room(self._limit, self._count, time.monotonic)
        self._directories = SharedSync(
            lambda path: self._disk.sync(self._files.sync_directory, path)
        )

    async def _count(self) -> int:
        return await self._disk.read(
            lambda: sum(self._due.count(hook) for hook in self._places.hooks())
        )

    async def stop(self) -> None:
        """See :meth:`IOutbox.stop`."""
        await self._room.stop()

    # -- for those who cause events ----------------------------------------------------

    async def prepare(self, event: Event, hooks: Collection[str]) -> INotice:
        """See :meth:`IOutbox.prepare`."""
        upload_id = event.upload.upload_id
        with storage_errors(upload_id):
            if event.type is EventType.POST_CREATE:
                await self._room.require()
            letter = Letter(without_secrets(event, self._keep), tuple(hooks))
            await self._run(event.type, self._prepared.keep, letter)
            if self._syncs(event.type):
                await self._directories.sync(self._places.prepared)
        return _Notice(event, self, letter)

    async def commit(self, letter: Letter) -> None:
        """Make an event due that was prepared."""
        with storage_errors(_id_of(letter)):
            is_moved = len(letter.hooks) == 1 and await self._disk.quick(
                self._prepared.move, letter
            )
            if not is_moved:
                await self._copy(letter)
        self._room.take(len(letter.hooks))
        for hook in letter.hooks:
            self.bell(hook).ring()

    async def _copy(self, letter: Letter) -> None:
        kind = letter.event.type
        await self._run(kind, self._prepared.copy, letter)
        if self._syncs(kind):
            for hook in letter.hooks:
                await self._directories.sync(self._places.due(hook))
        await self._disk.quick(self._prepared.forget, letter)

    async def withdraw(self, letter: Letter) -> None:
        """Forget an event that was prepared."""
        with storage_errors(_id_of(letter)):
            await self._disk.quick(self._prepared.forget, letter)

    async def _run(
        self, kind: EventType, f: Callable[[Letter, bool], None], letter: Letter
    ) -> None:
        if self._syncs(kind):
            await self._disk.sync(f, letter, True)
        else:
            await self._disk.quick(f, letter, False)

    async def unsettled(self, upload_id: str) -> Sequence[INotice]:
        """See :meth:`IOutbox.unsettled`."""
        with storage_errors(upload_id):
            letters = await self._disk.quick(self._prepared.find, upload_id)
        return [_Notice(letter.event, self, letter) for letter in letters]

    async def all_unsettled(self) -> Sequence[str]:
        """See :meth:`IOutbox.all_unsettled`."""
        with storage_errors(_ALL):
            return await self._disk.read(self._prepared.find_all, self._now())

    async def is_waiting(self, upload: UploadInfo, hook: str) -> bool:
        """See :meth:`IOutbox.is_waiting`."""
        with storage_errors(upload.upload_id):
            return await self._disk.quick(self._due.is_waiting, upload, hook)

    # -- for the delivery --------------------------------------------------------------

    def bell(self, hook: str) -> Bell:
        """See :meth:`IMail.bell`."""
        return self._bells.setdefault(hook, Bell())

    async def hooks(self) -> Sequence[str]:
        """See :meth:`IMail.hooks`."""
        with storage_errors(_ALL):
            return await self._disk.read(self._find_hooks)

    def _find_hooks(self) -> list[str]:
        return [hook for hook in self._places.hooks() if self._due.count(hook)]

    async def kept(self) -> Mapping[str, Kept]:
        """See :meth:`IMail.kept`."""
        with storage_errors(_ALL):
            return await self._disk.read(self._count_kept)

    def _count_kept(self) -> dict[str, Kept]:
        count = self._due.count
        hooks = self._places.hooks()
        return {hook: Kept(count(hook), count(hook, True)) for hook in hooks}

    async def mark(self, hook: str) -> object:
        """See :meth:`IMail.mark`."""
        with storage_errors(_ALL):
            return await self._disk.quick(self._due.changed_s, hook)

    async def look(self, hook: str, after: str, most: int) -> Page:
        """See :meth:`IMail.look`."""
        with storage_errors(_ALL):
            is_small = self._totals.get(hook, FEW) < FEW
            run = self._disk.quick if is_small else self._disk.read
            page = await run(self._due.look, hook, after, most)
        self._totals[hook] = page.total
        return page

    async def read(self, hook: str, name: str) -> DueEvent | None:
        """See :meth:`IMail.read`."""
        with storage_errors(name):
            return await self._disk.quick(self._due.read, hook, name)

    async def delivered(self, hook: str, name: str) -> None:
        """See :meth:`IMail.delivered`."""
        with storage_errors(name):
            await self._disk.quick(self._due.drop, hook, name, False)
        self._room.give_back()

    async def bury(self, hook: str, name: str, reason: str) -> None:
        """See :meth:`IMail.bury`."""
        with storage_errors(name):
            await self._disk.quick(self._due.bury, hook, name, reason)
        self._room.give_back()


@implementer(INotice)
@define(eq=False, repr=False)
class _Notice:
    event: Event
    _outbox: FileOutbox
    _letter: Letter
    _is_settled: bool = False

    async def commit(self) -> None:
        """See :meth:`INotice.commit`."""
        if not self._is_settled:
            await self._outbox.commit(self._letter)
            self._is_settled = True

    async def withdraw(self) -> None:
        """See :meth:`INotice.withdraw`."""
        if not self._is_settled:
            await self._outbox.withdraw(self._letter)
            self._is_settled = True


def _id_of(letter: Letter) -> str:
    return letter.event.upload.upload_id
