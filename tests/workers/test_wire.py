"""What a worker tells, and what its supervisor makes of it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from io import StringIO
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import (
    LogEvent,
    Logger,
    LogLevel,
    capturedLogs,
    eventsFromJSONLogFile,
    formatEvent,
    globalLogPublisher,
    jsonFileLogObserver,
    textFileLogObserver,
)
from twisted.python import log as legacy
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.workers.hearing import MOST_BYTES, Hearing, Lines, PipeReader
from tustwisted.workers.wire import PATIENCE_S, TRUST_S, Wire


class NoReactor:
    """Takes note of who wants to read."""

    def __init__(self) -> None:
        self.readers: set[object] = set()

    def addReader(self, reader: object) -> None:
        """Add one."""
        self.readers.add(reader)

    def removeReader(self, reader: object) -> None:
        """Remove one."""
        self.readers.discard(reader)


class WireTests(SynchronousTestCase):
    """A wire from a worker to its supervisor."""

    def setUp(self) -> None:
        """Make both ends."""
        self.reactor = NoReactor()
        fd, self.end = os.pipe()
        self.clock = Clock()
        self.waits_s: list[float] = []
        self.wire = Wire(self.end, self.clock.seconds, self.wait)
        self.heard: list[object] = []
        hearing = Hearing(
            2,
            lambda: self.heard.append("ready"),
            self.heard.append,
            lambda: self.heard.append("alive"),
        )
        self.lines = Lines(hearing.told)
        self.reader = PipeReader(self.reactor, fd, self.lines)
        self.log = Logger(namespace="tustwisted.some", observer=self.wire)
        self.is_open = True
        self.addCleanup(self.close)

    def wait(self, fd: int, wait_s: float) -> bool:
        """Stand for a wait in which the supervisor reads nothing."""
        self.clock.advance(wait_s)
        self.waits_s.append(wait_s)
        return False

    def close(self) -> None:
        """Close the worker's end, and what the supervisor's has left."""
        if self.is_open:
            self.is_open = False
            os.close(self.end)
        self.reader.finish()

    def events(self) -> list[LogEvent]:
        """Listen, and return the events that the supervisor emits."""
        with capturedLogs() as events:
            self.reader.doRead()
        return list(events)

    def text(self, event: LogEvent) -> str:
        """Return how a log file shows an event, without its time."""
        file = StringIO()
        textFileLogObserver(file, timeFormat="")(event)
        return file.getvalue()

    def test_ready_and_failed(self) -> None:
        """How a start went is told."""
        self.wire.ready()
        self.wire.failed("cannot store in 'a\nb'")
        self.reader.doRead()
        self.assertEqual(self.heard, ["ready", "cannot store in 'a\nb'"])

    def test_alive(self) -> None:
        """A sign of life is told, and is no line of the log."""
        self.wire.alive()
        self.assertEqual(self.events(), [])
        self.assertEqual(self.heard, ["alive"])

    def test_event(self) -> None:
        """An event arrives with its fields, level, time, and whose it is."""
        self.log.warn("upload {upload_id} reached {offset}", upload_id="a", offset=7)
        (event,) = self.events()
        self.assertIs(event["log_level"], LogLevel.warn)
        self.assertEqual((event["upload_id"], event["offset"]), ("a", 7))
        self.assertEqual(event["worker"], 2)
        self.assertEqual(formatEvent(event), "upload a reached 7")
        self.assertIn(
            "[worker 2 tustwisted.some#warn] upload a reached 7\n", self.text(event)
        )

    def test_event_as_json(self) -> None:
        """An observer that writes JSON shows the worker as well."""
        self.log.info("hello")
        (event,) = self.events()
        file = StringIO()
        jsonFileLogObserver(file)(event)
        file.seek(0)
        (read,) = eventsFromJSONLogFile(file)
        self.assertEqual((read["worker"], formatEvent(read)), (2, "hello"))

    def test_legacy_event(self) -> None:
        """What was logged by the old interface, such as accesses, says it too."""
        globalLogPublisher.addObserver(self.wire)
        legacy.msg("GET /")
        globalLogPublisher.removeObserver(self.wire)
        (event,) = self.events()
        self.assertIn("[worker 2 -] GET /\n", self.text(event))
        file = StringIO()
        legacy.FileLogObserver(file).emit(event)
        self.assertIn("[worker 2 -] GET /\n", file.getvalue())

    def test_failure(self) -> None:
        """A failure arrives with its traceback and its message."""
        try:
            raise KeyError("no such thing")
        except KeyError:
            self.log.failure("it failed")
        (event,) = self.events()
        self.assertEqual(len(self.flushLoggedErrors()), 1)  # as any observer sees it
        text = self.text(event)
        self.assertIn("[worker 2 tustwisted.some#critical] it failed\n", text)
        self.assertIn("in test_failure\n", text)
        self.assertIn("KeyError: 'no such thing'\n", text)

    def test_object_that_is_none_for_json(self) -> None:
        """An event is told although something in it cannot be."""
        circle: list[Any] = []
        circle.append(circle)
        self.log.info("{circle} is round", circle=circle)
        (event,) = self.events()
        self.assertEqual(formatEvent(event), "[[...]] is round")
        self.assertIs(event["log_level"], LogLevel.info)

    def test_line_that_was_cut(self) -> None:
        """What a worker began to tell when it was killed is shown as it came."""
        for line in ('event {"log_for', "event 7", "plain [1]", 'failed "no ro', ""):
            self.lines.came(line.encode())
            with capturedLogs() as events:
                self.lines.ended()
            self.assertEqual([e["text"] for e in events], [line] if line else [])
        self.assertEqual(self.heard, [])

    def close_worker(self) -> None:
        """Close the worker's end."""
        self.is_open = False
        os.close(self.end)

    def test_dead_supervisor(self) -> None:
        """A worker that nobody listens to any more goes on."""
        self.reader.close()
        self.log.info("hello")
        self.log.info("hello")

    def test_frozen_supervisor(self) -> None:
        """What cannot be told is lost and counted; what was begun is ended."""
        for number in range(200):
            self.log.info("{number} {text}", number=number, text="x" * 5000)
        numbers: list[int] = []
        lost = 0
        for turn in range(100):
            if turn == 50:
                self.log.info("{number}", number=200)
            for event in self.events():
                lost += event.get("lost", 0)
                numbers += [event["number"]] if "number" in event else []
        self.assertEqual(numbers, [*range(len(numbers) - 1), 200])
        self.assertGreater(lost, 0)
        self.assertEqual(lost + len(numbers), 201)
        self.assertEqual(self.waits_s, [PATIENCE_S])

    def test_slow_supervisor(self) -> None:
        """One that takes a little now and then holds a worker up once, no more."""
        for _ in range(100):
            self.fill()
            os.read(self.reader.fileno(), 8192)
            self.clock.advance(TRUST_S / 2)
        self.assertEqual(self.waits_s, [PATIENCE_S])

    def fill(self) -> None:
        """Tell more than the pipe takes."""
        for _ in range(30):
            self.log.info("{text}", text="x" * 5000)

    def test_trusted_again(self) -> None:
        """A supervisor that was in time for long is worth another wait."""
        for count in (1, 2):
            self.fill()
            self.assertEqual(len(self.waits_s), count)
            while self.events():
                pass
            self.log.info("this is taken, and tells what was lost")
            self.clock.advance(TRUST_S)

    def test_long_line(self) -> None:
        """The wait for a line has one end, however often a part of it is taken."""
        reader = self.reader.fileno()

        def wait(fd: int, wait_s: float) -> bool:
            self.waits_s.append(wait_s)
            self.clock.advance(PATIENCE_S / 4)
            return bool(os.read(reader, 8192))

        wire = Wire(self.end, self.clock.seconds, wait)
        Logger(namespace="long", observer=wire).info("{text}", text="x" * 500_000)
        self.assertEqual(self.waits_s, [PATIENCE_S * part / 4 for part in (4, 3, 2, 1)])
        with contextlib.suppress(BlockingIOError):  # half a line is logged as it is
            while os.read(reader, 65536):
                pass

    def test_waits_for_real(self) -> None:
        """A worker whose pipe is full goes on when the supervisor has read."""
        data: list[bytes] = []
        reading = threading.Thread(target=lambda: data.extend(self.until_end()))
        reading.start()
        Wire(self.end).failed("x" * 500_000)
        self.close_worker()
        reading.join()
        self.lines.came(b"".join(data))
        self.assertEqual(self.heard, ["x" * 500_000])

    def test_interrupted_by_itself(self) -> None:
        """What a signal handler tells in the middle of a line follows that line."""
        write = os.write
        inside = ["second", "third"]

        def interrupted(fd: int, data: bytes) -> int:
            written = write(fd, data[:10])
            if inside:
                self.log.info(inside.pop(0))
            return written

        self.patch(os, "write", interrupted)
        self.log.info("first")
        told = [formatEvent(event) for event in self.events()]
        self.assertEqual(told, ["first", "second", "third"])

    def test_interrupted_by_signals(self) -> None:
        """Each line is whole and comes once, wherever a signal's handler told one."""
        log = Logger(observer=Wire(self.end))
        ticks = 0

        def tick(number: int, frame: object) -> None:
            nonlocal ticks
            ticks += 1
            log.info("tick")
            if ticks == 300:
                signal.setitimer(signal.ITIMER_REAL, 0)

        self.addCleanup(signal.signal, signal.SIGALRM, signal.getsignal(signal.SIGALRM))
        signal.signal(signal.SIGALRM, tick)
        data: list[bytes] = []
        reading = threading.Thread(target=lambda: data.extend(self.until_end()))
        reading.start()
        told = 0
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        while ticks < 300:
            log.info("{number}", number=told)
            told += 1
        self.close_worker()
        reading.join()
        with capturedLogs() as events:
            self.lines.came(b"".join(data))
        texts = [formatEvent(event) for event in events]
        self.assertEqual(texts.count("tick"), ticks)
        rest = [text for text in texts if text != "tick"]
        self.assertEqual(rest, [str(number) for number in range(told)])

    def until_end(self) -> Iterator[bytes]:
        """Read what the worker tells, in any thread, until it has ended."""
        os.set_blocking(self.reader.fileno(), True)
        while data := os.read(self.reader.fileno(), 65536):
            yield data


class LinesTests(SynchronousTestCase):
    """Lines of what a worker's interpreter or libraries write."""

    def cut(self, *pieces: bytes) -> Iterator[str]:
        """Cut what comes in pieces."""
        found: list[str] = []
        lines = Lines(found.append)
        for piece in pieces:
            lines.came(piece)
        lines.ended()
        return iter(found)

    def test_cut_anywhere(self) -> None:
        """However it comes, lines are whole; the last one may have no end."""
        for at in range(7):
            found = self.cut(b"ab\nc\nde"[:at], b"ab\nc\nde"[at:])
            self.assertEqual(list(found), ["ab", "c", "de"])

    def test_endless_line(self) -> None:
        """A line without an end takes no endless memory."""
        found = list(self.cut(b"a" * MOST_BYTES, b"b", b"c"))
        self.assertEqual([len(line) for line in found], [MOST_BYTES + 1, 1])

    def test_no_text(self) -> None:
        """Bytes that are no text are shown as such."""
        self.assertEqual(list(self.cut(b"\xff\n")), ["\\xff"])

    def test_said(self) -> None:
        """A line on standard error is logged with the worker's number."""
        with capturedLogs() as events:
            Hearing(2, lambda: None, lambda _: None, lambda: None).said(
                "Segmentation fault {x}"
            )
        (event,) = events
        self.assertEqual(formatEvent(event), "Segmentation fault {x}")
        self.assertEqual(event["log_system"], "worker 2 stderr#warn")
