"""Tests for :mod:`tustwisted.hooks.reply`."""

from __future__ import annotations

import contextlib
import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.hooks.wire import decode_answer
from tustwisted.protocol.answers import Answer, HttpAnswer
from tustwisted.protocol.events import EventType
from tustwisted.protocol.metadata import Metadata

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
names = st.sampled_from(
    ("HTTPResponse", "ChangeFileInfo", "RejectUpload", "StopUpload", "Owner")
)
inner_names = st.sampled_from(
    (
        *("StatusCode", "Body", "Header", "ID", "MetaData", "Storage"),
        *("MaxSize", "Owner", "ExpireAfter"),
    )
)
replies = st.dictionaries(
    names, json_values | st.dictionaries(inner_names, json_values), max_size=4
)


def _decode(reply: object, type: EventType = EventType.PRE_CREATE) -> Answer:
    return decode_answer(json.dumps(reply).encode("ascii"), type)


class DecodeTests(SynchronousTestCase):
    """What a hook may say."""

    def test_tusd_fields(self) -> None:
        """All that tusd understands is understood."""
        reply = {
            "HTTPResponse": {
                "StatusCode": 201,
                "Body": "fein",
                "Header": {"X-Hook": "yes"},
            },
            "ChangeFileInfo": {
                "ID": "prefix/abc",
                "MetaData": {"filename": "ä.txt", "flag": ""},
                "Storage": {"Path": "anna/abc"},
            },
            "RejectUpload": True,
            "StopUpload": True,
        }
        self.assertEqual(
            _decode(reply),
            Answer(
                HttpAnswer(201, {"X-Hook": "yes"}, "fein"),
                reject=True,
                stop=True,
                upload_id="prefix/abc",
                metadata=Metadata.from_pairs(
                    {"filename": "ä.txt".encode(), "flag": b""}
                ),
                storage_path="anna/abc",
            ),
        )

    def test_our_fields(self) -> None:
        """Limit, expiry and owner of an upload are set beside its metadata."""
        changes = {"MaxSize": 5000, "ExpireAfter": 90.5, "Owner": "anna"}
        self.assertEqual(
            _decode({"ChangeFileInfo": changes, "Owner": "berta"}),
            Answer(max_size_bytes=5000, expire_after_s=90.5, owner="anna"),
        )

    def test_access(self) -> None:
        """Whose access it is stands at the top."""
        self.assertEqual(
            _decode({"Owner": "anna", "RejectAccess": True}, EventType.PRE_ACCESS),
            Answer(owner="anna", reject=True),
        )

    def test_flag_of_the_event(self) -> None:
        """Each event has its flag; that of another event rejects nothing.

        An endpoint of tusd may answer to whatever it does not know with its own flag.
        """
        flags = {
            EventType.PRE_ACCESS: "RejectAccess",
            EventType.PRE_CREATE: "RejectUpload",
            EventType.PRE_FINISH: "RejectUpload",
            EventType.PRE_TERMINATE: "RejectTermination",
        }
        for type in EventType:
            for flag in set(flags.values()):
                rejects = flags.get(type) == flag
                self.assertIs(_decode({flag: True}, type).reject, rejects)

    def test_nothing(self) -> None:
        """Nothing, ``null``, empty and zero say nothing, as in Go."""
        empty = {
            "HTTPResponse": {"StatusCode": 0, "Body": "", "Header": None},
            "ChangeFileInfo": {
                "ID": "",
                "MetaData": None,
                "Storage": {"Path": ""},
                "MaxSize": 0,
                "ExpireAfter": 0,
                "Owner": "",
            },
            "RejectUpload": None,
            "Unknown": [1],
        }
        for reply in (empty, {}, None, {"HTTPResponse": None, "ChangeFileInfo": None}):
            self.assertEqual(_decode(reply), Answer(), reply)
        for content in (b"", b" \r\n"):
            self.assertEqual(decode_answer(content, EventType.PRE_CREATE), Answer())

    def test_no_metadata(self) -> None:
        """An empty object takes away all that the client said."""
        answer = _decode({"ChangeFileInfo": {"MetaData": {}}})
        self.assertEqual(answer.metadata, Metadata())

    def test_case_of_names(self) -> None:
        """The case of a known name does not matter, that of others' names does."""
        reply = {
            "httpResponse": {"statusCode": 202, "header": {"x-a": "1"}},
            "changefileinfo": {"id": "abc", "metaData": {"Path": "p", "path": "q"}},
        }
        self.assertEqual(
            _decode(reply),
            Answer(
                HttpAnswer(202, {"x-a": "1"}),
                upload_id="abc",
                metadata=Metadata.from_pairs({"Path": b"p", "path": b"q"}),
            ),
        )


class RefusedTests(SynchronousTestCase):
    """What nothing is used of."""

    def _assert_refused(self, reply: object, sentence: str) -> None:
        with self.assertRaises(ValueError) as caught:
            _decode(reply)
        self.assertIn(sentence, str(caught.exception))

    def test_types(self) -> None:
        """A wrong type is named."""
        for reply, sentence in (
            ([], "it must be an object"),
            ({"RejectUpload": 1}, "RejectUpload must be true or false"),
            ({"HTTPResponse": []}, "HTTPResponse must be an object"),
            ({"HTTPResponse": {"StatusCode": "200"}}, "StatusCode must be a whole"),
            ({"HTTPResponse": {"StatusCode": True}}, "StatusCode must be a whole"),
            ({"HTTPResponse": {"Body": 1}}, "Body must be a text"),
            ({"HTTPResponse": {"Header": {"A": ["b"]}}}, "A must be a text"),
            ({"ChangeFileInfo": {"ID": 7}}, "ID must be a text"),
            ({"ChangeFileInfo": {"MetaData": {"a": 1}}}, "a must be a text"),
            ({"ChangeFileInfo": {"MaxSize": 1.5}}, "MaxSize must be a whole number"),
            ({"ChangeFileInfo": {"ExpireAfter": "1h"}}, "ExpireAfter must be a number"),
        ):
            self._assert_refused(reply, sentence)

    def test_values(self) -> None:
        """A value that could not be used is named."""
        for reply, sentence in (
            ({"HTTPResponse": {"StatusCode": 100}}, "100 is no status"),
            ({"HTTPResponse": {"Header": {"a b": "c"}}}, "no name of a header"),
            ({"HTTPResponse": {"Header": {"A": "b\r\nC: d"}}}, "A has a value"),
            ({"HTTPResponse": {"Header": {"Upload-Offset": "9"}}}, "Upload-Offset"),
            ({"ChangeFileInfo": {"ID": "../a"}}, "no upload id"),
            ({"ChangeFileInfo": {"MetaData": {"a b": "c"}}}, "MetaData has a key"),
            ({"ChangeFileInfo": {"MaxSize": -1}}, "MaxSize must be a number of bytes"),
            ({"ChangeFileInfo": {"MaxSize": 2**63}}, "MaxSize must be"),
            ({"ChangeFileInfo": {"ExpireAfter": -1}}, "more than 0 seconds"),
            ({"ChangeFileInfo": {"ExpireAfter": float("inf")}}, "a number of seconds"),
            ({"ChangeFileInfo": {"ExpireAfter": 10**400}}, "a number of seconds"),
            ({"ChangeFileInfo": {"Owner": "a\nb"}}, "the owner"),
            ({"HTTPResponse": {"Body": "\ud800"}}, "half a character"),
        ):
            self._assert_refused(reply, sentence)

    def test_no_json(self) -> None:
        """What is no JSON is a short sentence, however long it is."""
        for content in (b"<html>", b"\xff\xfe", b"{", b"[" * 100_000, b"9" * 9999):
            with self.assertRaises(ValueError) as caught:
                decode_answer(content, EventType.PRE_CREATE)
            self.assertIn("it ", str(caught.exception))

    @given(replies, st.sampled_from(EventType))
    def test_any_json(self, reply: object, type: EventType) -> None:
        """Whatever the JSON, it is an answer or a ValueError."""
        with contextlib.suppress(ValueError):
            _decode(reply, type)
