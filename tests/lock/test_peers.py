"""Tests for :mod:`tustwisted.lock.peers`: the others come, go, freeze and misbehave."""

from __future__ import annotations

import itertools
import os

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.logger import capturedLogs

from tests.lock.fellow import Fellow, FellowCase, hear_each_other, soon, turn, until
from tests.lock.stranger import HandTurned, Stranger
from tustwisted.errors import UploadLocked
from tustwisted.lock.file import GIVING_WAY_S, LOCKS_NAME, FileLocks
from tustwisted.lock.kernel import ByteLocks, byte_of_upload
from tustwisted.lock.peers import MEETING_S
from tustwisted.lock.sockets import SOCKETS_NAME

U = byte_of_upload("u")


class StrangerCase(FellowCase):
    """Has one locker, and its time in hand."""

    def setUp(self) -> None:
        """Prepare the locker, and do not start it."""
        super().setUp()
        self.hand_turned = HandTurned()
        self.clock = self.hand_turned.clock
        self.one = Fellow(self.directory)
        self.one.locks = FileLocks(self.directory, self.hand_turned)
        os.makedirs(os.path.join(self.directory, SOCKETS_NAME))

    def start_one(self) -> Deferred[None]:
        """Start it."""
        self.addCleanup(self.one.stop)
        return Deferred.fromCoroutine(self.one.start())

    def stranger(self) -> Stranger:
        """Have somebody else there."""
        return Stranger(self, self.directory)

    async def met(self) -> Stranger:
        """Have somebody who was met when it started."""
        stranger = self.stranger()
        starting = self.start_one()
        await stranger.accept()
        stranger.hello()
        await soon(starting)
        return stranger


class JoinTests(StrangerCase):
    """A process starts, and finds the others."""

    async def test_alone(self) -> None:
        """Where nobody is, nobody is waited for."""
        starting = self.start_one()
        self.assertTrue(starting.called)
        await starting

    async def test_waits_for_wishes(self) -> None:
        """It takes part when the others have told what they wait for."""
        stranger, other = self.stranger(), self.stranger()
        starting = self.start_one()
        await stranger.accept()
        await other.accept()
        stranger.hello(f"want {U} 9000")
        await stranger.hear(f"free {U}")
        self.assertFalse(starting.called)
        other.hello()
        await soon(starting)
        await self.one.took("u")
        await until(lambda: bool(self.clock.getDelayedCalls()))
        self.clock.advance(0)
        self.assertEqual(self.one.wishes, ["u"])

    async def test_frozen(self) -> None:
        """One who is frozen is not waited for longer than a moment."""
        self.stranger()
        starting = self.start_one()
        self.clock.advance(MEETING_S - 0.01)
        self.assertFalse(starting.called)
        self.clock.advance(0.01)
        await starting

    async def test_frozen_waiter_thaws(self) -> None:
        """One who waited when it was frozen is heard when it is thawed."""
        stranger = self.stranger()
        starting = self.start_one()
        self.clock.advance(MEETING_S)
        await starting
        lock = await self.one.take("u")
        await stranger.accept()
        stranger.hello(f"want {U} 9000")
        await self.one.wish("u")
        lock.release()
        await stranger.hear(f"free {U}")

    async def test_dying_while_it_is_met(self) -> None:
        """One who dies meanwhile is not waited for."""
        stranger = self.stranger()
        starting = self.start_one()
        await stranger.accept()
        stranger.die()
        await soon(starting)
        self.assertNotIn(stranger.name, self.sockets())

    async def test_cancelled(self) -> None:
        """A start that is cancelled leaves nothing behind, and may be repeated."""
        stranger = self.stranger()
        starting = self.start_one()
        starting.cancel()
        await self.assertFailure(starting, CancelledError)
        self.assertEqual(self.sockets(), [stranger.name])
        starting = self.start_one()
        self.clock.advance(MEETING_S)
        await starting

    async def test_together(self) -> None:
        """Those who start at the same time find each other."""
        fellows = [Fellow(self.directory) for _ in range(5)]
        for fellow in fellows:
            self.addCleanup(fellow.stop)
        await soon(gatherResults([Deferred.fromCoroutine(f.start()) for f in fellows]))
        for one, other in itertools.combinations(fellows, 2):
            await hear_each_other(one, other)

    async def test_dead_are_buried(self) -> None:
        """Sockets of the dead are removed; those of the living and other files stay."""
        dead, living = [self.stranger() for _ in range(3)], self.stranger()
        for stranger in dead:
            stranger.die()
        with open(os.path.join(self.directory, SOCKETS_NAME, "README"), "w"):
            pass
        starting = self.start_one()
        self.clock.advance(MEETING_S)
        await starting
        self.assertEqual(len(self.sockets()), 3)
        self.assertLess({"README", living.name}, set(self.sockets()))


class VanishTests(StrangerCase):
    """The others die, or hang up."""

    async def test_death_of_the_holder(self) -> None:
        """Who waits gets what a dead process held, and its socket is removed."""
        stranger = await self.met()
        stranger.locks.try_lock(U)
        taking = self.one.take("u")
        await stranger.hear(f"want {U}")
        stranger.die()
        await soon(taking)
        self.assertNotIn(stranger.name, self.sockets())

    async def test_connections_die_first(self) -> None:
        """The kernel may close a connection before it frees the locks."""
        stranger = await self.met()
        stranger.locks.try_lock(U)
        taking = self.one.take("u")
        await stranger.hear(f"want {U}")
        stranger.listening.close()
        stranger.hang_up()
        await until(lambda: len(self.clock.getDelayedCalls()) == 2)
        for _ in range(5):
            self.clock.advance(0.001)
        self.assertFalse(taking.called)
        stranger.die()
        self.clock.advance(0.01)
        await taking
        self.assertNotIn(stranger.name, self.sockets())

    async def test_stranger_without_a_name(self) -> None:
        """The end of who never said its name wakes those who wait, to be sure."""
        stranger, caller = await self.met(), self.stranger()
        (own,) = set(self.sockets()) - {stranger.name, caller.name}
        stranger.locks.try_lock(U)
        taking = self.one.take("u")
        caller.connect(own)
        await caller.hear(f"want {U}")
        stranger.locks.unlock(U)
        caller.die()
        await soon(taking)

    async def test_called_back(self) -> None:
        """One that lives and hung up is called back, later and later, until it answers;
        then all wishes are told again."""
        stranger = await self.met()
        stranger.locks.try_lock(U)
        taking = self.one.take("u")
        await stranger.hear(f"want {U}")
        stranger.hang_up()
        await until(lambda: len(self.clock.getDelayedCalls()) == 2)
        for _ in range(250):
            self.clock.advance(0.001)
        self.assertRaises(BlockingIOError, stranger.listening.accept)
        for _ in range(12):
            self.clock.advance(0.1)
        await stranger.accept()
        await stranger.hear(f"want {U}")
        stranger.locks.unlock(U)
        stranger.hello(f"free {U}")
        await soon(taking)

    async def test_hangs_up_each_time(self) -> None:
        """One that hangs up on every call is not called more often than it must be."""
        stranger = await self.met()
        calls = 0
        for _ in range(600):
            stranger.hang_up()
            await turn()
            self.clock.advance(0.1)
            await turn()
            try:
                stranger.connection, _ = stranger.listening.accept()
            except BlockingIOError:
                continue
            calls += 1
            stranger.connection.close()
        self.assertGreater(calls, 1)
        self.assertLess(calls, 15)

    async def test_no_timer_for_the_frozen(self) -> None:
        """For one that is frozen no timer runs."""
        self.stranger()
        starting = self.start_one()
        self.clock.advance(MEETING_S)
        await starting
        self.assertEqual(self.clock.getDelayedCalls(), [])

    async def test_stop_while_one_is_sought(self) -> None:
        """A stop ends also the search for who hung up."""
        stranger = await self.met()
        stranger.hang_up()
        await until(lambda: bool(self.clock.getDelayedCalls()))
        await self.one.locks.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class HostileTests(StrangerCase):
    """What somebody may say who has found the socket."""

    async def test_nonsense(self) -> None:
        """Nonsense costs the connection and one line of the log, and nothing else."""
        stranger, caller = await self.met(), self.stranger()
        (own,) = set(self.sockets()) - {stranger.name, caller.name}
        lock = await self.one.take("u")
        for said in ("nonsense", "x" * 100_000, "want 1 1\0"):
            caller.connect(own)
            with capturedLogs() as events:
                caller.say(said)
                await caller.is_hung_up_on()
            warned = [e for e in events if e["log_level"].name == "warn"]
            self.assertEqual(len(warned), 1)
            caller.hang_up()
        lock.require_held()
        self.assertEqual(self.one.wishes, [])
        stranger.say(f"want {U} 9000")
        await self.one.wish("u")

    async def test_free_that_is_not(self) -> None:
        """Who says that something is free gives nothing away that is not."""
        stranger = await self.met()
        stranger.locks.try_lock(U)
        taking = self.one.take("u", 5)
        stranger.say(*(f"free {U}", "free 7") * 100)
        stranger.say("want 7 9000")
        await stranger.hear("free 7")
        self.assertFalse(taking.called)
        self.clock.advance(5)
        await self.assertFailure(taking, UploadLocked)
        await stranger.hear(f"unwant {U}")

    async def test_wishes_for_what_nobody_has(self) -> None:
        """Who wants what is not held here is told so, and nobody is disturbed."""
        stranger = await self.met()
        await self.one.take("u")
        stranger.say("want 7 9000")
        await stranger.hear("free 7")
        self.assertEqual(self.one.wishes, [])

    async def test_frozen_waiter_disturbs_for_its_time_only(self) -> None:
        """A wish that is not taken back ends with its time: nobody gives way to it."""
        stranger = await self.met()
        stranger.say(f"want {U} 9000")
        await stranger.hear(f"free {U}")
        taking = self.one.take("u")
        self.assertFalse(taking.called)
        self.clock.advance(GIVING_WAY_S)
        self.clock.advance(0)
        self.assertEqual(self.one.wishes, ["u"])
        (await taking).release()
        self.clock.advance(9)
        await self.one.take("u")
        self.clock.advance(0)
        self.assertEqual(self.one.wishes, ["u"])

    async def test_reads_nothing(self) -> None:
        """What is said to one who does not read has a limit, and is right at last."""
        stranger = await self.met()
        other = ByteLocks.open(os.path.join(self.directory, LOCKS_NAME))
        self.addCleanup(other.close)
        other.try_lock(U)
        for _ in range(12_000):
            taking = self.one.take("u")
            taking.cancel()
            await self.assertFailure(taking, CancelledError)
        taking = self.one.take("u")
        other.try_lock(byte_of_upload("v"))
        last = self.one.take("v")
        await turn()
        heard = await stranger.hear(f"want {byte_of_upload('v')}")
        self.assertLess(len(heard), 400_000)
        of_u = [line for line in heard.splitlines() if f"want {U}" in line]
        self.assertEqual(of_u[-1], f"want {U} 20000")
        for work in (taking, last):
            work.cancel()
            await self.assertFailure(work, CancelledError)
