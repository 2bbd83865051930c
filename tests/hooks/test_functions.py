"""Hooks made of Python functions: plain ones, coroutines, and such with Deferreds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tustwisted.hooks.functions import (
    MAX_REASON_CHARACTERS,
    FunctionHook,
    checking_metadata,
    limiting,
    naming,
    storing_at,
)
from tustwisted.interfaces import IHook
from tustwisted.protocol.answers import Answer, HttpAnswer
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.upload import UploadInfo

CREATION = Event(
    EventType.PRE_CREATE,
    "e1",
    UploadInfo("u1", 10, metadata=Metadata.from_pairs({"filename": b"a.txt"})),
)

NO = Answer(reject=True)


def by_file_name(event: Event) -> str:
    """Name an upload, as an application would."""
    return event.upload.metadata.value("filename").decode()


class HookCase(SynchronousTestCase):
    """Asks hooks."""

    def ask(self, hook: IHook, event: Event = CREATION) -> Answer | None:
        """Ask, and have the answer at once."""
        verifyObject(IHook, hook)
        return self.successResultOf(Deferred.fromCoroutine(hook.ask(event)))

    def problem(self, hook: IHook, kind: type[Exception]) -> str:
        """Ask what fails, and tell its text."""
        asking = Deferred.fromCoroutine(hook.ask(CREATION))
        return str(self.failureResultOf(asking, kind).value)


class FunctionHookTests(HookCase):
    """One function for each event."""

    def hook(self, function: Callable[[Event], object]) -> FunctionHook:
        """Make one for creations."""
        return FunctionHook("mine", {EventType.PRE_CREATE: function})  # type: ignore[dict-item]  # some are wrong

    def test_events(self) -> None:
        """It wants to hear of what there is a function for."""
        hook = FunctionHook(
            "mine",
            {EventType.PRE_FINISH: lambda _: None, EventType.POST_FINISH: print},
        )
        verifyObject(IHook, hook)
        self.assertEqual(hook.events, {EventType.PRE_FINISH, EventType.POST_FINISH})

    def test_event_is_given(self) -> None:
        """The function is called with the event."""
        seen: list[Event] = []
        self.assertIsNone(self.ask(self.hook(seen.append)))
        self.assertEqual(seen, [CREATION])

    def test_plain_function(self) -> None:
        """What it returns is the answer."""
        self.assertIs(self.ask(self.hook(lambda _: NO)), NO)

    def test_deferred(self) -> None:
        """A Deferred of an answer will do."""
        self.assertIs(self.ask(self.hook(lambda _: succeed(NO))), NO)

    def test_coroutine(self) -> None:
        """A coroutine is awaited, however long it takes."""
        fires: Deferred[None] = Deferred()

        async def refuse(event: Event) -> Answer:
            await fires
            return NO

        asking = Deferred.fromCoroutine(self.hook(refuse).ask(CREATION))
        self.assertNoResult(asking)
        fires.callback(None)
        self.assertIs(self.successResultOf(asking), NO)

    def test_cancelled(self) -> None:
        """Who does not wait any more cancels what the function waits for."""
        cancelled: list[object] = []
        waits: Deferred[None] = Deferred(cancelled.append)
        asking = Deferred.fromCoroutine(self.hook(lambda _: waits).ask(CREATION))
        asking.addErrback(lambda _: None)  # type: ignore[unused-awaitable]
        asking.cancel()
        self.assertEqual(cancelled, [waits])

    def test_exception(self) -> None:
        """What the function raises comes out as it is, from a coroutine too."""

        async def fail_later(event: Event) -> None:
            raise LookupError("no such user")

        def fail(event: Event) -> None:
            raise LookupError("no such user")

        for function in (fail, fail_later):
            hook = self.hook(function)
            self.assertEqual(self.problem(hook, LookupError), "no such user")

    def test_wrong_type(self) -> None:
        """What is no answer is an error that names the function."""
        for returned in ("no", True, {"reject": True}, HttpAnswer(400)):
            problem = self.problem(self.hook(partial(_return, returned)), TypeError)
            kind = type(returned).__name__
            self.assertIn(f"functools.partial returned a {kind}, ", problem)
        problem = self.problem(self.hook(by_file_name), TypeError)
        self.assertEqual(
            problem,
            "tests.hooks.test_functions.by_file_name returned a str, "
            "which is neither an Answer nor None",
        )

    def test_told(self) -> None:
        """Of what it is told of nobody looks at what it returns, but it is awaited."""
        fires: Deferred[object] = Deferred()
        hook = FunctionHook("mine", {EventType.POST_FINISH: lambda _: fires})  # type: ignore[dict-item,return-value]
        event = Event(EventType.POST_FINISH, "e2", CREATION.upload, sequence=2)
        telling = Deferred.fromCoroutine(hook.tell(event))
        self.assertNoResult(telling)
        fires.callback("written")
        self.assertIsNone(self.successResultOf(telling))

    def test_told_what_fails(self) -> None:
        """What it raises when it is told comes out, so that it is told again."""

        def fail(event: Event) -> None:
            raise LookupError("no database")

        hook = FunctionHook("mine", {EventType.POST_CREATE: fail})
        event = Event(EventType.POST_CREATE, "e2", CREATION.upload, sequence=1)
        telling = Deferred.fromCoroutine(hook.tell(event))
        self.failureResultOf(telling, LookupError)

    def test_what_makes_no_hook(self) -> None:
        """A name that cannot be kept, an event that is none, what is no function."""
        for name in ("", "My Hook", "a" * 81, "a/b"):
            self.assertRaises(ValueError, FunctionHook, name, {})
        not_callable = {EventType.PRE_CREATE: "print"}
        for functions in ({"pre-create": print}, not_callable):
            self.assertRaises(TypeError, FunctionHook, "mine", functions)


class DecidingTests(HookCase):
    """Functions that decide one thing about a new upload."""

    def test_naming(self) -> None:
        """What it returns is the id."""
        self.assertEqual(self.ask(naming(by_file_name)), Answer(upload_id="a.txt"))

    def test_limiting(self) -> None:
        """What it returns is the maximum size, 0 too."""
        for size in (0, 5000):
            answer = self.ask(limiting(partial(_return, size)))
            self.assertEqual(answer, Answer(max_size_bytes=size))

    def test_storing_at(self) -> None:
        """What it returns is the path."""
        answer = self.ask(storing_at(lambda event: f"by-hash/{event.event_id}"))
        self.assertEqual(answer, Answer(storage_path="by-hash/e1"))

    def test_later(self) -> None:
        """Coroutines and Deferreds will do."""

        async def later(event: Event) -> str:
            return await succeed("later")

        self.assertEqual(self.ask(naming(later)), Answer(upload_id="later"))
        answer = self.ask(limiting(lambda _: succeed(7)))
        self.assertEqual(answer, Answer(max_size_bytes=7))

    def test_nothing(self) -> None:
        """Nothing is decided by ``None``."""
        for make in (naming, limiting, storing_at, checking_metadata):
            self.assertIsNone(self.ask(make(partial(_return, None))))

    def test_wrong_type(self) -> None:
        """What is of another type is an error that names the function."""
        for make, returned, words in (
            (naming, 7, "returned an int, which is neither a str nor None"),
            (limiting, "7", "returned a str, which is neither an int nor None"),
            (limiting, True, "returned a bool, which is neither an int nor None"),
            (limiting, False, "returned a bool"),
            (storing_at, b"x", "returned a bytes, which is neither a str nor None"),
            (checking_metadata, {}, "returned a dict, which is neither an Answer"),
        ):

            def wrong(event: Event, returned: Any = returned) -> Any:
                return returned

            problem = self.problem(make(wrong), TypeError)
            self.assertIn(words, problem)
            self.assertIn("test_wrong_type.<locals>.wrong", problem)

    def test_wrong_value(self) -> None:
        """What no upload can have is an error that names the function."""
        problem = self.problem(naming(partial(_return, "../x")), ValueError)
        self.assertEqual(
            problem,
            "functools.partial returned what cannot be used: the id is no upload id",
        )
        self.assertIn("cannot be used", self.problem(limiting(_minus), ValueError))

    def test_names(self) -> None:
        """Hooks of one kind have names of their own; one may be given."""
        self.assertEqual(
            naming(by_file_name).name, "naming.tests-hooks-test-functions-by-file-name"
        )
        self.assertNotEqual(limiting(_minus).name, limiting(by_file_name).name)  # type: ignore[arg-type]
        self.assertEqual(naming(by_file_name, name="by-file").name, "by-file")

        def one_with_a_name_that_is_longer_than_any_name_needs_to_be_anywhere() -> None:
            pass

        name = limiting(
            one_with_a_name_that_is_longer_than_any_name_needs_to_be_anywhere  # type: ignore[arg-type]
        ).name
        self.assertEqual(len(name), 80)
        self.assertTrue(name.endswith("needs-to-be-anywhere"), name)


class MetadataTests(HookCase):
    """Functions that judge metadata."""

    def reason(self, error: Exception) -> str:
        """Have metadata refused by an error; tell the text for the client."""

        async def refuse(event: Event) -> None:
            raise error

        answer = self.ask(checking_metadata(refuse))
        assert answer is not None
        self.assertTrue(answer.reject)
        self.assertEqual(answer.response.status, 400)
        return answer.response.body

    def test_rejected(self) -> None:
        """A ValueError is a rejection that the client is told the reason of."""
        self.assertEqual(self.reason(ValueError("no file name")), "no file name")

    def test_reason_is_one_line(self) -> None:
        """Its text is cleaned: one line, printable, and not longer than a line is."""
        for text, told in (
            ("two\r\nlines\tand a tab", "two lines and a tab"),
            ("\x1b[31mred\x00\u2028and \ud800", "[31mred and"),
            ("größer als erlaubt", "größer als erlaubt"),
            ("", ""),
            ("x" * 1000, "x" * MAX_REASON_CHARACTERS),
        ):
            self.assertEqual(self.reason(ValueError(text)), told)

    def test_not_text(self) -> None:
        """Metadata that is not UTF-8 is refused where it is decoded."""
        error = self.assertRaises(ValueError, b"\xff".decode)
        self.assertIn("can't decode byte 0xff", self.reason(error))

    def test_replaced(self) -> None:
        """Metadata that is returned is kept in the place of the client's."""
        kept = Metadata.from_pairs({"filename": b"b.txt"})
        hook = checking_metadata(partial(_return, kept))
        self.assertEqual(self.ask(hook), Answer(metadata=kept))

    def test_answer(self) -> None:
        """An answer stays as it is."""
        answer = Answer(reject=True, response=HttpAnswer(415, body="no"))
        self.assertIs(self.ask(checking_metadata(partial(_return, answer))), answer)

    def test_other_errors(self) -> None:
        """Any other error is none of the client's affair."""

        def fail(event: Event) -> None:
            raise KeyError("filename")

        self.problem(checking_metadata(fail), KeyError)


def _return(value: Any, _: Event) -> Any:
    return value


def _minus(event: Event) -> int:
    return -1
