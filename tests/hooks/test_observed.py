"""A hook whose calls somebody is told of."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tustwisted.errors import EventRefused
from tustwisted.hooks.functions import FunctionHook
from tustwisted.hooks.observed import observed
from tustwisted.interfaces import IHook, IRereads
from tustwisted.observing import UNOBSERVED, Asked, Unobserved
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.upload import UploadInfo

EVENT = Event(EventType.POST_FINISH, "e1", UploadInfo("u1", 10))


class Noting(Unobserved):
    """Notes what it is told of hooks."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def asked(self, hook: str, kind: EventType, how: Asked, took_s: float) -> None:
        self.told.append((hook, kind, how, took_s))


@implementer(IRereads)
class Rereading(FunctionHook):
    """Counts how often it was to read something again."""

    times = 0

    async def reread(self) -> None:
        self.times += 1


class ObservedHookTests(SynchronousTestCase):
    """It does as the hook does."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.observer = Noting()
        self.result: Deferred[None] = Deferred()
        functions = {EventType.POST_FINISH: lambda _: self.result}
        self.inner = FunctionHook("mine", functions)
        (self.hook,) = observed([self.inner], self.observer, self.clock)

    def tell(self) -> Deferred[None]:
        """Begin to tell it an event, and let it take three seconds."""
        telling = Deferred.fromCoroutine(self.hook.tell(EVENT))
        self.clock.advance(3)
        return telling

    def assert_told(self, how: Asked) -> None:
        """The observer was told of that one call."""
        self.assertEqual(self.observer.told, [("mine", EventType.POST_FINISH, how, 3)])

    def test_is_a_hook(self) -> None:
        """It has the name and the events of the hook, so that the outbox knows it."""
        verifyObject(IHook, self.hook)
        self.assertEqual(self.hook.name, self.inner.name)
        self.assertEqual(self.hook.events, self.inner.events)

    def test_reads_again(self) -> None:
        """So it does what the hook can, or nothing."""
        able = Rereading("able", {EventType.POST_FINISH: lambda _: None})
        (other,) = observed([able], self.observer, self.clock)
        for hook in (self.hook, other):
            self.successResultOf(Deferred.fromCoroutine(IRereads(hook).reread()))
        self.assertEqual(able.times, 1)

    def test_told(self) -> None:
        """What the hook has taken note of is told of with the time that it took."""
        telling = self.tell()
        self.assertEqual(self.observer.told, [])
        self.result.callback(None)
        self.successResultOf(telling)
        self.assert_told(Asked.OK)

    def test_failed(self) -> None:
        """A hook that breaks fails as before."""
        telling = self.tell()
        self.result.errback(LookupError())
        self.failureResultOf(telling, LookupError)
        self.assert_told(Asked.FAILED)

    def test_refused(self) -> None:
        """What a hook will never take note of is no failure of it."""
        telling = self.tell()
        self.result.errback(EventRefused("no"))
        self.failureResultOf(telling, EventRefused)
        self.assert_told(Asked.REFUSED)

    def test_cut(self) -> None:
        """A call that is given up is told of as that."""
        telling = self.tell()
        telling.cancel()
        self.failureResultOf(telling)
        self.assert_told(Asked.CUT)

    def test_nobody(self) -> None:
        """Where nobody wants to know, the hooks stay what they are."""
        hooks = [self.inner]
        self.assertIs(observed(hooks, UNOBSERVED, self.clock), hooks)
