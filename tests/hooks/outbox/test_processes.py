"""Several processes share an outbox: some cause events and are killed, one delivers."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.logger import capturedLogs
from twisted.trial.unittest import TestCase

from tests.contracts.test_stores import ThreadedDisk
from tests.hooks.support import StubHook
from tustwisted.hooks.delivery import Delivery
from tustwisted.hooks.outbox.file import FileOutbox
from tustwisted.protocol.events import Event

LIMIT_S = 30.0

ROOT = Path(__file__).resolve().parents[3]


class ProcessTests(TestCase):
    """Real processes, real files, a real ``kill -9``."""

    timeout = 2 * LIMIT_S

    async def test_killed_again_and_again(self) -> None:
        """All that was committed is told, each upload in order, none of it torn."""
        directory = Path(self.mktemp()).absolute()
        outbox = self._outbox(directory)
        await outbox.start()
        hook = StubHook(answer=self._fails_now_and_then)
        delivery = Delivery(outbox, [hook], reactor, random=lambda: 0.0)
        with capturedLogs() as logs:
            delivery.start()
            committed = [
                event_id
                for round_ in range(3)
                for event_id in await self._cause_events(directory, round_)
            ]
            await self._until_told(hook, committed)
            delivery.stop()
            await delivery.stopped()
        self.assertEqual([e for e in logs if "path" in e], [])
        self.assertGreater(len(committed), 30)
        self.assertEqual(set(committed) - set(hook.ids), set())
        told: dict[str | None, list[int | None]] = {}
        for event in {event.event_id: event for event in hook.taken}.values():
            told.setdefault(event.upload_id, []).append(event.sequence)
        for upload_id, numbers in told.items():
            self.assertEqual(numbers, [1, 2, 3][: len(numbers)], upload_id)

    def _outbox(self, directory: Path) -> FileOutbox:
        disk = ThreadedDisk()
        disk.start()
        self.addCleanup(disk.stop)
        outbox = FileOutbox(str(directory), disk, lambda _: False)
        self.addCleanup(outbox.stop)
        return outbox

    def _fails_now_and_then(self, event: Event) -> None:
        self.calls = getattr(self, "calls", 0) + 1
        if self.calls % 10 == 0:
            raise ConnectionError("no")

    async def _cause_events(self, directory: Path, round_: int) -> list[str]:
        """Run two processes for a moment, kill them, return what they committed."""
        processes = [
            subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.hooks.outbox.one_process"),
                    *(str(directory), f"{round_}-{number}"),
                ],
                cwd=ROOT,
                stdout=subprocess.PIPE,
            )
            for number in range(2)
        ]
        for process in processes:
            self.addCleanup(process.kill)
        began = time.monotonic()
        while not list(directory.rglob(f"{round_}-*")):
            self.assertLess(time.monotonic() - began, LIMIT_S)
            await deferLater(reactor, 0.01)
        await deferLater(reactor, 0.1)
        for process in processes:
            process.kill()
        return [
            line
            for process in processes
            for line in process.communicate()[0].decode().splitlines()
            if line.endswith(("create", "finish", "terminate"))
        ]

    async def _until_told(self, hook: StubHook, committed: list[str]) -> None:
        began = time.monotonic()
        while set(committed) - set(hook.ids):
            self.assertLess(time.monotonic() - began, LIMIT_S)
            await deferLater(reactor, 0.05)
