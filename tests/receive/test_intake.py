"""Bytes go from a socket to a file."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Sequence

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.python.components import proxyForInterface
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.receive.support import HandDisk, Producer
from tustwisted.errors import NoSpace, StorageFailed
from tustwisted.interfaces import IUploadWriter
from tustwisted.lending import IDrainsPipes, ILendsSocket, ISocketLoan
from tustwisted.receive.choose import LEAST_BYTES
from tustwisted.receive.intake import FLOWING_BYTES, PLACE_BYTES, Intake, borrow
from tustwisted.receive.pipes import Pipe, Pipes
from tustwisted.receive.queue import WriteQueue
from tustwisted.receive.ways import Reading, Splicing, Way
from tustwisted.testing import ImmediateDisk

MIB = 1 << 20
SMALL_PIPE_BYTES = 64 * 1024


@implementer(ISocketLoan)
@define(eq=False)
class Loan:
    """A socket on loan; the test says when it is readable."""

    source: socket.socket
    left_bytes: int = 100 * MIB
    counts: list[int] = field(factory=list)
    waiter: Deferred[bool] | None = None
    given_back: int = 0
    is_unwatchable: bool = False
    is_recalled: bool = False

    def fileno(self) -> int:
        """Return that of the socket."""
        return self.source.fileno()

    def when_readable(self) -> Deferred[bool]:
        """Wait for :meth:`tell`."""
        if self.is_unwatchable:
            raise OSError(errno.ENOSPC, "no more to watch")
        self.waiter = Deferred()
        return self.waiter

    def tell(self, readable: bool = True) -> None:
        """Say that there is something, or that the loan is recalled."""
        assert self.waiter is not None
        waiter, self.waiter = self.waiter, None
        waiter.callback(readable)

    def taken(self, size_bytes: int) -> None:
        """Count."""
        self.counts.append(size_bytes)
        self.left_bytes -= size_bytes

    def give_back(self) -> None:
        """Remember it."""
        self.given_back += 1


@implementer(IDrainsPipes)
@define(eq=False)
class Writer:
    """
    Keeps everything in memory.

    :ivar fails_at: at which offset it fails, with ``error``.
    """

    content: bytearray = field(factory=bytearray)
    fails_at: int | None = None
    error: Exception = field(factory=NoSpace)
    sync_due: bool = False
    sync_error: Exception | None = None
    writes: int = 0
    while_draining: list[Callable[[], None]] = field(factory=list)

    @property
    def offset(self) -> int:
        """Where the next byte goes."""
        return len(self.content)

    def write(self, buffers: Sequence[bytes]) -> None:
        """Take some bytes."""
        self.writes += 1
        if self.sync_error is not None:
            raise self.sync_error
        for buffer in buffers:
            self.content += buffer

    def drain(self, pipe: int, size_bytes: int) -> None:
        """Take what is in the pipe, or fail."""
        if self.while_draining:
            self.while_draining.pop(0)()
        while size_bytes:
            most = size_bytes
            if self.fails_at is not None:
                most = min(most, self.fails_at - self.offset)
                if not most:
                    raise self.error
            piece = os.read(pipe, most)
            self.content += piece
            size_bytes -= len(piece)

    def settle(self) -> int:
        """Tell the offset."""
        return self.offset

    def close(self) -> None:
        """Do nothing."""


@implementer(ILendsSocket)
@define(eq=False)
class Lender(Producer):
    """A body that lends its socket."""

    loan: Loan | None = None
    asked: list[int] = field(factory=list)

    def lend(self, least_bytes: int) -> Loan | None:
        """Lend it."""
        self.asked.append(least_bytes)
        return self.loan


class IntakeCase(SynchronousTestCase):
    """A queue that is emptied out of a socket."""

    now_s = 0.0

    def setUp(self) -> None:
        """Connect a client, and begin with a loan."""
        self.pipes = Pipes()
        self.disk = HandDisk()
        self.movers: ImmediateDisk = ImmediateDisk()
        self.moved = 0
        self.begin()

    def begin(self, writer: Writer | None = None, room: int = 100 * MIB) -> None:
        """Begin another upload, with the same pipes."""
        server = socket.create_server(("127.0.0.1", 0))
        self.client = socket.create_connection(server.getsockname())
        source, _ = server.accept()
        server.close()
        source.setblocking(False)
        self.addCleanup(source.close)
        self.addCleanup(self.client.close)
        self.writer = writer or Writer()
        self.loan = Loan(source)
        self.queue = WriteQueue(
            self.writer, self.disk.quick, self.disk.write, lambda: None
        )
        self.intake = Intake(
            self.loan, self.way(), self.movers, room, self._moved, lambda: self.now_s
        )

    def way(self) -> Way:
        """Choose how bytes are moved."""
        return Splicing(self.writer, self.pipes)

    def _moved(self, size_bytes: int) -> None:
        self.moved += size_bytes

    def start(self) -> None:
        """Let the queue take bytes out of the socket."""
        self.queue.put_source(self.intake)

    def send(self, data: bytes) -> None:
        """Send it, and say so when it has come."""
        self.client.sendall(data)
        self.loan.source.recv(len(data), socket.MSG_PEEK | socket.MSG_WAITALL)
        self.loan.tell()

    def assert_over(self) -> None:
        """The socket was given back, once, and nothing is in flight."""
        self.assertEqual(self.loan.given_back, 1)
        self.successResultOf(self.queue.drained())


class SplicingTests(IntakeCase):
    """What goes well."""

    def test_doubles_provide_their_interfaces(self) -> None:
        """What stands in for a body, a loan and a writer is one."""
        verifyObject(ISocketLoan, self.loan)
        verifyObject(ILendsSocket, Lender())
        verifyObject(IDrainsPipes, self.writer)

    def test_moves_what_comes(self) -> None:
        """Each time that the socket is readable, what it has is moved and counted."""
        self.start()
        self.send(b"abc")
        self.send(b"defg")
        self.assertEqual(self.writer.content, b"abcdefg")
        self.assertEqual((self.loan.counts, self.moved), ([3, 4], 7))
        self.loan.tell(readable=False)
        self.assert_over()

    def test_comes_after_what_was_put(self) -> None:
        """What had come before is written first."""
        self.queue.run = self.disk.write
        self.queue.put(b"first")
        self.start()
        self.assertIsNone(self.loan.waiter)
        self.queue.run = self.disk.quick
        self.disk.do_one()
        self.send(b"second")
        self.assertEqual(self.writer.content, b"firstsecond")
        self.loan.tell(readable=False)
        self.queue.put(b"third")
        self.assertEqual(self.writer.content, b"firstsecondthird")

    def test_stops_where_the_upload_is_full(self) -> None:
        """No byte past the upload's length is taken: it comes the ordinary way."""
        self.begin(room=5)
        self.start()
        self.send(b"abcdefg")
        self.assertEqual(self.writer.content, b"abcde")
        self.assertEqual(self.loan.source.recv(10), b"fg")
        self.assert_over()

    def test_stops_where_the_loan_ends(self) -> None:
        """No byte past what may be taken is."""
        self.loan.left_bytes = 5
        self.start()
        self.send(b"abcdefg")
        self.assertEqual(self.writer.content, b"abcde")
        self.assert_over()

    def test_end_of_the_connection(self) -> None:
        """At the end everything was taken, and the socket is given back."""
        self.start()
        self.send(b"abc")
        self.client.close()
        self.loan.tell()
        self.assertEqual(self.writer.content, b"abc")
        self.assert_over()

    def test_reset(self) -> None:
        """So it is with what the kernel still had before a reset."""
        self.start()
        self.client.sendall(b"abc")
        self.loan.source.recv(3, socket.MSG_PEEK | socket.MSG_WAITALL)
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.client.close()
        self.loan.tell()
        self.assertEqual(self.writer.content, b"abc")
        self.loan.tell()
        self.assert_over()

    def test_urgent_byte(self) -> None:
        """At one the kernel stops to splice, for ever: recv() steps over it."""
        self.start()
        self.client.sendall(b"abc")
        self.client.send(b"!", socket.MSG_OOB)
        self.client.sendall(b"def")
        self.loan.source.recv(3, socket.MSG_PEEK | socket.MSG_WAITALL)
        while not self.loan.given_back:
            self.loan.tell()
        self.assertEqual(self.writer.content, b"abc")
        self.loan.source.setblocking(True)
        self.assertEqual(self.loan.source.recv(10), b"def")
        self.assert_over()

    def test_waits_for_the_device_elsewhere(self) -> None:
        """A sync that is due is done before a job, and not in the reactor."""
        self.writer.sync_due = True
        self.start()
        self.send(b"abc")
        self.assertEqual(self.writer.writes, 0)
        self.assertNoResult(self.queue.job_done())
        self.disk.do_one()
        self.assertGreater(self.writer.writes, 0)
        self.assertEqual(self.writer.content, b"abc")
        self.loan.tell(readable=False)

    def test_failed_sync_takes_nothing(self) -> None:
        """When that fails, nothing more is taken out of the socket."""
        self.writer.sync_due = True
        self.writer.sync_error = StorageFailed()
        self.start()
        self.send(b"abc")
        self.disk.do_one()
        self.assertIsNotNone(self.queue.failure)
        self.assertEqual(self.loan.counts, [])
        self.assert_over()

    def test_socket_cannot_be_watched(self) -> None:
        """It is given back, and the upload fails, when the reactor refuses it."""
        self.loan.is_unwatchable = True
        self.start()
        assert self.queue.failure is not None
        self.assertIsNotNone(self.queue.failure.check(OSError))
        self.assertEqual(self.loan.given_back, 1)
        self.assert_over()

    def test_nothing_is_in_flight_while_it_waits(self) -> None:
        """Who looks at the upload waits for no client."""
        self.start()
        self.successResultOf(self.queue.job_done())
        self.assertNoResult(self.queue.drained())
        self.loan.tell(readable=False)
        self.assert_over()


class ReadingTests(SplicingTests):
    """So it is when bytes are read and written."""

    def way(self) -> Way:
        """Read them."""
        return Reading(_Plain(self.writer))

    def test_urgent_byte(self) -> None:
        """It is stepped over."""
        self.start()
        self.client.sendall(b"abc")
        self.client.send(b"!", socket.MSG_OOB)
        self.client.sendall(b"def")
        for offset in (3, 6):
            while self.writer.offset < offset:
                self.loan.tell()
        self.assertEqual(self.writer.content, b"abcdef")
        self.loan.tell(readable=False)
        self.assert_over()


class FlowTests(IntakeCase):
    """Bytes that come without a pause."""

    def setUp(self) -> None:
        """Let a test say when a thread gets to its job."""
        super().setUp()
        self.movers: HandDisk = HandDisk()
        self.begin()

    def fill(self) -> None:
        """Send as much as the socket takes."""
        self.client.setblocking(False)
        with self.assertRaises(BlockingIOError):
            while True:
                self.client.send(bytes(MIB))

    def flow(self) -> None:
        """Do a job in the reactor, and begin one in a thread."""
        self.fill()
        self.start()
        self.loan.tell()
        self.fill()
        self.loan.tell()

    def test_reactor_moves_little(self) -> None:
        """Nobody waits there for more than a small step."""
        self.fill()
        self.start()
        self.loan.tell()
        self.assertLessEqual(self.loan.counts[0], PLACE_BYTES)
        self.loan.tell(readable=False)

    def test_thread_goes_on(self) -> None:
        """The next job is a thread's, which moves whatever there is."""
        self.flow()
        self.assertEqual(len(self.loan.counts), 1)
        self.movers.do_one()
        self.assertGreater(self.loan.counts[1], PLACE_BYTES)
        self.loan.tell(readable=False)
        self.assert_over()

    def test_thread_waits_for_more(self) -> None:
        """What comes while it stores is moved by the same job."""
        self.flow()
        self.writer.while_draining = [self.fill, self.fill]
        self.movers.do_one()
        self.assertEqual(self.writer.while_draining, [])
        self.assertEqual(len(self.loan.counts), 2)
        self.loan.tell(readable=False)

    def test_trickle(self) -> None:
        """When it has dried up the next bytes are moved in the reactor again."""
        self.flow()
        self.movers.do_one()
        while self.loan.counts[-1] >= FLOWING_BYTES:
            self.client.setblocking(True)
            self.send(b"abc")
            self.movers.do_all()
        self.send(b"def")
        self.assertEqual(self.movers.waiting, [])
        self.assertEqual(self.writer.content[-6:], b"abcdef")
        self.loan.tell(readable=False)

    def test_recalled(self) -> None:
        """A thread stops after the step that it is at."""
        self.flow()
        self.pipes.give_back(_small_pipe())
        self.loan.is_recalled = True
        self.movers.do_one()
        self.assertLessEqual(self.loan.counts[1], SMALL_PIPE_BYTES)
        self.loan.tell(readable=False)
        self.assert_over()

    def test_slow_disk(self) -> None:
        """After a step that took long the thread goes to others."""
        self.flow()
        self.pipes.give_back(_small_pipe())
        self.writer.while_draining = [self._be_slow]
        self.movers.do_one()
        self.assertLessEqual(self.loan.counts[1], SMALL_PIPE_BYTES)
        self.loan.tell(readable=False)

    def _be_slow(self) -> None:
        self.now_s += 1


def _small_pipe() -> Pipe:
    pipe = Pipe()
    pipe.size_bytes = SMALL_PIPE_BYTES
    return pipe


class FailureTests(IntakeCase):
    """The file fails in the middle of a pipe."""

    def test_next_upload_holds_no_foreign_byte(self) -> None:
        """A pipe that was not emptied is destroyed; what was taken was counted."""
        for error in (NoSpace(), StorageFailed()):
            self.begin(Writer(fails_at=2, error=error))
            self.pipes.enter()  # another upload keeps the pipes alive
            self.start()
            self.send(b"mine alone")
            self.assertEqual(self.writer.content, b"mi")
            self.assertEqual(self.loan.counts, [10])
            assert self.queue.failure is not None
            self.assertIs(self.queue.failure.value, error)
            self.assert_over()
            self.begin()
            self.start()
            self.send(b"yours")
            self.assertEqual(self.writer.content, b"yours")
            self.loan.tell(readable=False)
            self.pipes.leave()

    def test_dirty_pipe_is_closed(self) -> None:
        """Its descriptors are gone at once, also while others splice."""
        self.pipes.enter()
        before = len(os.listdir("/proc/self/fd"))
        self.writer.fails_at = 1
        self.start()
        self.send(b"abc")
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)

    def test_no_pipe(self) -> None:
        """Without a pipe the socket is given back untouched."""
        self.pipes = _NoPipes()
        self.begin()
        self.start()
        self.send(b"abc")
        self.assert_over()
        self.assertIsNone(self.queue.failure)
        self.assertEqual(self.loan.source.recv(10), b"abc")

    def test_nothing_after_a_failure(self) -> None:
        """A writer that has failed is given nothing out of a socket."""
        self.begin(_Failing())
        self.queue.put(b"a")
        self.start()
        self.assert_over()


class BorrowTests(IntakeCase):
    """When bytes go on by themselves."""

    def ask(
        self,
        lender: object | None = None,
        writer: IUploadWriter | None = None,
        pipes: Pipes | None = None,
        room: int | None = None,
    ) -> Intake | None:
        """Ask for the socket; all is well but for what is given."""
        return borrow(
            lender or Lender(loan=self.loan),  # type: ignore[arg-type]
            writer or self.writer,
            pipes or self.pipes,
            self.movers,
            room_bytes=room,
            moved=self._moved,
        )

    def test_possible(self) -> None:
        """A body that lends its socket, and room in the upload."""
        lender = Lender(loan=self.loan)
        for room in (None, LEAST_BYTES):
            self.assertIsNotNone(self.ask(lender, room=room))
        self.assertEqual(lender.asked, [LEAST_BYTES] * 2)

    def test_not_possible(self) -> None:
        """In all other cases the body comes the ordinary way."""
        cases: tuple[Callable[[], Intake | None], ...] = (
            lambda: self.ask(Lender(loan=None)),
            lambda: self.ask(Producer()),
            lambda: self.ask(room=LEAST_BYTES - 1),
        )
        for case in cases:
            self.assertIsNone(case())
        self.assertEqual(self.loan.given_back, 0)

    def test_spliced_where_that_is_possible(self) -> None:
        """Else it is read, which takes longer: not in the reactor."""
        for intake, is_quick in (
            (self.ask(), True),
            (self.ask(writer=_Plain(self.writer)), False),
            (self.ask(pipes=Pipes(are_possible=False)), False),
        ):
            assert intake is not None
            self.assertEqual(intake.is_quick, is_quick)


class _NoPipes(Pipes):
    """A process with no descriptor to spare."""

    def borrow(self) -> Pipe:
        """Fail."""
        raise OSError(errno.EMFILE, "too many")


class _Failing(Writer):
    """A writer that takes no bytes of ours, and none of others."""

    def write(self, buffers: Sequence[bytes]) -> None:
        """Fail."""
        raise NoSpace

    def drain(self, pipe: int, size_bytes: int) -> None:
        """Fail worse."""
        raise AssertionError


class _Plain(proxyForInterface(IUploadWriter)):  # type: ignore[misc]  # a call
    """A writer that knows nothing of pipes."""
