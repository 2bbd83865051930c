"""Several kinds of tokens, of which one is enough."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field
from zope.interface import implementer

from tustwisted.auth.bearer import ASKED, IKnowsTokens, judge
from tustwisted.interfaces import IRereads
from tustwisted.protocol.answers import Answer
from tustwisted.protocol.events import Event, EventType


@implementer(IKnowsTokens, IRereads)
@define(eq=False, repr=False)
class EitherToken:
    """
    Lets in who brings a token that one of several hooks knows; the first one counts.

    Given one by one to the uploads, each of the hooks would want a token of its own.

    :param hooks: started and stopped with this one.
    """

    _hooks: Sequence[IKnowsTokens]
    name: str = field(init=False, default="either-token")
    events: frozenset[EventType] = field(init=False, default=ASKED)

    async def start(self) -> None:
        """
        Start all of them.

        :raises CannotStart: one of them cannot; none stays started.
        """
        try:
            for hook in self._hooks:
                await hook.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop all of them."""
        for hook in self._hooks:
            await hook.stop()

    async def reread(self) -> None:
        """Let all of them read their files again."""
        for hook in self._hooks:
            if IRereads.providedBy(hook):
                await IRereads(hook).reread()

    async def ask(self, event: Event) -> Answer:
        """See :meth:`tustwisted.interfaces.IHook.ask`."""
        return judge(event.request, self.owner_of)

    async def tell(self, event: Event) -> None:
        """Take note of nothing: it wants to be told nothing."""

    def owner_of(self, token: str) -> str | None:
        """See :meth:`tustwisted.auth.bearer.IKnowsTokens.owner_of`."""
        owners = (hook.owner_of(token) for hook in self._hooks)
        return next((owner for owner in owners if owner is not None), None)
