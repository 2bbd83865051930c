"""The delivery, turned by hand: order, failures, an end that is down, a stop."""

from __future__ import annotations

import random
from typing import Any, TypeVar

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs

from tests.hooks.delivery_case import LIFE, DeliveryCase, FailingOutbox
from tests.hooks.support import StubHook
from tests.store.support import steady
from tustwisted.errors import EventRefused
from tustwisted.hooks.carrier import Carrier
from tustwisted.hooks.delivery import CUT_OFF_S
from tustwisted.protocol.events import Event
from tustwisted.testing_outbox import CREATED, FINISHED

_T = TypeVar("_T")


class OrderTests(DeliveryCase):
    """What is told when."""

    def test_what_is_there_is_told(self) -> None:
        """All that an earlier process left is told once, and forgotten."""
        events = [self.commit(), self.commit(FINISHED), self.commit(CREATED, "v")]
        self.delivery.start()
        self.assertEqual(sorted(self.hook.ids), sorted(e.event_id for e in events))
        self.assertEqual(self.due(), 0)
        self.pass_s(70)
        self.assertEqual(len(self.hook.told), 3)

    def test_what_comes_is_told_at_once(self) -> None:
        """A commit in this process needs no look at the clock."""
        self.delivery.start()
        event = self.commit()
        self.assertEqual(self.hook.taken, [event])
        self.commit(FINISHED)
        self.assertEqual(len(self.hook.taken), 2)

    def test_an_upload_is_told_in_order(self) -> None:
        """The next event of an upload waits for the end of the one before."""
        self.hook.holds = True
        self.delivery.start()
        for kind in LIFE:
            self.commit(kind)
        for number in range(1, 4):
            self.assertEqual([e.sequence for e in self.hook.told][-1], number)
            self.assertEqual(len(self.hook.told), number)
            self.hook.held["u"].callback(None)
        self.assertEqual(self.due(), 0)

    def test_uploads_are_told_side_by_side(self) -> None:
        """As many as are allowed, and the next one when there is room."""
        self.hook.holds = True
        self.delivery = self.make(self.hook, at_once=3)
        for i in range(5):
            self.commit(upload_id=f"u{i}")
        self.delivery.start()
        self.assertEqual(len(self.hook.held), 3)
        while self.hook.held:
            next(iter(self.hook.held.values())).callback(None)
            self.assertLessEqual(len(self.hook.held), 3)
        self.assertEqual(len(self.hook.taken), 5)

    def test_each_hook_for_itself(self) -> None:
        """One that never answers keeps no other waiting."""
        self.hook.holds = True
        other = StubHook("other")
        self.delivery = self.make(self.hook, other)
        self.commit()
        self.commit(hook="other")
        self.delivery.start()
        self.commit(FINISHED, hook="other")
        self.assertEqual(len(other.taken), 2)
        self.assertEqual(self.hook.taken, [])

    def test_what_it_does_not_want_any_more(self) -> None:
        """What waits since the hook wanted to hear of it is forgotten, not told."""
        self.commit()
        self.commit(FINISHED)
        self.hook.events = frozenset({FINISHED})
        self.delivery.start()
        self.assertEqual([event.type for event in self.hook.told], [FINISHED])
        self.assertEqual(self.due(), 0)

    def test_somebody_for_whom_nobody_delivers(self) -> None:
        """Events for a hook that is not configured are kept, which is said once."""
        self.commit(hook="gone")
        with capturedLogs() as logs:
            for _ in range(2):
                self.delivery.start()
                self.delivery.stop()
        self.assertEqual(
            [(e["log_level"], e["hook"]) for e in logs], [(LogLevel.warn, "gone")]
        )
        self.assertEqual(self.due("gone"), 1)


class FailureTests(DeliveryCase):
    """What is told again, and when no more."""

    def test_told_again(self) -> None:
        """After 1, 2, 4 and 8 s; the rest of the upload waits, others do not."""
        self.hook.answer = self.fail_times(4, "u")
        self.commit()
        self.commit(FINISHED)
        self.delivery.start()
        for waits_s in (1, 2, 4, 8):
            tries = len(self.hook.told)
            self.pass_s(waits_s - 0.25)
            self.assertEqual(len(self.hook.told), tries)
            self.commit(upload_id=f"v{waits_s}")  # which is no failure
            self.assertEqual(self.hook.taken[-1].upload_id, f"v{waits_s}")
            self.pass_s(0.25)
        self.assertEqual([e.sequence for e in self.hook.taken].count(2), 1)
        mine = [e.sequence for e in self.hook.told if e.upload_id == "u"]
        self.assertEqual(mine, [1, 1, 1, 1, 1, 2])
        self.assertEqual(self.due(), 0)

    def test_at_last_every_five_minutes(self) -> None:
        """One upload that always fails is tried so often, and others go on."""
        self.hook.answer = self.fail_times(10_000, "u")
        self.commit()
        self.delivery.start()
        for i in range(120):
            self.commit(upload_id=f"v{i}")
            self.pass_s(30)
        tries = len(self.hook.told) - 120
        self.assertEqual(len(self.hook.taken), 120)
        self.assertLess(tries, 25)
        self.assertGreater(tries, 15)

    def test_a_hook_that_never_answers(self) -> None:
        """Whatever it does, after a minute it has failed."""
        self.hook.holds = True
        self.commit()
        self.delivery.start()
        self.pass_s(60.25)
        self.assertEqual(self.hook.held, {})
        self.pass_s(1)
        self.assertEqual(len(self.hook.told), 2)

    def test_a_hook_that_is_not_even_async(self) -> None:
        """What it raises when it is called is a failure like others."""

        class Broken(StubHook):
            def tell(self, event: Event) -> Any:
                return 1 // 0

        self.commit()
        self.make(Broken()).start()
        self.pass_s(5)
        self.assertEqual(self.due(), 1)

    def test_refused(self) -> None:
        """A hook that never will take an event has it once; the next one follows."""

        def answer(event: Event) -> None:
            if event.type is CREATED:
                raise EventRefused("no such customer")

        self.hook.answer = answer
        self.commit()
        self.commit(FINISHED)
        with capturedLogs() as logs:
            self.delivery.start()
        self.assertEqual([e.type for e in self.hook.told], [CREATED, FINISHED])
        (reason,) = self.outbox.dead["h"].values()
        self.assertEqual(reason, "the hook refused it: no such customer")
        self.assertEqual([e["log_level"] for e in logs], [LogLevel.warn])
        self.assertEqual(logs[0]["upload_id"], "u")

    def test_given_up(self) -> None:
        """What fails for so long is a dead letter, and the next one is told."""
        self.delivery = self.make(self.hook, give_up_after_s=100)

        def answer(event: Event) -> None:
            if event.type is CREATED:
                raise ValueError("never")

        self.hook.answer = answer
        self.commit()
        self.commit(FINISHED)
        self.delivery.start()
        self.pass_s(99)
        self.assertEqual(self.outbox.dead, {})
        self.pass_s(62)
        (reason,) = self.outbox.dead["h"].values()
        self.assertEqual(reason, "it was tried for 100 s: ValueError: never")
        self.assertEqual([e.type for e in self.hook.taken], [FINISHED])

    def test_old_events_have_a_chance(self) -> None:
        """After a long night a hook that is not there yet loses nothing."""
        self.delivery = self.make(self.hook, give_up_after_s=100)
        self.commit()
        self.clock.advance(1000)
        self.hook.answer = self.fail_times(3)
        self.delivery.start()
        self.pass_s(10)
        self.assertEqual(len(self.hook.taken), 1)

    def test_what_the_log_says(self) -> None:
        """One warning when it begins, one line when it is over."""
        self.hook.answer = self.fail_times(20)
        for i in range(3):
            self.commit(upload_id=f"u{i}")
        with capturedLogs() as logs:
            self.delivery.start()
            self.pass_s(1200)
        self.assertEqual(len(self.hook.taken), 3)
        self.assertEqual([e["log_level"] for e in logs], [LogLevel.warn, LogLevel.info])
        self.assertEqual(logs[0]["problem"], "ValueError: not now")


class StorageTests(DeliveryCase):
    """The outbox cannot be read or written for some time."""

    def setUp(self) -> None:
        """Have an event in an outbox that fails."""
        super().setUp()
        self.outbox: FailingOutbox = FailingOutbox(now=self.clock.seconds)
        self.delivery = self.make(self.hook)
        self.commit()
        self.commit(FINISHED)

    def fails(self, name: str) -> None:
        """Let one of its methods fail for ten seconds, and see what becomes of it."""
        self.outbox.failing = name
        with capturedLogs() as logs:
            self.delivery.start()
            self.pass_s(10)
            self.outbox.failing = ""
            self.pass_s(70)
        self.assertEqual(logs, [])  # whoever raises that has logged it
        self.assertEqual([e.sequence for e in self.hook.told], [1, 2])
        self.assertEqual(self.due(), 0)

    def test_what_was_told_is_not_told_again(self) -> None:
        """Where it cannot be forgotten that is tried again, and nothing else."""
        self.fails("delivered")

    def test_not_read(self) -> None:
        """It is read again later, which is no fault of the hook."""
        self.fails("read")

    def test_not_found(self) -> None:
        """It is looked for again."""
        self.fails("look")

    def test_not_noticed(self) -> None:
        """It is seen later that something has come."""
        self.fails("mark")

    def test_not_buried(self) -> None:
        """What was refused and cannot be put aside is refused again."""

        def answer(event: Event) -> None:
            raise EventRefused("no")

        self.hook.answer = answer
        self.outbox.failing = "bury"
        self.delivery.start()
        self.pass_s(10)
        self.assertEqual(self.due(), 2)
        self.outbox.failing = ""
        self.pass_s(70)
        self.assertEqual(len(self.outbox.dead["h"]), 2)


class DownTests(DeliveryCase):
    """A hook that fails for everybody."""

    def setUp(self) -> None:
        """Have a hundred uploads wait for a hook that is down."""
        super().setUp()
        self.is_down = True

        def answer(event: Event) -> None:
            if self.is_down:
                raise ConnectionError("refused")

        self.hook.answer = answer
        for i in range(100):
            self.commit(upload_id=f"u{i:02}")
            self.commit(FINISHED, upload_id=f"u{i:02}")
        self.delivery.start()

    def test_it_is_left_alone(self) -> None:
        """It is tried once in a while, one upload at a time."""
        self.pass_s(120)
        self.assertLess(len(self.hook.told), 20)
        before = len(self.hook.told)
        self.pass_s(600)
        self.assertIn(len(self.hook.told) - before, (9, 10, 11))

    def test_it_is_back(self) -> None:
        """With the first success all is told at once, each upload in order."""
        self.pass_s(200)
        self.is_down = False
        self.pass_s(62)
        self.assertEqual(len(self.hook.taken), 200)
        for upload_id in {e.upload_id for e in self.hook.taken}:
            found = [e.sequence for e in self.hook.taken if e.upload_id == upload_id]
            self.assertEqual(found, [1, 2])

    def test_one_at_a_time(self) -> None:
        """While it is down no second upload is tried beside the first."""
        self.pass_s(30)
        self.hook.holds = True
        self.pass_s(55)
        self.assertEqual(self.hook.most, 1)

    def test_two_that_fail_are_not_all(self) -> None:
        """Where few fail, one that has not failed is told at once."""
        self.is_down = False
        self.pass_s(60)
        self.hook.taken.clear()

        def answer(event: Event) -> None:
            if event.upload_id in ("bad", "worse"):
                raise ValueError("not this one")

        self.hook.answer = answer
        self.commit(upload_id="bad")
        self.commit(upload_id="worse")
        self.pass_s(100)
        self.commit(upload_id="good")
        self.assertEqual([e.upload_id for e in self.hook.taken], ["good"])

    def test_many_that_fail_are_not_all(self) -> None:
        """However many fail, one that has not failed is the next to be tried."""
        self.pass_s(600)

        def answer(event: Event) -> None:
            if event.upload_id != "good":
                raise ValueError("not this one")

        self.hook.answer = answer
        self.commit(upload_id="good")
        self.pass_s(61)
        self.assertEqual([e.upload_id for e in self.hook.taken], ["good"])


class ManyTests(DeliveryCase):
    """More uploads than are held in memory, which is forty here."""

    def start(self) -> None:
        """Begin to tell them."""
        carrier = Carrier(
            self.outbox,
            self.hook,
            self.clock,
            now=self.clock.seconds,
            give_up_after_s=1e6,
            at_once=8,
            random=lambda: 1.0,
            window=40,
        )
        carrier.start()
        self.addCleanup(carrier.stop)

    def test_all_are_told(self) -> None:
        """Once each, and others have a turn meanwhile."""
        ids = [f"{i:04}" for i in range(300)]
        for upload_id in ids:
            self.commit(upload_id=upload_id)
        self.start()
        self.assertLess(len(self.hook.told), 100)
        self.pass_s(10)
        self.assertEqual(sorted(e.upload_id or "" for e in self.hook.told), ids)

    def test_those_that_fail_hide_nobody(self) -> None:
        """However many fail, others are told, and those that fail not too often."""

        def answer(event: Event) -> None:
            if (event.upload_id or "").startswith("bad"):
                raise ValueError("not this one")

        self.hook.answer = answer
        for i in range(100):
            self.commit(upload_id=f"bad{i}")
        self.start()
        self.pass_s(60)
        for i in range(20):
            self.commit(upload_id=f"good{i}")
            self.pass_s(30, 1)
        self.pass_s(240, 1)
        good = {event.upload_id for event in self.hook.taken}
        self.assertEqual(good, {f"good{i}" for i in range(20)})
        self.assertLess(len(self.hook.told), 100 * 12)

    def test_it_was_down_for_all(self) -> None:
        """When it is back all are told at once, also those that nobody has tried."""
        self.hook.answer = self.fail_times(10)
        for i in range(300):
            self.commit(upload_id=f"u{i}")
        self.start()
        self.pass_s(240)
        self.assertEqual(len(self.hook.taken), 300)
        self.assertEqual(len(self.hook.told), 310)


class StopTests(DeliveryCase):
    """A stop, and another start."""

    def setUp(self) -> None:
        """Have an event on its way."""
        super().setUp()
        self.hook.holds = True
        self.commit()
        self.commit(FINISHED)
        self.delivery.start()
        self.assertEqual(list(self.hook.held), ["u"])

    def test_waits_for_the_answer(self) -> None:
        """What is being told may end; nothing else begins."""
        self.delivery.stop()
        stopped = Deferred.fromCoroutine(self.delivery.stopped())
        self.assertNoResult(stopped)
        self.hook.held["u"].callback(None)
        self.successResultOf(stopped)
        self.assertEqual([e.type for e in self.hook.told], [CREATED])
        self.assertEqual(self.due(), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_not_for_long(self) -> None:
        """What does not end in time is cut off, and due."""
        self.delivery.stop()
        stopped = Deferred.fromCoroutine(self.delivery.stopped())
        self.clock.advance(CUT_OFF_S)
        self.successResultOf(stopped)
        self.assertEqual(self.hook.held, {})
        self.assertEqual(self.due(), 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_started_again(self) -> None:
        """The next start waits until nothing of the one before is on its way."""
        self.delivery.stop()
        self.delivery.stop()
        self.delivery.start()
        self.clock.advance(CUT_OFF_S / 2)
        self.assertEqual(len(self.hook.told), 1)
        self.hook.held["u"].callback(None)
        self.assertEqual([e.type for e in self.hook.told], [CREATED, FINISHED])
        self.hook.held["u"].callback(None)
        self.delivery.stop()
        self.do(self.delivery.stopped())
        self.assertEqual(self.due(), 0)

    def test_never_started(self) -> None:
        """That is no matter."""
        delivery = self.make(self.hook)
        delivery.stop()
        self.do(delivery.stopped())


class RandomTests(DeliveryCase):
    """Failures of every kind, at any time."""

    @given(st.integers(0, 2**32))
    @steady(60)
    def test_nothing_is_lost(self, seed: int) -> None:
        """Per upload first arrivals are in order, all arrive, none is made up."""
        self.setUp()
        self.delivery = self.make(self.hook, at_once=3)
        chance = random.Random(seed)

        def answer(event: Event) -> None:
            match chance.randrange(4 if is_hostile else 1):
                case 1:
                    raise ConnectionError("no")
                case 2:
                    self.hook.taken.append(event)
                    raise ConnectionError("it came, and nobody knows")

        self.hook.answer = answer
        is_hostile = True
        left = [(kind, f"u{i}") for kind in LIFE for i in range(6)]
        events: list[Event] = []
        while left:
            for _ in range(chance.randrange(5)):
                if left:
                    events.append(self.commit(*left.pop(0)))
            if chance.random() < 0.5:
                self.delivery.start()
                self.pass_s(chance.choice([0.5, 1.0, 70.0]), 0.5)
                self.delivery.stop()
                self.clock.advance(CUT_OFF_S)
        is_hostile = False
        self.delivery.start()
        self.pass_s(310, 5)
        self.delivery.stop()
        self.do(self.delivery.stopped())
        self.assertEqual(self.due(), 0)
        self.assertEqual(set(self.hook.ids), {e.event_id for e in events})
        for upload_id in {event.upload_id for event in events}:
            mine = [e.sequence for e in self.hook.taken if e.upload_id == upload_id]
            self.assertEqual(list(dict.fromkeys(mine)), [1, 2, 3])
