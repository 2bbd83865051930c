"""What the core asks hooks, tells them, and does with what they answer."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from attrs import define, evolve, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.receive.support import HandDisk, Producer
from tests.uploads.support import SlowStore
from tustwisted.errors import (
    AccessDenied,
    EventRefused,
    FinishFailed,
    FinishRejected,
    HookFailed,
    HookTrouble,
    InvalidMetadata,
    ServerShutdown,
    TerminationRejected,
    UploadExists,
    UploadNotFound,
    UploadRejected,
    UploadStopped,
    UploadTooLarge,
)
from tustwisted.hooks.settings import HookSettings
from tustwisted.interfaces import IHook
from tustwisted.lock.memory import MemoryLocker
from tustwisted.protocol.answers import Answer, HttpAnswer
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.expiration import Expiration
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.requests import RequestInfo
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.receive.receiver import Receiver
from tustwisted.store.memory import MemoryStore
from tustwisted.testing import ImmediateDisk
from tustwisted.uploads.caller import Caller
from tustwisted.uploads.chunk import Chunk
from tustwisted.uploads.uploads import Uploads

_T = TypeVar("_T")

REQUEST = RequestInfo("POST", "/files/", "192.0.2.7:49152", {})
ALL = frozenset(EventType)


@implementer(IHook)
@define(eq=False)
class RememberingHook:
    """
    Remembers what it is asked and told, and answers as the test wants.

    :param answers: by event, what to answer, or what to do.
    """

    name: str = "remembering"
    events: frozenset[EventType] = ALL
    answers: dict[EventType, Answer | Callable[[Event], Any]] = field(factory=dict)
    seen: list[Event] = field(factory=list)

    async def start(self) -> None:
        """Do nothing."""

    async def stop(self) -> None:
        """Do nothing."""

    async def ask(self, event: Event) -> Answer | None:
        """Remember, and answer."""
        self.seen.append(event)
        answer = self.answers.get(event.type)
        if not callable(answer):
            return answer
        returned = answer(event)
        if isinstance(returned, Deferred):
            returned = await returned
        result: Answer | None = returned
        return result

    async def tell(self, event: Event) -> None:
        """Remember, and fail if the test wants that."""
        await self.ask(event)

    def kinds(self) -> list[str]:
        """List what it was asked and told of."""
        return [event.type.value for event in self.seen]


def fail(_: Event) -> None:
    """Fail as no hook should."""
    raise RuntimeError("a hook that is broken")


class _HooksCase(SynchronousTestCase):
    settings = HookSettings()

    def setUp(self) -> None:
        """Start the core with one hook that wants to hear of everything."""
        self.clock = Clock()
        self.store = MemoryStore(seconds=self.clock.seconds)
        self.hook = RememberingHook()
        self.uploads = self.make(self.hook)
        self.caller = Caller(REQUEST)

    def make(self, *hooks: IHook) -> Uploads:
        """Make and start a core, as a process of its own would."""
        uploads = Uploads(
            self.store,
            MemoryLocker(self.clock),
            self.make_disk(),
            self.clock,
            1_000_000,
            hooks=hooks,
            hook_settings=self.settings,
            now_s=self.clock.seconds,
            expiration=Expiration(3600.0),
        )
        self.do(uploads.start())
        delivery = uploads.delivery
        assert delivery is not None
        delivery.start()
        self.addCleanup(self.stop, uploads)
        return uploads

    def make_disk(self) -> Any:
        """Make the disk of a core."""
        return ImmediateDisk()

    def stop(self, uploads: Uploads) -> None:
        """Stop a core."""
        stopping = Deferred.fromCoroutine(uploads.stop())
        self.clock.pump([0.5] * 10)
        self.successResultOf(stopping)

    def do(self, work: Coroutine[Deferred[Any], Any, _T] | Deferred[_T]) -> _T:
        """Do some work that waits for nothing but a turn of the reactor."""
        begun = work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)
        self.clock.pump([0] * 5)
        return self.successResultOf(begun)

    def refused(
        self,
        kind: type[Exception],
        work: Coroutine[Deferred[Any], Any, Any] | Deferred[Any],
    ) -> Any:
        """Do some work that fails, and return how."""
        begun = work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)
        self.clock.pump([0] * 5)
        return self.failureResultOf(begun, kind).value

    def create(self, length: int | None = 3, **more: Any) -> UploadInfo:
        """Create an upload for the caller."""
        return self.do(
            self.uploads.create(length, Metadata(), caller=self.caller, **more)
        )

    def receive(self, upload_id: str, *pieces: bytes, offset: int = 0) -> Receiver:
        """Begin to send bytes."""
        size = sum(map(len, pieces))
        receiver = self.do(
            self.uploads.receive(upload_id, Chunk(offset, size), caller=self.caller)
        )
        receiver.registerProducer(Producer(), True)
        for piece in pieces:
            receiver.write(piece)
        return receiver

    def send(self, upload_id: str, content: bytes, offset: int = 0) -> UploadInfo:
        """Send all bytes of a chunk."""
        receiver = self.receive(upload_id, content, offset=offset)
        receiver.body_ended()
        return self.do(receiver.outcome())


class OrderTests(_HooksCase):
    """What is asked and told in the life of an upload."""

    def test_whole_life(self) -> None:
        """Every step is asked before and told after, in order and counted."""
        upload = self.create()
        self.send(upload.upload_id, b"abc")
        self.do(self.uploads.terminate(upload.upload_id, caller=self.caller))
        self.clock.pump([0] * 5)
        self.assertEqual(
            self.hook.kinds(),
            [
                "pre-create",
                "post-create",
                "pre-finish",
                "post-finish",
                "pre-terminate",
                "post-terminate",
            ],
        )
        told = [event for event in self.hook.seen if event.type.is_durable]
        self.assertEqual([event.sequence for event in told], [1, 2, 3])
        self.assertEqual({event.upload_id for event in told}, {upload.upload_id})
        self.assertTrue(all(event.request is REQUEST for event in self.hook.seen))
        states = [event.upload.state for event in told]
        finished = UploadState.FINISHED
        self.assertEqual(states, [UploadState.RECEIVING, finished, finished])

    def test_ids(self) -> None:
        """The id of what is told again says what it is; others are told but once."""
        upload = self.create()
        self.clock.pump([0] * 5)
        asked, told = self.hook.seen
        self.assertEqual(told.event_id, f"{upload.upload_id}@0.000000:post-create")
        self.create()
        self.assertNotEqual(asked.event_id, self.hook.seen[2].event_id)

    def test_expiry(self) -> None:
        """An upload that was left alone is told to have expired."""
        upload = self.create()
        self.clock.advance(3601)
        sweeping = self.uploads.sweep()
        self.clock.pump([0.01] * 10)
        self.assertEqual(self.successResultOf(sweeping).expired, 1)
        event = self.hook.seen[-1]
        self.assertEqual(event.type, EventType.POST_EXPIRE)
        self.assertEqual((event.sequence, event.request), (2, None))
        self.assertEqual(event.upload.upload_id, upload.upload_id)

    def test_empty_upload(self) -> None:
        """An upload of no bytes is finished when it is created (T-060)."""
        self.create(0)
        self.clock.pump([0] * 5)
        self.assertEqual(
            self.hook.kinds(),
            ["pre-create", "post-create", "pre-finish", "post-finish"],
        )

    def test_only_what_is_wanted(self) -> None:
        """Of what no hook wants to hear nobody does, and it is not counted."""
        hook = RememberingHook(
            events=frozenset({EventType.POST_FINISH, EventType.POST_TERMINATE})
        )
        self.uploads = self.make(hook)
        upload = self.create()
        self.send(upload.upload_id, b"abc")
        self.do(self.uploads.terminate(upload.upload_id))
        self.clock.pump([0] * 5)
        self.assertEqual(hook.kinds(), ["post-finish", "post-terminate"])
        self.assertEqual([event.sequence for event in hook.seen], [1, 2])

    def test_no_hooks(self) -> None:
        """Without hooks nothing is asked, and nothing delivered."""
        uploads = Uploads(
            self.store, MemoryLocker(self.clock), ImmediateDisk(), self.clock
        )
        self.assertFalse(uploads.has_hooks)
        self.assertFalse(uploads.asks_access)
        self.assertIsNone(uploads.delivery)

    def test_two_of_one_name(self) -> None:
        """Two hooks of one name cannot be told apart."""
        with self.assertRaises(ValueError):
            Uploads(
                self.store,
                MemoryLocker(self.clock),
                ImmediateDisk(),
                self.clock,
                hooks=[RememberingHook(), RememberingHook()],
            )


class AccessTests(_HooksCase):
    """Who asks, and whose uploads he may use."""

    def admit(self, answer: Answer) -> Any:
        """Ask to be admitted, which a hook answers."""
        self.hook.answers[EventType.PRE_ACCESS] = answer
        return self.uploads.admit(REQUEST, "u")

    def test_owner(self) -> None:
        """Who asks is what the hook says, and the request is known to it."""
        caller = self.do(self.admit(Answer(owner="ada")))
        self.assertEqual((caller.owner, caller.request), ("ada", REQUEST))
        [event] = self.hook.seen
        self.assertEqual((event.type.value, event.upload_id), ("pre-access", "u"))
        with self.assertRaises(LookupError):
            _ = event.upload

    def test_denied(self) -> None:
        """A hook that rejects says what the client is told."""
        response = HttpAnswer(401, {"WWW-Authenticate": "Bearer"})
        denied = self.refused(
            AccessDenied, self.admit(Answer(response=response, reject=True))
        )
        self.assertEqual(denied.response, response)

    def test_broken(self) -> None:
        """A hook that fails admits nobody."""
        self.hook.answers[EventType.PRE_ACCESS] = fail
        self.refused(HookFailed, self.uploads.admit(REQUEST, None))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_stop_says_nothing(self) -> None:
        """What an access does not ask for keeps no other hook from being asked."""
        first, second = RememberingHook("first"), RememberingHook("second")
        first.answers[EventType.PRE_ACCESS] = Answer(stop=True)
        second.answers[EventType.PRE_ACCESS] = Answer(reject=True)
        uploads = self.make(first, second)
        self.refused(AccessDenied, uploads.admit(REQUEST, None))

    def test_only_its_owner_uses_an_upload(self) -> None:
        """To others it is not there, whatever they ask; the program sees it."""
        ada, bob, nobody = (Caller(REQUEST, name) for name in ("ada", "bob", None))
        upload = self.do(self.uploads.create(3, Metadata(), caller=ada))
        self.assertEqual(upload.owner, "ada")
        upload_id = upload.upload_id
        for other in (bob, nobody):
            for work in (
                self.uploads.status(upload_id, caller=other),
                self.uploads.receive(upload_id, Chunk(0, 3), caller=other),
                self.uploads.terminate(upload_id, caller=other),
                self.uploads.open(upload_id, caller=other),
            ):
                self.refused(UploadNotFound, work)
        self.assertNotIn("pre-terminate", self.hook.kinds())
        self.do(self.uploads.status(upload_id))
        self.caller = ada
        self.send(upload_id, b"abc")
        self.refused(UploadNotFound, self.uploads.open(upload_id, caller=bob))
        self.do(self.uploads.open(upload_id, caller=ada)).close()

    def test_upload_of_nobody(self) -> None:
        """An upload without an owner is for all who are admitted."""
        upload = self.create()
        self.do(self.uploads.status(upload.upload_id, caller=Caller(REQUEST, "ada")))

    def test_parts_of_others(self) -> None:
        """Nobody puts an upload together from what is somebody else's."""
        self.caller = Caller(REQUEST, "ada")
        part = self.create(is_partial=True)
        self.send(part.upload_id, b"abc")
        self.refused(
            UploadNotFound,
            self.uploads.concatenate(
                [part.upload_id], Metadata(), caller=Caller(REQUEST, "bob")
            ),
        )


class _ForgetfulStore(MemoryStore):
    """A store that can keep no metadata."""

    async def create(self, info: UploadInfo) -> None:
        """Create an upload without metadata."""
        if info.metadata.header:
            raise InvalidMetadata("Upload-Metadata", "is too long to be kept")
        await super().create(info)


class CreateTests(_HooksCase):
    """``pre-create``."""

    def answer(self, **said: Any) -> None:
        """Have the hook answer."""
        self.hook.answers[EventType.PRE_CREATE] = Answer(**said)

    def test_changes(self) -> None:
        """The hook may set every fact of the upload, and of the response."""
        metadata = Metadata.from_pairs({"a": b"b"})
        response = HttpAnswer(202, {"X-A": "b"}, "hello")
        self.answer(
            upload_id="projects/7",
            metadata=metadata,
            max_size_bytes=10,
            expire_after_s=60.0,
            owner="ada",
            response=response,
        )
        upload = self.create()
        self.assertEqual(upload, self.do(self.store.info("projects/7")))
        self.assertEqual(upload.metadata, metadata)
        self.assertEqual((upload.owner, upload.max_size_bytes), ("ada", 10))
        self.assertEqual(upload.expire_after_s, 60.0)
        self.assertEqual(self.caller.response, response)
        self.clock.pump([0] * 5)
        self.assertEqual(self.hook.seen[-1].upload, upload)

    def test_rejected(self) -> None:
        """What the hook does not allow is not stored, nor told (T-066)."""
        response = HttpAnswer(402, body="pay first")
        self.answer(reject=True, response=response)
        error = self.refused(UploadRejected, self.uploads.create(3, Metadata()))
        self.assertEqual(error.response, response)
        self.assertEqual(self.store._uploads, {})
        self.assertEqual(self.hook.kinds(), ["pre-create"])

    def test_broken(self) -> None:
        """A hook that fails keeps an upload from being created."""
        for answer in (fail, lambda _: "yes"):
            self.hook.answers[EventType.PRE_CREATE] = answer
            self.refused(HookFailed, self.uploads.create(3, Metadata()))
        self.assertEqual(self.store._uploads, {})
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError, TypeError)), 2)

    def test_trouble(self) -> None:
        """What a hook says of a failure of others is one line of the log (T-266)."""

        def cannot(_: Event) -> None:
            raise HookTrouble("http://127.0.0.1:1: nobody is there")

        self.hook.answers[EventType.PRE_CREATE] = cannot
        with capturedLogs() as logs:
            self.refused(HookFailed, self.uploads.create(3, Metadata()))
        [said] = [formatEvent(event) for event in logs]
        self.assertIn("failed at pre-create", said)
        self.assertTrue(said.endswith("http://127.0.0.1:1: nobody is there"))

    def test_id_that_is_taken(self) -> None:
        """A hook cannot wipe an upload by giving its id to another one."""
        self.answer(upload_id="u")
        self.create()
        self.send("u", b"abc")
        self.refused(HookFailed, self.uploads.create(5, Metadata()))
        self.assertEqual(self.store.content("u"), b"abc")
        self.clock.pump([0] * 5)
        self.assertEqual(self.hook.kinds().count("post-create"), 1)

    def test_id_that_is_written_to(self) -> None:
        """Nor can it stop whoever writes to that (D5)."""
        self.answer(upload_id="u")
        self.create()
        receiver = self.receive("u", b"ab")
        self.refused(HookFailed, self.uploads.create(5, Metadata()))
        receiver.write(b"c")
        receiver.body_ended()
        self.assertEqual(self.do(receiver.outcome()).offset, 3)

    def test_id_that_a_program_gives(self) -> None:
        """A program that gives an id that is taken is told so."""
        self.create(upload_id="u")
        self.refused(UploadExists, self.uploads.create(3, Metadata(), upload_id="u"))

    def test_metadata_that_are_too_long(self) -> None:
        """The client has not sent what the store cannot keep; its own are its own."""
        self.stop(self.uploads)
        self.store = _ForgetfulStore(seconds=self.clock.seconds)
        self.uploads = self.make(self.hook)
        long = Metadata.from_pairs({"a": b"b"})
        self.refused(InvalidMetadata, self.uploads.create(3, long))
        self.answer(metadata=long)
        self.refused(HookFailed, self.uploads.create(3, Metadata()))
        self.assertEqual(self.store._uploads, {})

    def test_path_without_files(self) -> None:
        """A store without files cannot put one anywhere."""
        self.answer(storage_path="a/b")
        self.refused(HookFailed, self.uploads.create(3, Metadata()))
        self.assertEqual(self.store._uploads, {})

    def test_size(self) -> None:
        """An upload may be limited to less than all others, never to more."""
        self.answer(max_size_bytes=10)
        self.refused(UploadTooLarge, self.uploads.create(11, Metadata()))
        self.answer(max_size_bytes=5_000_000)
        self.refused(UploadTooLarge, self.uploads.create(1_000_001, Metadata()))
        self.answer(max_size_bytes=10)
        self.create(10)

    def test_size_of_a_deferred_length(self) -> None:
        """The limit of an upload holds while its length is open, and when it comes."""
        self.answer(max_size_bytes=10)
        upload = self.create(None)
        self.send(upload.upload_id, b"abc")
        for chunk in (Chunk(3, 8), Chunk(3, 1, upload_length=11)):
            self.refused(UploadTooLarge, self.uploads.receive(upload.upload_id, chunk))
        receiver = self.do(self.uploads.receive(upload.upload_id, Chunk(3, None)))
        receiver.registerProducer(Producer(), True)
        receiver.write(b"x" * 20)
        self.refused(UploadTooLarge, receiver.outcome())
        self.assertEqual(len(self.store.content(upload.upload_id)), 10)

    def test_size_with_the_first_bytes(self) -> None:
        """Bytes that come with the creation count before anything is stored."""
        self.answer(max_size_bytes=2)
        self.refused(
            UploadTooLarge,
            self.uploads.create_and_receive(None, Metadata(), Chunk(0, 3)),
        )
        self.assertEqual(self.store._uploads, {})

    def test_owner(self) -> None:
        """Who creates an upload for somebody else brings its first bytes all the same.

        So it is with one of no bytes, and with one that is put together.
        """
        part = self.create(is_partial=True)
        self.send(part.upload_id, b"abc")
        self.answer(owner="ada")
        receiver = self.do(
            self.uploads.create_and_receive(
                3, Metadata(), Chunk(body_length=3), caller=self.caller
            )
        )
        receiver.write(b"abc")
        receiver.body_ended()
        final = self.do(
            self.uploads.concatenate([part.upload_id], Metadata(), caller=self.caller)
        )
        for upload in (self.do(receiver.outcome()), self.create(0), final):
            self.assertEqual((upload.owner, upload.state.value), ("ada", "finished"))
            self.refused(
                UploadNotFound,
                self.uploads.status(upload.upload_id, caller=self.caller),
            )

    def test_two_hooks(self) -> None:
        """The second hook sees what the first one has changed."""
        first = RememberingHook("first")
        first.answers[EventType.PRE_CREATE] = Answer(
            upload_id="a", response=HttpAnswer(202, {"X-A": "1"})
        )
        second = RememberingHook("second")
        second.answers[EventType.PRE_CREATE] = Answer(
            response=HttpAnswer(headers={"X-B": "2"})
        )
        self.uploads = self.make(first, second)
        self.create()
        self.assertEqual(second.seen[0].upload.upload_id, "a")
        self.assertEqual(
            self.caller.response, HttpAnswer(202, {"X-A": "1", "X-B": "2"})
        )

    def test_final_upload(self) -> None:
        """A hook hears of a final upload with its length, and may name it."""
        part = self.create(is_partial=True)
        self.send(part.upload_id, b"abc")
        self.hook.seen.clear()
        self.answer(upload_id="whole")
        final = self.do(
            self.uploads.concatenate([part.upload_id], Metadata(), caller=self.caller)
        )
        self.assertEqual((final.upload_id, final.length), ("whole", 3))
        self.clock.pump([0] * 5)
        self.assertEqual(
            self.hook.kinds(),
            ["pre-create", "post-create", "pre-finish", "post-finish"],
        )
        self.assertTrue(all(event.upload.is_final for event in self.hook.seen))
        self.assertEqual(self.hook.seen[0].upload.length, 3)


class FinishTests(_HooksCase):
    """``pre-finish`` and ``post-finish``."""

    def test_failed(self) -> None:
        """A finish that failed is seen in the state, and can be tried again."""
        self.hook.answers[EventType.PRE_FINISH] = fail
        upload_id = self.create().upload_id
        receiver = self.receive(upload_id, b"abc")
        receiver.body_ended()
        self.refused(FinishFailed, receiver.outcome())
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assert_failed(upload_id)

    def test_rejected(self) -> None:
        """A finish that is not allowed likewise; the client is told what was said."""
        response = HttpAnswer(422, body="no cat")
        self.hook.answers[EventType.PRE_FINISH] = Answer(response, reject=True)
        upload_id = self.create().upload_id
        receiver = self.receive(upload_id, b"abc")
        receiver.body_ended()
        error = self.refused(FinishRejected, receiver.outcome())
        self.assertEqual((error.response, error.upload_id), (response, upload_id))
        self.assert_failed(upload_id)

    def assert_failed(self, upload_id: str) -> None:
        """It is known to have failed, is not told to be finished, and then finishes."""
        state = self.do(self.store.info(upload_id)).state
        self.assertEqual(state, UploadState.FINISH_FAILED)
        self.clock.pump([0] * 5)
        self.assertNotIn("post-finish", self.hook.kinds())
        del self.hook.answers[EventType.PRE_FINISH]
        self.send(upload_id, b"", offset=3)
        self.clock.pump([0] * 5)
        self.assertEqual(self.hook.kinds()[-1], "post-finish")
        asked = [e for e in self.hook.seen if e.type is EventType.PRE_FINISH]
        self.assertEqual(len({event.event_id for event in asked}), 1)

    def test_response(self) -> None:
        """What the hook changes of the answer reaches the one who sent the bytes."""
        response = HttpAnswer(200, body="done")
        self.hook.answers[EventType.PRE_FINISH] = Answer(response)
        upload = self.create()
        self.send(upload.upload_id, b"abc")
        self.assertEqual(self.caller.response, response)

    def test_state_is_asked_for_first(self) -> None:
        """The hook is asked when the bytes are safe, and nobody reads them yet."""
        states: list[UploadState] = []

        def look(event: Event) -> None:
            states.append(self.do(self.store.info(event.upload.upload_id)).state)

        self.hook.answers[EventType.PRE_FINISH] = look
        self.hook.answers[EventType.POST_FINISH] = look
        self.send(self.create().upload_id, b"abc")
        self.clock.pump([0] * 5)
        self.assertEqual(states, [UploadState.FINISHING, UploadState.FINISHED])


class StopTests(_HooksCase):
    """The end of the uploads while a hook is asked."""

    def begin(self, kind: EventType) -> list[object]:
        """Let a hook never answer; return what becomes of that."""
        cut_off: list[object] = []
        self.hook.answers[kind] = lambda _: Deferred(cut_off.append)
        return cut_off

    def test_creation(self) -> None:
        """Nobody waits for long; nothing is created."""
        cut_off = self.begin(EventType.PRE_CREATE)
        creating = self.uploads.create(3, Metadata(), caller=self.caller)
        stopping = Deferred.fromCoroutine(self.uploads.stop())
        self.clock.advance(2)
        self.assertNoResult(stopping)
        self.clock.pump([0.5] * 4)
        self.successResultOf(stopping)
        self.failureResultOf(creating, ServerShutdown)
        self.assertEqual((len(cut_off), self.store._uploads), (1, {}))

    def test_finish(self) -> None:
        """The finish is done again after the next start, and told once."""
        cut_off = self.begin(EventType.PRE_FINISH)
        upload_id = self.create().upload_id
        receiver = self.receive(upload_id, b"abc")
        receiver.body_ended()
        outcome = receiver.outcome()
        stopping = Deferred.fromCoroutine(self.uploads.stop())
        self.clock.pump([0.5] * 8)
        self.successResultOf(stopping)
        self.failureResultOf(outcome, ServerShutdown)
        self.assertEqual(len(cut_off), 1)
        self.hook = RememberingHook()
        self.uploads = self.make(self.hook)
        self.do(self.uploads.recover())
        self.clock.pump([0] * 5)
        self.assertEqual(self.hook.kinds(), ["pre-finish", "post-finish"])


class TerminateTests(_HooksCase):
    """``pre-terminate`` and ``post-terminate``."""

    def test_rejected(self) -> None:
        """An upload that may not be removed stays, and whoever writes to it (T-124)."""
        response = HttpAnswer(403, body="keep it")
        self.hook.answers[EventType.PRE_TERMINATE] = Answer(response, reject=True)
        upload_id = self.create().upload_id
        receiver = self.receive(upload_id, b"ab")
        error = self.refused(TerminationRejected, self.uploads.terminate(upload_id))
        self.assertEqual(error.response, response)
        receiver.write(b"c")
        receiver.body_ended()
        self.assertEqual(self.do(receiver.outcome()).offset, 3)
        self.assertNotIn("post-terminate", self.hook.kinds())

    def test_broken(self) -> None:
        """A hook that fails keeps an upload from being removed."""
        self.hook.answers[EventType.PRE_TERMINATE] = fail
        upload_id = self.create().upload_id
        self.refused(HookFailed, self.uploads.terminate(upload_id))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.do(self.uploads.status(upload_id))


class ProgressTests(_HooksCase):
    """``post-receive``."""

    settings = HookSettings(progress_interval_s=1.0, progress_bytes=100)

    def progress(self) -> list[int]:
        """List the offsets that were told."""
        return [
            event.upload.offset
            for event in self.hook.seen
            if event.type is EventType.POST_RECEIVE
        ]

    def begin(self, length: int = 900) -> Receiver:
        """Create an upload and begin to send."""
        upload = self.create(length)
        self.clock.pump([0] * 5)
        return self.receive(upload.upload_id)

    def test_by_time(self) -> None:
        """While bytes come it is told from time to time, and no more often."""
        receiver = self.begin()
        for _ in range(10):
            receiver.write(b"abc")
            self.clock.advance(0.25)
        self.assertEqual(self.progress(), [12, 24])

    def test_by_bytes(self) -> None:
        """Many bytes are told at once."""
        receiver = self.begin()
        for _ in range(3):
            receiver.write(b"x" * 100)
        self.assertEqual(self.progress(), [100, 200, 300])

    def test_silence(self) -> None:
        """Where nothing comes nothing is told."""
        receiver = self.begin()
        receiver.write(b"abc")
        self.clock.pump([1] * 10)
        self.assertEqual(self.progress(), [3])

    def test_over_requests(self) -> None:
        """The last bytes of a request are told of, and time goes on over requests."""
        upload = self.create(9)
        self.clock.pump([0] * 5)
        self.send(upload.upload_id, b"abc")
        self.clock.advance(0.6)
        self.send(upload.upload_id, b"def", offset=3)
        self.assertEqual(self.progress(), [])
        self.clock.advance(0.6)
        self.assertEqual(self.progress(), [6])

    def test_not_remembered_for_ever(self) -> None:
        """Of an upload that was left alone nothing is in memory."""
        upload = self.create(9)
        self.clock.pump([0] * 5)
        self.send(upload.upload_id, b"abc")
        self.clock.advance(1)
        self.assertEqual(self.progress(), [3])
        self.assertEqual(len(self.uploads._progress._watched), 0)

    def test_one_at_a_time(self) -> None:
        """While the hook is busy nothing more is told, then only what is new."""
        waiting: list[Deferred[None]] = []

        def wait(_: Event) -> Deferred[None]:
            waiting.append(Deferred())
            return waiting[-1]

        self.hook.answers[EventType.POST_RECEIVE] = wait
        receiver = self.begin()
        for _ in range(5):
            receiver.write(b"x" * 100)
        self.assertEqual(self.progress(), [100])
        waiting[0].callback(None)
        self.assertEqual(self.progress(), [100, 500])

    def test_cut_off_by_the_end(self) -> None:
        """What is being told ends before the upload does: nothing comes after that."""
        cancelled: list[object] = []
        self.hook.answers[EventType.POST_RECEIVE] = lambda _: Deferred(cancelled.append)
        receiver = self.begin(150)
        receiver.write(b"x" * 100)
        receiver.write(b"x" * 50)
        self.assertEqual(cancelled, [])
        receiver.body_ended()
        self.do(receiver.outcome())
        self.assertEqual(len(cancelled), 1)
        self.clock.pump([0] * 5)
        self.assertEqual(self.hook.kinds()[-1], "post-finish")

    def test_ended_elsewhere(self) -> None:
        """Nothing is told of an upload that was finished by another process."""
        receiver = self.begin()
        receiver.write(b"abc")
        upload_id = receiver.upload.upload_id
        self.do(self.store.set_state(upload_id, UploadState.FINISHED))
        self.clock.pump([0.25] * 10)
        self.assertEqual(self.progress(), [])

    def test_earlier_event_waits(self) -> None:
        """Progress is not told before the creation."""

        def later(_: Event) -> None:
            raise ConnectionError("not now")

        self.hook.answers[EventType.POST_CREATE] = later
        receiver = self.begin()
        receiver.write(b"x" * 100)
        self.assertEqual(self.progress(), [])

    def test_broken(self) -> None:
        """A hook that fails is logged, and the bytes go on coming."""
        self.hook.answers[EventType.POST_RECEIVE] = fail
        receiver = self.begin(150)
        receiver.write(b"x" * 150)
        receiver.body_ended()
        self.assertEqual(self.do(receiver.outcome()).offset, 150)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_stopped(self) -> None:
        """A hook may end an upload: its client is told, and it is removed."""
        response = HttpAnswer(403, body="enough")
        self.hook.answers[EventType.POST_RECEIVE] = Answer(response, stop=True)
        receiver = self.begin()
        receiver.write(b"x" * 100)
        error = self.refused(UploadStopped, receiver.outcome())
        self.assertEqual(error.response, response)
        self.assertEqual(self.store._uploads, {})
        self.clock.pump([0] * 5)
        self.assertEqual(self.hook.kinds()[-1], "post-terminate")

    def test_stopped_between_requests(self) -> None:
        """It may do so when the request is over already."""
        self.hook.answers[EventType.POST_RECEIVE] = Answer(stop=True)
        upload = self.create(9)
        self.clock.pump([0] * 5)
        self.send(upload.upload_id, b"abc")
        self.clock.advance(1)
        self.assertEqual(self.store._uploads, {})

    def test_stopped_in_a_shutdown(self) -> None:
        """When nothing may begin any more no answer removes an upload."""
        held: Deferred[Answer] = Deferred()
        self.hook.answers[EventType.POST_RECEIVE] = lambda _: held
        receiver = self.begin()
        receiver.write(b"x" * 100)
        finished = self.create(0)
        reading = self.do(self.uploads.open(finished.upload_id, caller=self.caller))
        stopping = Deferred.fromCoroutine(self.uploads.stop())
        self.assertNoResult(stopping)
        self.refused(ServerShutdown, receiver.outcome())
        held.callback(Answer(stop=True))
        reading.close()
        self.do(stopping)
        self.assertIn(receiver.upload.upload_id, self.store._uploads)


class DeliveryTests(_HooksCase):
    """How what was done is told although a hook fails, or the process does."""

    def test_told_again(self) -> None:
        """What a hook did not take note of is told again, in order."""
        tries: list[str] = []

        def fail_once(event: Event) -> None:
            tries.append(event.type.value)
            if len(tries) == 1:
                raise ConnectionError("not now")

        for kind in (EventType.POST_CREATE, EventType.POST_FINISH):
            self.hook.answers[kind] = fail_once
        self.send(self.create().upload_id, b"abc")
        self.clock.pump([1] * 10)
        self.assertEqual(tries, ["post-create", "post-create", "post-finish"])

    def test_refused(self) -> None:
        """What a hook will never take note of keeps later ones from nothing."""

        def refuse(_: Event) -> None:
            raise EventRefused("unknown type")

        self.hook.answers[EventType.POST_CREATE] = refuse
        self.send(self.create().upload_id, b"abc")
        self.clock.pump([1] * 3)
        self.assertEqual(self.hook.kinds()[-1], "post-finish")

    def test_creation_that_fails(self) -> None:
        """What did not happen is not told."""
        self.do(self.store.create(UploadInfo("u", 1)))
        self.refused(UploadExists, self.uploads.create(3, Metadata(), upload_id="u"))
        self.clock.pump([0] * 5)
        self.assertEqual(self.hook.kinds(), ["pre-create"])


class LeftTests(_HooksCase):
    """What a crash left prepared, which the next holder of the upload settles."""

    def leave(self, kind: EventType, upload: UploadInfo) -> None:
        """Prepare an event, as a process did that died then."""
        events = self.uploads._events
        self.do(
            events.outbox.prepare(events.event(kind, upload, None), ["remembering"])
        )

    def test_creation_that_happened(self) -> None:
        """An upload that is there was created, and is told so when it is looked at."""
        upload = UploadInfo("u", 3)
        self.leave(EventType.POST_CREATE, upload)
        self.do(self.store.create(upload))
        self.send("u", b"abc")
        self.clock.pump([0] * 5)
        self.assertEqual(
            [k for k in self.hook.kinds() if k.startswith("post")],
            ["post-create", "post-finish"],
        )

    def test_creation_that_did_not(self) -> None:
        """One that is not there was not; recovery finds that out."""
        self.leave(EventType.POST_CREATE, UploadInfo("u", 3))
        self.do(self.uploads.recover())
        self.clock.pump([0] * 5)
        self.assertEqual(self.hook.kinds(), [])
        self.assertEqual(list(self.do(self.uploads._events.outbox.all_unsettled())), [])

    def test_creation_that_goes_on(self) -> None:
        """Who looks for what a crash has left passes by what is being created.

        Otherwise the event would be lost by a crash right after the creation.
        """
        self.stop(self.uploads)
        self.store = store = SlowStore(seconds=self.clock.seconds)
        self.uploads = self.make(self.hook)
        part = self.create(is_partial=True)
        self.send(part.upload_id, b"abc")
        store.copying = Deferred()
        creating = Deferred.fromCoroutine(
            self.uploads.concatenate([part.upload_id], Metadata(), caller=self.caller)
        )
        outbox = self.uploads._events.outbox
        prepared = self.do(outbox.all_unsettled())
        self.assertEqual(len(prepared), 1)
        self.do(self.uploads.recover())
        self.assertEqual(self.do(outbox.all_unsettled()), prepared)
        store.copying.callback(None)
        self.do(creating)

    def test_finish(self) -> None:
        """A finish that was prepared is told once, after the step was done again."""
        upload = self.create()
        self.hook.seen.clear()
        receiver = self.receive(upload.upload_id, b"abc")
        finished = upload.at(3).become(UploadState.FINISHED)
        self.leave(EventType.POST_FINISH, finished)
        receiver.body_ended()
        self.do(receiver.outcome())
        self.clock.pump([0] * 5)
        self.assertEqual(self.hook.kinds().count("post-finish"), 1)

    def test_removal(self) -> None:
        """A removal that happened is told when all is looked after."""
        upload = self.create()
        self.leave(EventType.POST_TERMINATE, upload)
        self.do(self.store.remove(upload.upload_id))
        self.do(self.uploads.recover())
        self.clock.pump([0] * 5)
        self.assertEqual(self.hook.kinds()[-1], "post-terminate")

    def test_finish_of_what_was_taken_away(self) -> None:
        """Whoever removes an upload settles first: what is gone unsettled was finished.

        With ``--finished-by move`` somebody may take the file away at once.
        """
        upload = self.create()
        self.leave(EventType.POST_FINISH, upload.at(3).become(UploadState.FINISHED))
        self.do(self.store.remove(upload.upload_id))
        self.do(self.uploads.recover())
        self.clock.pump([0] * 5)
        self.assertEqual(self.hook.kinds()[-1], "post-finish")

    def test_another_life(self) -> None:
        """Another upload with the same id says nothing of one that was removed."""
        self.leave(EventType.POST_CREATE, UploadInfo("u", 3, created_s=1.0))
        self.do(self.store.create(UploadInfo("u", 3, created_s=2.0)))
        self.do(self.uploads.recover())
        self.clock.pump([0] * 5)
        self.assertEqual(self.hook.kinds(), [])


class SlowDiskTests(_HooksCase):
    """Bytes that are on their way to the store."""

    settings = HookSettings(progress_interval_s=1.0, progress_bytes=1)

    def make_disk(self) -> HandDisk:
        """Make a disk that waits for the test."""
        self.disk = HandDisk()
        return self.disk

    def test_only_stored_bytes_are_told(self) -> None:
        """Progress is what is stored, not what has arrived."""
        upload = self.create(100_000)
        self.clock.pump([0] * 5)
        receiver = self.receive(upload.upload_id, b"x" * 90_000)
        offsets = [
            e.upload.offset for e in self.hook.seen if e.type.value[-3:] == "ive"
        ]
        self.assertEqual(offsets, [])
        self.disk.do_all()
        last = self.hook.seen[-1]
        self.assertEqual(
            (last.type, last.upload.offset), (EventType.POST_RECEIVE, 90_000)
        )
        self.assertEqual(evolve(last.upload, offset=0), evolve(upload, offset=0))
        receiver.body_ended()
        self.disk.do_all()
