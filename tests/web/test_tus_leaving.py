"""Clients that are gone before their upload was even looked at (T-040)."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost

from tests.web.test_tus_checksum import checksum
from tests.web.tus_harness import (
    BASE,
    CHUNKED,
    UPLOAD_BYTES,
    Client,
    Server,
    TusCase,
    in_chunks,
    message,
    patch,
)
from tustwisted.protocol.upload import UploadInfo
from tustwisted.store.memory import MemoryStore

STEPS = ("info", "create", "open_writer", "open_chunk")


class Slow(MemoryStore):
    """A store one of whose steps waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: dict[str, Deferred[None]] = {}

    async def _step(self, name: str) -> None:
        if name in self.waits:
            await self.waits[name]

    async def info(self, upload_id: str) -> UploadInfo:
        await self._step("info")
        return await super().info(upload_id)

    async def create(self, info: UploadInfo) -> None:
        await self._step("create")
        await super().create(info)

    async def open_writer(self, upload_id: str, offset: int) -> Any:
        await self._step("open_writer")
        return await super().open_writer(upload_id, offset)

    async def open_chunk(self, upload_id: str, offset: int) -> Any:
        await self._step("open_chunk")
        return await super().open_chunk(upload_id, offset)


class LeavingTests(TusCase):
    """Bytes that came are kept, however early their client is gone."""

    def setUp(self) -> None:
        self.store = Slow()
        self.server = Server(store=self.store)
        self.path = self.server.create(9)

    def begin(self, step: str, sent: bytes) -> Client:
        """Send something while a step of the store waits."""
        self.store.waits[step] = Deferred()
        client = self.server.connect()
        client.begin(sent)
        return client

    def go_on(self, step: str) -> None:
        """Let the step end."""
        self.store.waits.pop(step).callback(None)
        self.server.clock.advance(0)

    def test_cut(self) -> None:
        """A body that breaks off meanwhile is stored as far as it came (T-040)."""
        for step in ("info", "open_writer"):
            for reason in (ConnectionDone(), ConnectionLost()):
                self.setUp()
                client = self.begin(step, patch(self.path, 0, body=b"abcdefghi")[:-5])
                client.lose(reason)
                self.go_on(step)
                self.assert_stored(self.path, b"abcd")
                sent = patch(self.path, 4, body=b"efghi")
                self.assertEqual(self.server.ask(sent).status, 204)
                self.assert_stored(self.path, b"abcdefghi")

    def test_bad_chunk(self) -> None:
        """So is what came before a chunk that is none (T-040, T-260)."""
        for step in ("info", "open_writer"):
            self.setUp()
            bad = patch(self.path, 0, CHUNKED) + in_chunks(b"ab") + b"ZZ\r\n"
            client = self.begin(step, bad)
            self.assertTrue(client.closed)
            client.lose(ConnectionDone())
            self.go_on(step)
            self.assert_stored(self.path, b"ab")

    def test_at_creation(self) -> None:
        """So are the first bytes of an upload that is being created (T-091)."""
        for step in ("create", "info", "open_writer"):
            self.setUp()
            lines = (b"Upload-Length: 6", UPLOAD_BYTES)
            sent = message(b"POST", BASE, *lines, body=b"abcdef")[:-2]
            client = self.begin(step, sent)
            client.lose(ConnectionLost())
            self.go_on(step)
            upload_id = self.server.ids[-1]
            self.assert_stored(BASE + upload_id.encode(), b"abcd")

    def test_whole_body(self) -> None:
        """An upload whose last byte had come is finished, once (T-041)."""
        client = self.begin("info", patch(self.path, 0, body=b"abcdefghi"))
        client.lose(ConnectionLost())
        self.go_on("info")
        self.assert_stored(self.path, b"abcdefghi")
        self.assertEqual(len(self.server.told), 1)

    def test_checksum(self) -> None:
        """A chunk that broke off and cannot be verified is not (T-135)."""
        for step in ("info", "open_chunk"):
            self.setUp()
            sent = patch(self.path, 0, checksum(b"abcdef"), body=b"abcdef")
            client = self.begin(step, sent[:-1])
            client.lose(ConnectionLost())
            self.go_on(step)
            self.assert_stored(self.path, b"")
            self.assertEqual(self.server.ask(sent).status, 204)

    def test_wrong_offset(self) -> None:
        """What comes to the wrong place is not stored, and nothing is left (T-028)."""
        client = self.begin("info", patch(self.path, 4, body=b"efghi")[:-1])
        client.lose(ConnectionLost())
        self.go_on("info")
        self.assert_stored(self.path, b"")
        sent = patch(self.path, 0, body=b"abcdefghi")
        self.assertEqual(self.server.ask(sent).status, 204)

    def test_nobody_is_stopped(self) -> None:
        """Who has left stops nobody who holds the upload by then (T-239)."""
        late = self.begin("info", patch(self.path, 0, body=b"xyz"))
        late.lose(ConnectionLost())
        lookup = self.store.waits.pop("info")
        holder = self.server.connect()
        holder.begin(patch(self.path, 0, body=b"abcdefghi")[:-1])
        lookup.callback(None)
        self.server.clock.advance(0)
        holder.send(b"i")
        self.assertEqual([r.status for r in holder.responses()], [204])
        self.assert_stored(self.path, b"abcdefghi")

    def test_shutdown(self) -> None:
        """A stop in that moment waits for what had come (T-241)."""
        client = self.begin("open_writer", patch(self.path, 0, body=b"abcdef")[:-2])
        client.lose(ConnectionLost())
        stopping = Deferred.fromCoroutine(self.server.uploads.stop())
        self.assertNoResult(stopping)
        self.go_on("open_writer")
        self.successResultOf(stopping)
        self.assertEqual(self.server.content(self.path), b"abcd")
