"""The last round of the delivery: what is due is told before a stop ends."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from tests.hooks.delivery_case import DeliveryCase, FailingOutbox
from tustwisted.hooks.carrier import Carrier
from tustwisted.hooks.outbox.memory import MemoryOutbox
from tustwisted.testing_outbox import CREATED, FINISHED
from tustwisted.waiting import Bell

LIMIT_S = 7.0


class QuietOutbox(MemoryOutbox):
    """Tells nobody when something comes, as if another process had committed it."""

    def bell(self, hook: str) -> Bell:
        """See :class:`IMail`."""
        return Bell()


class FinishTests(DeliveryCase):
    """A stop that has some time left."""

    def finish(self) -> Deferred[None]:
        """Begin the last round."""
        return Deferred.fromCoroutine(self.delivery.finish(LIMIT_S))

    def assert_finished(self, finished: Deferred[None], due: int = 0) -> None:
        """It has ended, and left nothing behind but what is due."""
        self.successResultOf(finished)
        self.assertEqual(self.due(), due)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_tells_all(self) -> None:
        """All uploads are told of, and of each all events, however many wait."""
        self.delivery = self.make(self.hook, at_once=3)
        self.hook.holds = True
        self.delivery.start()
        for number in range(10):
            self.commit(CREATED, f"u{number}")
            self.commit(FINISHED, f"u{number}")
        finished = self.finish()
        for _ in range(20):
            self.assertNoResult(finished)
            next(iter(self.hook.held.values())).callback(None)
        self.assert_finished(finished)
        self.assertEqual(self.hook.most, 3)

    def test_quiet_hooks_that_answer_at_once(self) -> None:
        """More than one turn's worth of events is told to a hook that never waits."""
        for number in range(200):
            self.commit(CREATED, f"u{number}")
        self.delivery.start()
        finished = self.finish()
        self.pass_s(0.5)
        self.assert_finished(finished)
        self.assertEqual(len(self.hook.taken), 200)

    def test_what_nobody_has_looked_at(self) -> None:
        """Events that others have committed, of which no bell has rung, are found."""
        self.outbox = QuietOutbox()
        self.delivery = self.make(self.hook)
        self.delivery.start()
        self.commit()
        self.assertEqual(self.hook.told, [])
        self.assert_finished(self.finish())
        self.assertEqual(len(self.hook.taken), 1)

    def test_what_comes_meanwhile(self) -> None:
        """An event that is committed while the last round goes on is told as well."""
        self.hook.holds = True
        self.delivery.start()
        self.commit(CREATED, "a")
        finished = self.finish()
        self.commit(CREATED, "b")
        self.hook.held["a"].callback(None)
        self.assertNoResult(finished)
        self.hook.held["b"].callback(None)
        self.assert_finished(finished)

    def test_page_by_page(self) -> None:
        """So are those that are on a page of their own."""
        for number in range(9):
            self.commit(CREATED, f"u{number}")
        carrier = Carrier(
            self.outbox,
            self.hook,
            self.clock,
            self.clock.seconds,
            60,
            64,
            lambda: 1.0,
            window=2,
        )
        carrier.finish()
        self.successResultOf(carrier.finished())
        self.assertEqual(self.due(), 0)

    def test_failures_are_tried_again(self) -> None:
        """A hook that fails once or twice is told all the same."""
        self.hook.answer = self.fail_times(2)
        self.delivery.start()
        self.commit()
        finished = self.finish()
        self.assertNoResult(finished)
        self.pass_s(4)
        self.assert_finished(finished)
        self.assertEqual(len(self.hook.told), 3)

    def test_hook_that_is_down(self) -> None:
        """It is not waited for: what is due stays due, and the log says so."""
        self.hook.answer = self.fail_times(1000)
        for number in range(8):
            self.commit(CREATED, f"u{number}")
        self.delivery.start()
        with capturedLogs() as events:
            self.assert_finished(self.finish(), due=8)
        self.assertEqual((events[-1]["count"], events[-1]["hook"]), (8, "h"))

    def test_hook_that_hangs(self) -> None:
        """It is cut off at the limit; what it was told is still due, and no failure."""
        self.hook.holds = True
        self.commit()
        self.delivery.start()
        with capturedLogs() as events:
            finished = self.finish()
            self.clock.advance(LIMIT_S - 0.1)
            self.assertNoResult(finished)
            self.clock.advance(0.1)
            self.assert_finished(finished, due=1)
        self.assertEqual(self.hook.held, {})
        self.assertEqual([e["count"] for e in events], [1])

    def test_each_hook_for_itself(self) -> None:
        """One that hangs keeps no other from its events."""
        other = type(self.hook)(name="other")
        self.delivery = self.make(self.hook, other)
        self.hook.holds = True
        self.commit()
        self.commit(hook="other")
        self.delivery.start()
        finished = self.finish()
        self.clock.advance(LIMIT_S)
        self.assert_finished(finished, due=1)
        self.assertEqual(len(other.taken), 1)

    def test_storage_that_fails(self) -> None:
        """What nobody can read ends the round: it has logged why."""
        self.outbox = FailingOutbox(now=self.clock.seconds)
        self.delivery = self.make(self.hook)
        self.delivery.start()
        self.outbox.failing = "look"
        self.commit()
        finished = self.finish()
        self.successResultOf(finished)
        self.outbox.failing = ""
        self.assertEqual(self.due(), 1)

    def test_lock_that_is_lost_meanwhile(self) -> None:
        """When this process may not deliver any more the round is over."""
        self.hook.holds = True
        self.commit()
        self.delivery.start()
        finished = self.finish()
        self.delivery.stop()
        self.assert_finished(finished, due=1)

    def test_never_started(self) -> None:
        """That is no matter, and nothing is told."""
        self.commit()
        self.assert_finished(self.finish(), due=1)
        self.assertEqual(self.hook.told, [])

    def test_started_again(self) -> None:
        """After the last round another start tells what comes then."""
        self.delivery.start()
        self.assert_finished(self.finish())
        self.commit()
        self.delivery.start()
        self.assertEqual(len(self.hook.taken), 1)
        self.assert_finished(self.finish())


class DueTests(DeliveryCase):
    """Whether anything waits."""

    def test_is_due(self) -> None:
        """Only what one of the hooks is to be told counts."""
        self.assertFalse(self.do(self.delivery.is_due()))
        self.commit(hook="formerly")
        self.assertFalse(self.do(self.delivery.is_due()))
        self.commit()
        self.assertTrue(self.do(self.delivery.is_due()))

    def test_nobody_can_tell(self) -> None:
        """A storage that does not tell has nothing that could be delivered."""
        self.outbox = FailingOutbox(now=self.clock.seconds)
        self.outbox.failing = "hooks"
        self.delivery = self.make(self.hook)
        self.commit()
        self.assertFalse(self.do(self.delivery.is_due()))
