"""Uploads on real sockets and files, spliced, and with nothing but that different."""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import os
from collections.abc import Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.protocols.policies import TimeoutFactory
from twisted.python.components import proxyForInterface
from zope.interface import implementer

from tests.web.sockets import Client, CountingSite, SocketCase, reactor
from tests.web.tus_harness import UPLOAD_BYTES, message, patch
from tustwisted.disk import Disk
from tustwisted.interfaces import IDataStore, ILock, IUploadWriter
from tustwisted.lock.memory import MemoryLocker
from tustwisted.protocol.upload import UploadInfo
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles
from tustwisted.uploads.uploads import Uploads
from tustwisted.web.resource import TusResource, below
from tustwisted.web.wants import everything

MIB = 1 << 20
BODY = os.urandom(4 * MIB)
SOME = 300_001
"""Bytes of it that make a beginning: more than one read."""


def descriptors() -> set[str]:
    """Tell what this process has open, but for what Twisted holds in reserve."""
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # that of the list itself
            found.add(os.readlink(f"/proc/self/fd/{fd}"))
    return found - {"/dev/null"}


class CountingFiles(OsFiles):
    """
    Files that count, and fail when a test wants it.

    :ivar written: bytes that were ours on their way.
    :ivar spliced: bytes that were not.
    :ivar room: how many more fit.
    :ivar error: what happens to those that do not.
    """

    def __init__(self) -> None:
        self.written = self.spliced = 0
        self.room = 2**63
        self.error = errno.ENOSPC

    def pwritev(
        self, fd: int, buffers: Sequence[bytes | memoryview], offset: int
    ) -> int:
        """Write what fits."""
        content = b"".join(buffers)[: self._most()]
        count = super().pwritev(fd, [content], offset)
        self.written += count
        self.room -= count
        return count

    def splice(self, pipe: int, fd: int, size_bytes: int, offset: int) -> int:
        """Write what fits of a pipe."""
        count = super().splice(pipe, fd, min(size_bytes, self._most()), offset)
        self.spliced += count
        self.room -= count
        return count

    def _most(self) -> int:
        if not self.room:
            raise OSError(self.error, "no room")
        return self.room


class WatchedLocker(MemoryLocker):
    """
    Locks of which a test can take one away.

    :ivar locks: those that were got so far.
    """

    def __init__(self, clock: IReactorTime) -> None:
        super().__init__(clock)
        self.locks: list[ILock] = []

    def acquire(self, *args: Any) -> Deferred[ILock]:
        """Remember the lock."""
        return super().acquire(*args).addCallback(self._got)

    def _got(self, lock: ILock) -> ILock:
        self.locks.append(lock)
        return lock


class TusClient(Client):
    """A client that looks at headers."""

    def answer(self) -> tuple[int, int | None]:
        """Read one response; returns its status, and the offset that it tells."""
        while b"\r\n\r\n" not in self._seen:
            self._more()
        top = self._seen.partition(b"\r\n\r\n")[0]
        fields = dict(line.split(b": ", 1) for line in top.split(b"\r\n")[1:])
        if top.split(b" ")[1] == b"200":  # to HEAD
            self._seen = self._seen[len(top) + 4 :]
            status = 200
        else:
            status, _ = self.response()
        offset = fields.get(b"Upload-Offset")
        return status, None if offset is None else int(offset)


class TusSocketCase(SocketCase):
    """One server on a port and a directory, and one upload ``u`` of 4 MiB."""

    splices = True

    async def setUp(self) -> None:  # type: ignore[override]  # trial waits for it
        """Begin the upload; see at the end that nothing stays open."""
        await self.turn()  # a reactor that runs has descriptors of its own
        self.addCleanup(self._look, descriptors())
        self.files = CountingFiles()
        self.disk = Disk(reactor)
        self.directory = self.mktemp()
        store = FileStore(self.directory, self.disk, Durability.NONE, files=self.files)
        self.store = store if self.splices else _Plain(store)
        self.locker = WatchedLocker(reactor)
        self.uploads = Uploads(self.store, self.locker, self.disk, reactor)
        self.disk.start()
        await self.uploads.start()
        self.addCleanup(self.disk.stop)
        self.addCleanup(self.uploads.stop)
        await self.store.create(UploadInfo("u", len(BODY)))

    def listen(self, **kwargs: Any) -> int:
        """Serve; returns the port."""
        return self.serve(below("/files/", TusResource(self.uploads)), **kwargs)

    def _look(self, before: set[str]) -> None:
        self.assertEqual(descriptors(), before)

    async def connect(self, port: int, data: bytes = b"") -> TusClient:
        """Connect, and send something."""
        client = await self.in_thread(lambda: TusClient(port))
        self.addCleanup(client.socket.close)
        await self.in_thread(lambda: client.send(data))
        return client

    async def stored(self) -> bytes:
        """Read what is stored, which its offset tells."""
        offset = (await self.store.info("u")).offset
        with open(f"{self.directory}/u", "rb") as file:
            content = file.read()
        self.assertEqual(len(content), offset)
        return content

    async def until(self, offset: int) -> None:
        """Wait until so much is stored."""
        while (await self.store.info("u")).offset < offset:
            await self.turn()

    def turn(self) -> Deferred[None]:
        """Wait for a moment."""
        turn: Deferred[None] = Deferred()
        reactor.callLater(0.001, turn.callback, None)
        return turn

    async def until_free(self) -> None:
        """Wait until nobody holds the upload."""
        lock = await self.locker.acquire("u", lambda: None, 10.0)
        lock.release()

    async def rest(self, port: int) -> None:
        """Send what is missing, and compare."""
        offset = (await self.store.info("u")).offset
        client = await self.connect(
            port, patch(b"/files/u", offset, body=BODY[offset:])
        )
        answer = await self.in_thread(client.answer)
        self.assertEqual(answer, (204, len(BODY)))
        self.assertEqual(await self.stored(), BODY)


def announced(offset: int = 0, *lines: bytes, size: int = len(BODY)) -> bytes:
    """The head of a PATCH."""
    return message(
        b"PATCH",
        b"/files/u",
        UPLOAD_BYTES,
        b"Upload-Offset: %d" % offset,
        b"Content-Length: %d" % size,
        *lines,
    )


BEGUN = announced() + BODY[:SOME]
LOOK = message(b"HEAD", b"/files/u")


class SplicedTests(TusSocketCase):
    """What comes is stored, whichever way the body ends."""

    async def test_whole(self) -> None:
        """A body is stored as it was sent; of 4 MiB, few bytes have been ours."""
        client = await self.connect(self.listen(), announced() + BODY)
        answer = await self.in_thread(client.answer)
        self.assertEqual(answer, (204, len(BODY)))
        self.assertEqual(await self.stored(), BODY)
        self.assertEqual(self.files.written + self.files.spliced, len(BODY))
        if self.splices:
            self.assertLess(self.files.written, MIB // 2)
        else:
            self.assertEqual(self.files.spliced, 0)

    async def test_cut_and_resumed(self) -> None:
        """Every byte before the end of a connection is stored, and the rest follows."""
        for how in ("fin", "rst"):
            port = self.listen()
            client = await self.connect(port, BEGUN)
            if how == "rst":  # which takes with it what its own kernel still holds
                await self.until(SOME)
            getattr(client, how)()
            await self.until(SOME)
            await self.until_free()
            self.assertEqual(await self.stored(), BODY[:SOME])
            await self.rest(port)
            await self.store.remove("u")
            await self.store.create(UploadInfo("u", len(BODY)))

    async def test_pipelined(self) -> None:
        """Requests behind a body are answered in order, on the same connection."""
        client = await self.connect(self.listen(), announced() + BODY + LOOK + LOOK)
        answers = await self.in_thread(lambda: [client.answer() for _ in range(3)])
        whole = len(BODY)
        self.assertEqual(answers, [(204, whole), (200, whole), (200, whole)])

    async def test_body_in_many_requests(self) -> None:
        """Each PATCH on one connection goes on where the last one ended."""
        client = await self.connect(self.listen())
        piece = len(BODY) // 4
        for offset in range(0, len(BODY), piece):
            data = announced(offset, size=piece) + BODY[offset : offset + piece]
            await self.in_thread(partial(client.send, data))
            answer = await self.in_thread(client.answer)
            self.assertEqual(answer, (204, offset + piece))
        self.assertEqual(await self.stored(), BODY)

    async def test_byte_by_byte(self) -> None:
        """A slow client's bytes are stored as they come."""
        port = self.listen()
        client = await self.connect(port, BEGUN)
        for end in range(SOME, SOME + 20):
            await self.until(end)
            await self.in_thread(partial(client.send, BODY[end : end + 1]))
        client.fin()
        await self.until(SOME + 20)
        self.assertEqual(await self.stored(), BODY[: SOME + 20])

    async def test_taken_over(self) -> None:
        """Who comes next goes on where the holder was, who is told, and stopped."""
        port = self.listen()
        holder = await self.connect(port, BEGUN)
        await self.until(SOME)
        await self.rest(port)
        status, _ = await self.in_thread(holder.answer)
        self.assertEqual(status, 400)

    async def test_taken_over_in_full_flow(self) -> None:
        """A holder that sends all the time leaves no byte behind the newcomer's."""
        port = self.listen()
        holder = await self.connect(port)
        data = announced() + BODY[:-1]
        flow = self.in_thread(partial(holder.send_until_refused, data, 1))
        await self.until(SOME)
        client = await self.connect(port, announced(size=1) + b"x")
        status, _ = await self.in_thread(client.answer)
        self.assertEqual(status, 409)
        await flow
        await self.until_free()
        content = await self.stored()
        self.assertEqual(content, BODY[: len(content)])
        await self.rest(port)

    async def test_silent(self) -> None:
        """A client that falls silent is told so, and its bytes are kept."""
        client = await self.connect(self.listen(idle_timeout_s=0.1), BEGUN)
        status, _ = await self.in_thread(client.answer)
        self.assertEqual(status, 500)
        self.assertEqual(await self.stored(), BODY[:SOME])

    async def test_shutdown(self) -> None:
        """A stop keeps what came, and tells the client."""
        client = await self.connect(self.listen(), BEGUN)
        await self.until(SOME)
        await self.uploads.settle()
        self.assertEqual(await self.stored(), BODY[:SOME])
        status, _ = await self.in_thread(client.answer)
        self.assertEqual(status, 503)

    async def test_lock_lost(self) -> None:
        """Without its lock nothing more is taken out of the socket."""
        client = await self.connect(self.listen(), BEGUN)
        await self.until(SOME)
        self.locker.locks[-1].when_lost().callback(None)
        await self.in_thread(lambda: client.send_until_refused(b"x" * 1000, 1))
        status, _ = await self.in_thread(client.answer)
        self.assertEqual(status, 500)
        self.assertEqual(await self.stored(), BODY[:SOME])

    async def test_disk_fails(self) -> None:
        """What fitted is kept, and the next upload holds no foreign byte."""
        port = self.listen()
        for error, status in ((errno.ENOSPC, 507), (errno.EIO, 500)):
            self.files.room, self.files.error = MIB + 1, error
            client = await self.connect(port)
            data = announced() + BODY[:-1]
            flow = self.in_thread(partial(client.send_until_refused, data, 1))
            answer = await self.in_thread(client.answer)
            self.assertEqual(answer[0], status)
            await flow
            self.files.room = 2**63
            await self.until_free()
            self.assertEqual(await self.stored(), BODY[: MIB + 1])
            await self.rest(port)
            await self.store.remove("u")
            await self.store.create(UploadInfo("u", len(BODY)))
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)


class ReadTests(SplicedTests):
    """So it is where the store takes no bytes out of pipes."""

    splices = False


class OrdinaryTests(SplicedTests):
    """So it is where the socket cannot be had."""

    splices = False

    def listen(self, **kwargs: Any) -> int:
        """Serve behind a protocol that wants to see every byte."""
        site = CountingSite(
            below("/files/", TusResource(self.uploads)),
            reactor=reactor,
            wants=everything,
            **kwargs,
        )
        self.addCleanup(lambda: DeferredList(site.gone))
        port = reactor.listenTCP(0, TimeoutFactory(site), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        number: int = port.getHost().port
        return number


class ChecksumTests(TusSocketCase):
    """Bytes that are hashed are taken out of the socket, too."""

    async def send(self, digest: bytes, body: bytes = BODY) -> TusClient:
        """Send a body with a checksum."""
        checksum = b"Upload-Checksum: sha1 " + base64.b64encode(digest)
        return await self.connect(self.listen(), announced(0, checksum) + body)

    async def test_right(self) -> None:
        """The body counts, and none of it was spliced."""
        client = await self.send(hashlib.sha1(BODY).digest())
        answer = await self.in_thread(client.answer)
        self.assertEqual(answer, (204, len(BODY)))
        self.assertEqual(await self.stored(), BODY)
        self.assertEqual(self.files.spliced, 0)

    async def test_wrong(self) -> None:
        """Nothing of it counts, and nothing is left."""
        client = await self.send(bytes(20))
        status, _ = await self.in_thread(client.answer)
        self.assertEqual(status, 460)
        self.assertEqual(await self.stored(), b"")

    async def test_cut(self) -> None:
        """Nothing of what is cut off counts either."""
        client = await self.send(hashlib.sha1(BODY).digest(), BODY[:-1])
        client.fin()
        while not self.locker.locks:
            await self.turn()
        await self.until_free()
        self.assertEqual(await self.stored(), b"")


class _Writer(proxyForInterface(IUploadWriter)):  # type: ignore[misc]  # a call
    """A writer that knows nothing of pipes."""


@implementer(IDataStore)
class _Plain(proxyForInterface(IDataStore)):  # type: ignore[misc]  # a call
    """A store of which no more is known than what every store does."""

    async def open_writer(self, upload_id: str, offset: int) -> IUploadWriter:
        """Hide what the writer can do."""
        return _Writer(await self.original.open_writer(upload_id, offset))
