"""One look at everything in an upload directory, in small steps off the reactor."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from itertools import islice
from typing import Concatenate, ParamSpec, TypeVar

from attrs import define, field
from twisted.logger import Logger
from zope.interface import implementer

from tustwisted.abilities import Batch, ISearch, LeftAlone, Leftover
from tustwisted.interfaces import IDisk
from tustwisted.protocol.ids import is_upload_id
from tustwisted.protocol.upload import UploadInfo
from tustwisted.store.failures import storage_errors
from tustwisted.store.layout import CLAIMS
from tustwisted.store.leftovers import Judge, Verdict
from tustwisted.store.shelf import Shelf
from tustwisted.store.sweptclaims import are_left, fenced, find_left

log = Logger()

_P = ParamSpec("_P")
_T = TypeVar("_T")

BATCH_NAMES = 32
"""
To judge so many names takes about a millisecond.

While Python runs in a thread the reactor may wait for it, 5 ms at a time (the switch
interval of the interpreter): a step is over before that (``bench/sweep.py``).
"""

MAX_ORPHANS = 1000
"""So many are cleared away in one search at the most; the next one finds the others."""

_OF_THE_FILE_SYSTEM = "lost+found"
"""Only root may read it."""


@implementer(ISearch)
@define(eq=False, repr=False)
class FileSearch:
    """
    Looks at one name after the other, and at the orphans once all names were seen.

    A record may name the file in which its bytes lie (tusd's hooks can do that).  So
    whether a file without a record is an orphan is known when all records were read.
    Directories come last, when what was in them is gone.

    :param before_s: what was changed later is no leftover, seconds since 1970.
    :param is_stopped: asked before each step.
    """

    _shelf: Shelf
    _disk: IDisk
    _before_s: float
    _is_stopped: Callable[[], bool]
    _judge: Judge = field(init=False)
    _verdicts: Generator[Verdict, None, None] = field(init=False)
    _directories: Generator[Verdict, None, None] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._judge = Judge(self._shelf, self._before_s)
        self._verdicts = self._look()
        self._directories = self._look_for_emptied()

    async def next_batch(self) -> Batch | None:
        """See :meth:`tustwisted.abilities.ISearch.next_batch`."""
        return await self._disk.read(self._next)

    async def clear(self, leftover: Leftover) -> bool:
        """See :meth:`tustwisted.abilities.ISearch.clear`."""
        # As removal does: to free the blocks of a large file takes seconds.
        return await self._disk.copy(self._clear, leftover)

    def _clear(self, leftover: Leftover) -> bool:
        upload_id = leftover.upload_id
        if leftover.name.startswith(f"{CLAIMS}/"):
            with storage_errors(upload_id):
                if not are_left(self._shelf, upload_id, self._before_s):
                    return False
            with fenced(self._shelf, upload_id):
                return True
        with fenced(self._shelf, upload_id) as shelf:
            return self._judge.clear(leftover, shelf)

    def close(self) -> None:
        """Close the directory that is being read."""
        self._verdicts.close()
        self._directories.close()

    def _next(self) -> Batch | None:
        if self._is_stopped():
            return None
        verdicts = list(islice(self._verdicts, BATCH_NAMES))
        if not verdicts:  # and all of the batches before was done
            verdicts = list(islice(self._directories, BATCH_NAMES))
        if not verdicts:
            return None
        return Batch(
            tuple(v for v in verdicts if isinstance(v, UploadInfo)),
            tuple(v for v in verdicts if isinstance(v, Leftover)),
            tuple(v for v in verdicts if isinstance(v, LeftAlone)),
        )

    def _look(self) -> Generator[Verdict, None, None]:
        """Give one verdict for each name, so that steps can be counted."""
        orphans: list[str] = []
        unread: list[LeftAlone] = []
        for path, is_directory in self._walk(unread):
            if is_directory:
                yield None
                continue
            yield _if_there(self._judge.look_at, path)
            if len(orphans) < MAX_ORPHANS and _if_there(self._judge.is_orphan, path):
                orphans.append(path)
        yield from unread
        for path in orphans:
            yield _if_there(self._judge.orphan, path)
        yield from find_left(self._shelf, self._before_s)

    def _look_for_emptied(self) -> Generator[Verdict, None, None]:
        for path in self._judge.directories():
            yield _if_there(self._judge.emptied, path)

    def _walk(self, unread: list[LeftAlone]) -> Iterator[tuple[str, bool]]:
        """Walk as :mod:`tustwisted.store.lookup` does; tell what could not be read."""
        above = [""]
        while above:
            directory = above.pop()
            try:
                for name, is_directory in self._scan(directory):
                    path = f"{directory}/{name}" if directory else name
                    yield path, is_directory
                    if is_directory and _may_hold_uploads(path):
                        above.append(path)
            except (FileNotFoundError, NotADirectoryError):
                pass  # removed meanwhile
            except OSError as error:
                unread.append(self._judge.unread_directory(directory, error))

    def _scan(self, directory: str) -> Iterator[tuple[str, bool]]:
        layout = self._shelf.layout
        place = layout.content(directory) if directory else layout.root
        return self._shelf.files.scan(place)


def _may_hold_uploads(path: str) -> bool:
    """Tell whether ids may begin with the name of a directory."""
    return is_upload_id(path) and path != _OF_THE_FILE_SYSTEM


def _if_there(
    judge: Callable[Concatenate[str, _P], _T],
    path: str,
    *args: _P.args,
    **kw: _P.kwargs,
) -> _T | None:
    """Judge a name; one that is odd keeps the others from nothing."""
    try:
        return judge(path, *args, **kw)
    except OSError:
        return None  # removed meanwhile; or a symlink, or a socket: not ours
    except Exception:
        log.failure("cannot look at {path}", path=path)
        return None
