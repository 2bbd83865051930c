"""One look at everything in an upload directory, in small steps off the reactor."""

from __future__ import annotations

from collections.abc import Callable, Generator
from itertools import islice
from typing import Concatenate, ParamSpec, TypeVar

from attrs import define, field
from twisted.logger import Logger
from zope.interface import implementer

from tustwisted.abilities import Batch, ISearch, LeftAlone, Leftover
from tustwisted.interfaces import IDisk
from tustwisted.protocol.upload import UploadInfo
from tustwisted.store import lookup
from tustwisted.store.leftovers import Judge, Verdict
from tustwisted.store.shelf import Shelf

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


@implementer(ISearch)
@define(eq=False)
class FileSearch:
    """
    Looks at one name after the other, and at the orphans once all names were seen.

    A record may name the file in which its bytes lie (tusd's hooks can do that).  So
    whether a file without a record is an orphan is known when all records were read.

    :param before_s: what was changed later is no leftover, seconds since 1970.
    :param is_stopped: asked before each step.
    """

    _shelf: Shelf
    _disk: IDisk
    _before_s: float
    _is_stopped: Callable[[], bool]
    _judge: Judge = field(init=False)
    _verdicts: Generator[Verdict, None, None] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._judge = Judge(self._shelf, self._before_s)
        self._verdicts = self._look()

    async def next_batch(self) -> Batch | None:
        """See :meth:`tustwisted.abilities.ISearch.next_batch`."""
        return await self._disk.read(self._next)

    async def clear(self, leftover: Leftover) -> bool:
        """See :meth:`tustwisted.abilities.ISearch.clear`."""
        # As removal does: to free the blocks of a large file takes seconds.
        return await self._disk.write(self._judge.clear, leftover)

    def close(self) -> None:
        """Close the directory that is being read."""
        self._verdicts.close()

    def _next(self) -> Batch | None:
        if self._is_stopped():
            return None
        verdicts = list(islice(self._verdicts, BATCH_NAMES))
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
        for path, is_directory in lookup.walk(self._shelf):
            yield _if_there(self._judge.look_at, path, is_directory)
            if is_directory or len(orphans) >= MAX_ORPHANS:
                continue
            if _if_there(self._judge.is_orphan, path):
                orphans.append(path)
        for path in orphans:
            yield _if_there(self._judge.orphan, path)


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
