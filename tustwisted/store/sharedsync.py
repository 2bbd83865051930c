"""One sync of a directory for all who want it at the same time (DESIGN D8)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

log = Logger()


@define(eq=False, repr=False)
class SharedSync:
    """
    Syncs directories, at most one sync of each at a time.

    Whoever comes while one is running shares the next one with all others that wait:
    a sync that began before a rename need not cover it.  To be used in one thread.
    """

    _sync: Callable[[str], Awaitable[None]]
    """Syncs one directory; called again only after it has ended."""

    _waiting: dict[str, list[Deferred[None]]] = field(factory=dict, init=False)
    """Who waits for the next sync, for each directory that is being synced."""

    def sync(self, directory: str) -> Deferred[None]:
        """
        Wait for a sync that begins after this call.

        :returns: fires when it is done, fails as it failed.  Cancelling it leaves the
            sync to the others.
        """
        done: Deferred[None] = Deferred()
        waiting = self._waiting.get(directory)
        if waiting is not None:
            waiting.append(done)
            return done
        self._waiting[directory] = [done]
        _ = Deferred.fromCoroutine(self._work_off(directory)).addErrback(
            lambda failure: log.failure("syncing a directory broke off", failure)
        )
        return done

    async def _work_off(self, directory: str) -> None:
        while batch := self._waiting[directory]:
            self._waiting[directory] = []
            try:
                await self._sync(directory)
            except Exception:
                failure = Failure()
                for done in batch:
                    done.errback(failure)
            else:
                for done in batch:
                    done.callback(None)
        del self._waiting[directory]
