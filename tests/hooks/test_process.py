"""The hook that runs programs, with real ones."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator, Sequence

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.process import (
    registerReapProcessHandler,
    unregisterReapProcessHandler,
)
from twisted.logger import LogEvent, LogLevel, capturedLogs
from zope.interface.verify import verifyObject

from tests.hooks.programs import HANG, ProgramCase, descriptors, lives, until
from tustwisted.errors import HookUnusable
from tustwisted.hooks.process import END_S, ProcessHook
from tustwisted.hooks.program import ProgramFailed
from tustwisted.hooks.wire import decode_event
from tustwisted.interfaces import IHook
from tustwisted.protocol.answers import Answer, HttpAnswer
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.requests import RequestInfo
from tustwisted.protocol.upload import UploadInfo

UPLOAD = UploadInfo("u1", 500, offset=20)

CREATION = Event(
    EventType.PRE_CREATE,
    "e1",
    UploadInfo("u1", None),
    RequestInfo("POST", "/files/", "192.0.2.7:49152", {"Authorization": ("Bearer x",)}),
)

FINISH = Event(EventType.POST_FINISH, "e2", UPLOAD, None, "u1", 3)


class ProcessCase(ProgramCase):
    """Has hooks of one directory."""

    def hook(self, timeout_s: float = 20.0, most_at_once: int = 16) -> ProcessHook:
        """Make one; it is stopped after the test."""
        hook = ProcessHook(
            reactor, str(self.place), frozenset(EventType), timeout_s, most_at_once
        )
        self.addCleanup(lambda: Deferred.fromCoroutine(hook.stop()))
        return hook

    async def problem(self, hook: ProcessHook, event: Event = CREATION) -> str:
        """Ask it, or tell it, what fails; return the sentence."""
        try:
            if event.type.is_durable:
                await hook.tell(event)
            else:
                await hook.ask(event)
        except ProgramFailed as error:
            return str(error).removeprefix(f"{self.place}/")
        raise AssertionError("it did not fail")


class StartTests(ProcessCase):
    """What a hook looks at first."""

    async def test_starts(self) -> None:
        """A directory will do; it may be empty."""
        hook = self.hook()
        verifyObject(IHook, hook)
        self.assertEqual(hook.name, "process")
        await hook.start()

    async def test_no_directory(self) -> None:
        """No directory is no hook, nor is a file."""
        self.shell("file", "")
        for place in (self.place / "missing", self.place / "file"):
            hook = ProcessHook(reactor, str(place), frozenset())
            with self.assertRaises(HookUnusable) as caught:
                await hook.start()
            self.assertEqual(
                str(caught.exception),
                f"--hooks-dir {place}: there is no such directory; make it, or name "
                "another one",
            )


class ContractTests(ProcessCase):
    """What programs get, and may answer."""

    async def test_nothing_there(self) -> None:
        """Where there is no program for an event nothing happens."""
        hook = self.hook()
        self.assertIsNone(await hook.ask(CREATION))
        await hook.tell(FINISH)

    async def test_given(self) -> None:
        """The event stands in JSON on the standard input, secrets too."""
        self.shell("pre-create", "cat > given")
        await self.hook().ask(CREATION)
        given = (self.place / "given").read_bytes()
        self.assertEqual(decode_event(given), CREATION)

    async def test_environment(self) -> None:
        """The facts that tusd tells stand in the environment, and two of ours."""
        facts = '"$TUS_ID|$TUS_SIZE|$TUS_OFFSET|$TUS_EVENT|$TUS_EVENT_ID"'
        for name in ("pre-access", "pre-create", "post-finish"):
            self.shell(name, f"echo {facts} > facts")
        hook = self.hook()
        access = Event(EventType.PRE_ACCESS, "e0", None, CREATION.request, "u1")
        for event, expected in (
            (access, "u1|0|0|pre-access|e0\n"),
            (CREATION, "|0|0|pre-create|e1\n"),
            (FINISH, "u1|500|20|post-finish|e2\n"),
        ):
            await (hook.tell if event is FINISH else hook.ask)(event)
            self.assertEqual((self.place / "facts").read_text(), expected)

    async def test_our_environment(self) -> None:
        """Of ours they get all but what the options of the daemon are written in."""
        for name in ("TUS_LOCKER", "SHOP_DATABASE"):
            self.patch(os, "environ", {**os.environ, name: "secret"})
        self.shell("pre-create", "env > environment; pwd > directory")
        await self.hook().ask(CREATION)
        environment = (self.place / "environment").read_text()
        self.assertIn("SHOP_DATABASE=secret\n", environment)
        self.assertNotIn("TUS_LOCKER", environment)
        self.assertEqual(
            (self.place / "directory").read_text(), f"{self.place.resolve()}\n"
        )

    async def test_answer(self) -> None:
        """What stands in JSON on the standard output is the answer."""
        reply = {
            "RejectUpload": True,
            "HTTPResponse": {"StatusCode": 415, "Body": "no", "Header": {"X-Why": "x"}},
        }
        self.shell("pre-create", f"echo '{json.dumps(reply)}'")
        self.assertEqual(
            await self.hook().ask(CREATION),
            Answer(reject=True, response=HttpAnswer(415, {"X-Why": "x"}, "no")),
        )

    async def test_says_nothing(self) -> None:
        """Silence is consent."""
        self.shell("pre-create", "echo")
        self.assertEqual(await self.hook().ask(CREATION), Answer())

    async def test_large_event(self) -> None:
        """An event may be larger than a pipe, and need not be read."""
        self.shell("pre-create", "echo '{\"RejectUpload\": true}'")
        metadata = Metadata.from_pairs({"notes": b"n" * 1024 * 1024})
        info = UploadInfo("u1", 1, metadata=metadata)
        large = Event(EventType.PRE_CREATE, "e1", info)
        self.assertEqual(await self.hook().ask(large), Answer(reject=True))

    async def test_log(self) -> None:
        """What they write to their standard error stands in our log, by their name."""
        self.shell("pre-create", "echo 'no {such} user' >&2")
        with capturedLogs() as events:
            await self.hook().ask(CREATION)
        self.assertEqual([*_lines(events)], [("pre-create", "no {such} user")])

    async def test_descriptors(self) -> None:
        """Two hundred of them leave no file open."""
        self.shell("pre-create", "echo '{}'; echo said >&2")
        hook = self.hook()
        before = await descriptors()
        with capturedLogs():
            for _ in range(10):
                await gatherResults(
                    [Deferred.fromCoroutine(hook.ask(CREATION)) for _ in range(20)]
                )
        self.assertEqual(await descriptors(), before)


class FailureTests(ProcessCase):
    """Programs that do not behave; each is one sentence that names it."""

    async def test_status(self) -> None:
        """One that fails, whether it is asked or told."""
        for name in ("pre-create", "post-finish"):
            self.shell(name, "exit 2")
        for event in (CREATION, FINISH):
            problem = await self.problem(self.hook(), event)
            self.assertEqual(problem, f"{event.type.value} ended with status 2")

    async def test_no_sense(self) -> None:
        """One that answers something else than JSON, or what nobody can have."""
        hook = self.hook()
        for said in ("ok", "[]", '{"HTTPResponse": {"StatusCode": 99}}'):
            self.shell("pre-create", f"echo '{said}'")
            problem = await self.problem(hook)
            self.assertIn("pre-create answers what cannot be used: ", problem)

    async def test_no_sense_when_told(self) -> None:
        """Of what one says that is told nothing is read: it would be told again."""
        self.shell("post-finish", "echo done; head -c 1000000 /dev/zero")
        await self.hook().tell(FINISH)

    async def test_not_executable(self) -> None:
        """One that may not be run."""
        self.shell("pre-create", "").chmod(0o644)
        problem = await self.problem(self.hook())
        self.assertEqual(problem, "pre-create is not executable")

    async def test_not_a_file(self) -> None:
        """A directory in its place, or a link that leads nowhere."""
        (self.place / "pre-create").mkdir()
        problem = await self.problem(self.hook())
        self.assertEqual(problem, "pre-create is not a file")
        (self.place / "post-finish").symlink_to(self.place / "gone")
        problem = await self.problem(self.hook(), FINISH)
        self.assertEqual(problem, "post-finish cannot be found any more")

    async def test_directory_is_gone(self) -> None:
        """A directory that is not there any more allows nothing."""
        hook = self.hook()
        self.place.rmdir()
        problem = await self.problem(hook)
        self.assertEqual(problem, "pre-create cannot be found any more")

    async def test_too_much(self) -> None:
        """One that does not stop to answer."""
        self.shell("pre-create", "exec cat /dev/zero")
        problem = await self.problem(self.hook())
        self.assertEqual(problem, "pre-create says more than 65536 bytes")

    async def test_cannot_start(self) -> None:
        """Where no more files can be opened nothing runs; it does when they can."""
        self.shell("pre-create", "exit 0")
        hook = self.hook(most_at_once=2)
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        count = await descriptors()
        resource.setrlimit(resource.RLIMIT_NOFILE, (count + 2, before[1]))
        asking = [Deferred.fromCoroutine(hook.ask(CREATION)) for _ in range(2000)]
        for each in asking:
            with self.assertRaisesRegex(ProgramFailed, "Too many open files"):
                await each
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        self.assertEqual(await hook.ask(CREATION), Answer())
        self.assertEqual(await descriptors(), count)


class TimeTests(ProcessCase):
    """Programs that hang, and those who wait for them."""

    async def test_hangs(self) -> None:
        """One that takes too long is ended; nobody waits for that."""
        self.shell("pre-create", f"trap '' TERM; {HANG}")
        hook = self.hook(timeout_s=0.5)
        began = reactor.seconds()
        problem = await self.problem(hook)
        self.assertEqual(problem, "pre-create was not done within 0.5 s")
        self.assertLess(reactor.seconds() - began, 2.0)
        await self.gone(await self.pid())

    async def test_cancelled(self) -> None:
        """One that nobody waits for any more is ended."""
        self.shell("pre-create", HANG)
        asking = Deferred.fromCoroutine(self.hook().ask(CREATION))
        pid = await self.pid()
        asking.cancel()
        with self.assertRaises(CancelledError):
            await asking
        await self.gone(pid)

    async def test_many(self) -> None:
        """Of fifty only some run at the same time, and all of them get their turn."""
        self.shell("pre-create", "echo 1 >> log; sleep 0.02; echo -1 >> log")
        hook = self.hook(most_at_once=4)
        await gatherResults(
            [Deferred.fromCoroutine(hook.ask(CREATION)) for _ in range(50)]
        )
        running = highest = 0
        changes = [*map(int, (self.place / "log").read_text().split())]
        for change in changes:
            running += change
            highest = max(highest, running)
        self.assertEqual((len(changes), running, highest), (100, 0, 4))

    async def test_waits_for_its_turn(self) -> None:
        """The wait for a turn counts; what had no turn has not run."""
        self.shell("pre-create", HANG)
        self.shell("pre-finish", "touch finished")
        hook = self.hook(timeout_s=0.5, most_at_once=1)
        first = Deferred.fromCoroutine(self.problem(hook))
        problem = await self.problem(hook, evolve(CREATION, type=EventType.PRE_FINISH))
        self.assertEqual(problem, "pre-finish was not done within 0.5 s")
        self.assertIn("not done", await first)
        self.assertFalse((self.place / "finished").exists())

    async def test_turn_comes_after_the_end(self) -> None:
        """A turn is over when the program is gone, and so one that hangs takes it."""
        self.shell("pre-create", f"trap '' TERM; {HANG}")
        self.shell("pre-finish", "exit 0")
        hook = self.hook(timeout_s=0.5, most_at_once=1)
        await self.problem(hook)
        pid = await self.pid()
        finish = evolve(CREATION, type=EventType.PRE_FINISH)
        await self.problem(hook, finish)
        self.assertTrue(lives(pid))
        await self.gone(pid)
        self.assertEqual(await hook.ask(finish), Answer())

    async def test_who_is_told_leaves_room(self) -> None:
        """Programs that are told, and hang, do not keep one that is asked waiting."""
        self.shell("post-finish", f"echo x >> told; {HANG}")
        self.shell("pre-create", "exit 0")
        hook = self.hook(most_at_once=4)
        telling = [Deferred.fromCoroutine(hook.tell(FINISH)) for _ in range(8)]
        told = self.place / "told"
        await until(lambda: told.exists() and told.read_text() == "x\nx\n", "two run")
        self.assertEqual(await hook.ask(CREATION), Answer())
        await hook.stop()
        self.assertEqual(told.read_text(), "x\nx\n")
        for each in telling:
            self.failureResultOf(each, CancelledError)

    async def test_who_is_told_waits(self) -> None:
        """What is told of much at once takes its time: only a run itself is limited."""
        self.shell("post-finish", "sleep 0.4; echo x >> told")
        hook = self.hook(timeout_s=1.0, most_at_once=2)
        await gatherResults(
            [Deferred.fromCoroutine(hook.tell(FINISH)) for _ in range(4)]
        )
        self.assertEqual((self.place / "told").read_text(), "x\n" * 4)

    async def test_stop(self) -> None:
        """A stop ends what runs and what waits, and takes no longer than it may."""
        self.shell("pre-create", f"trap '' TERM; {HANG}")
        hook = self.hook(most_at_once=1)
        asking = [Deferred.fromCoroutine(hook.ask(CREATION)) for _ in range(3)]
        pid = await self.pid()
        began = reactor.seconds()
        await hook.stop()
        self.assertLess(reactor.seconds() - began, END_S + 1.0)
        self.assertFalse(lives(pid))
        for each in asking:
            self.failureResultOf(each, CancelledError)

    async def test_stop_without_end(self) -> None:
        """A stop does not wait for ever for what cannot be ended; it says so."""
        self.shell("pre-create", HANG)
        hook = self.hook()
        asking = Deferred.fromCoroutine(hook.ask(CREATION))
        pid = await self.pid()
        (run,) = hook._running
        unregisterReapProcessHandler(pid, run)  # as if it were deep in the kernel
        with capturedLogs() as events:
            await hook.stop()
        self.assertIn("do not end", events[-1]["log_format"])
        self.failureResultOf(asking, CancelledError)
        registerReapProcessHandler(pid, run)
        await until(lambda: not hook._running, "it is known to have ended")


def _lines(events: Sequence[LogEvent]) -> Iterator[tuple[str, str]]:
    for event in events:
        if event.get("log_namespace") == "tustwisted.hooks.process":
            assert event["log_level"] is LogLevel.info
            yield event["hook"], event["line"]
