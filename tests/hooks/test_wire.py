"""Tests for :mod:`tustwisted.hooks.wire`."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.hooks.wire import decode_event, encode_event, without_secrets
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.headers import MAX_BYTES
from tustwisted.protocol.ids import is_upload_id
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.requests import RequestInfo
from tustwisted.protocol.upload import Storage, UploadInfo, UploadState, is_owner

ids = st.from_regex(r"[a-z0-9+_-]{1,12}(/[a-z0-9]{1,8})?", fullmatch=True).filter(
    is_upload_id
)
sizes = st.integers(0, MAX_BYTES)
seconds = st.floats(0, 1e10)
ascii_characters = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
keys = st.text(st.characters(min_codepoint=0x2D, max_codepoint=0x7E), min_size=1)

uploads = st.builds(
    UploadInfo,
    ids,
    st.none() | sizes,
    offset=sizes,
    metadata=st.builds(
        Metadata.from_pairs, st.dictionaries(keys, st.binary(max_size=20), max_size=3)
    ),
    state=st.sampled_from(UploadState),
    created_s=seconds,
    is_partial=st.booleans(),
    is_final=st.booleans(),
    partial_uploads=st.lists(ids, max_size=3).map(tuple),
    concat_header=st.text(ascii_characters, max_size=20),
    owner=st.none() | st.text(min_size=1, max_size=10).filter(is_owner),
    max_size_bytes=st.none() | sizes,
    expire_after_s=st.none() | seconds,
    storage=st.none() | st.builds(Storage, st.text(), st.text(), st.text()),
    modified_s=seconds,
)
requests = st.builds(
    RequestInfo,
    st.text(min_size=1, max_size=8),
    st.text(),
    st.text(),
    st.dictionaries(keys, st.lists(st.text(), max_size=3).map(tuple), max_size=4),
)
events = st.one_of(
    *(
        st.builds(
            Event,
            st.sampled_from(kinds),
            st.text(min_size=1),
            upload,
            st.none() | requests,
            st.none() | ids,
            st.none() | st.integers(1, 10**9),
        )
        for kinds, upload in (
            ([EventType.PRE_ACCESS], st.none()),
            ([kind for kind in EventType if kind is not EventType.PRE_ACCESS], uploads),
        )
    )
)

UPLOAD = UploadInfo(
    "24e533e02ec3bc40c387f1a0e460e216",
    5000,
    offset=2000,
    metadata=Metadata("filename d29ybGQucGRm,raw /w==,flag"),
    created_s=1764433980.25,
    storage=Storage("/srv/a", "/srv/a.info"),
    modified_s=1764433981.5,
)

REQUEST = RequestInfo(
    "PATCH",
    "/files/24e533e02ec3bc40c387f1a0e460e216?x=1",
    "192.0.2.7:49152",
    {"Authorization": ("Bearer s3cret",), "X-Two": ("a", "b"), "Cookie": ("c=1",)},
)


def _fields(event: Event) -> Any:
    return json.loads(encode_event(event))["Event"]


class EncodeTests(SynchronousTestCase):
    """What somebody reads who is told of an event."""

    maxDiff = None

    def test_tusd_fields(self) -> None:
        """Every field that tusd sends is there, by the same name."""
        event = Event(EventType.POST_FINISH, "e1", UPLOAD, REQUEST)
        fields = json.loads(encode_event(event))
        self.assertEqual(fields["Type"], "post-finish")
        upload = fields["Event"]["Upload"]
        tusd = {
            "ID": "24e533e02ec3bc40c387f1a0e460e216",
            "Size": 5000,
            "SizeIsDeferred": False,
            "Offset": 2000,
            "MetaData": {"filename": "world.pdf", "raw": "\ufffd", "flag": ""},
            "IsPartial": False,
            "IsFinal": False,
            "PartialUploads": None,
            "Storage": {
                "Type": "filestore",
                "Path": "/srv/a",
                "InfoPath": "/srv/a.info",
                "PlacedPath": "",
            },
        }
        self.assertEqual({name: upload[name] for name in tusd}, tusd)
        self.assertEqual(
            fields["Event"]["HTTPRequest"],
            {
                "Method": "PATCH",
                "URI": "/files/24e533e02ec3bc40c387f1a0e460e216?x=1",
                "RemoteAddr": "192.0.2.7:49152",
                "Header": {
                    "Authorization": ["Bearer s3cret"],
                    "X-Two": ["a", "b"],
                    "Cookie": ["c=1"],
                },
            },
        )

    def test_our_fields(self) -> None:
        """Beside them stand the id, the sequence and the facts that tusd has not."""
        upload = evolve(UPLOAD, owner="anna", max_size_bytes=9000, expire_after_s=60.0)
        event = Event(EventType.POST_FINISH, "e1", upload, REQUEST, "abc", 3)
        fields = _fields(event)
        self.assertEqual(
            [fields["ID"], fields["Sequence"], fields["UploadID"]], ["e1", 3, "abc"]
        )
        ours = {
            "ProposedID": None,
            "MetadataHeader": "filename d29ybGQucGRm,raw /w==,flag",
            "ConcatHeader": "",
            "State": "receiving",
            "Created": 1764433980.25,
            "Modified": 1764433981.5,
            "Owner": "anna",
            "MaxSize": 9000,
            "ExpireAfter": 60.0,
        }
        self.assertEqual({name: fields["Upload"][name] for name in ours}, ours)

    def test_deferred_length(self) -> None:
        """A length that is not known is 0, as tusd has it."""
        fields = _fields(Event(EventType.POST_CREATE, "e", UploadInfo("a", None)))
        self.assertEqual(fields["Upload"]["Size"], 0)
        self.assertIs(fields["Upload"]["SizeIsDeferred"], True)

    def test_not_created_yet(self) -> None:
        """Before the creation there is no id but a proposed one."""
        fields = _fields(Event(EventType.PRE_CREATE, "e", UploadInfo("a", 1)))
        self.assertEqual(fields["Upload"]["ID"], "")
        self.assertEqual(fields["Upload"]["ProposedID"], "a")

    def test_final_upload(self) -> None:
        """The parts of a final upload are a list."""
        upload = UploadInfo("a", 1, is_final=True, partial_uploads=("b", "c"))
        fields = _fields(Event(EventType.POST_CREATE, "e", upload))
        self.assertEqual(fields["Upload"]["PartialUploads"], ["b", "c"])

    def test_without_request(self) -> None:
        """What no request has caused has an empty one: who reads it need not ask."""
        fields = _fields(Event(EventType.POST_EXPIRE, "e", UPLOAD))
        self.assertEqual(
            fields["HTTPRequest"],
            {"Method": "", "URI": "", "RemoteAddr": "", "Header": {}},
        )

    def test_access(self) -> None:
        """An access is about an upload of which no more is told than its id."""
        event = Event(EventType.PRE_ACCESS, "e", None, REQUEST, "abc")
        upload = _fields(event)["Upload"]
        self.assertEqual((upload["ID"], upload["Size"]), ("abc", 0))
        self.assertEqual(upload["MetaData"], {})
        self.assertEqual(_fields(event)["UploadID"], "abc")


class DecodeTests(SynchronousTestCase):
    """What the outbox reads again."""

    @given(events)
    def test_round_trip(self, event: Event) -> None:
        """An event comes back as it was, from one line of ASCII."""
        line = encode_event(event)
        self.assertTrue(line.isascii())
        self.assertNotIn(b"\n", line)
        decoded = decode_event(line)
        self.assertEqual(decoded, event)
        if event.type is not EventType.PRE_ACCESS:
            self.assertEqual(decoded.upload.storage, event.upload.storage)
            self.assertEqual(decoded.upload.modified_s, event.upload.modified_s)

    @given(st.binary(max_size=40))
    def test_garbage(self, content: bytes) -> None:
        """Whatever the bytes, nothing but a ValueError is raised."""
        self.assertRaises(ValueError, decode_event, content)

    @given(events, st.data())
    def test_damaged(self, event: Event, draw: st.DataObject) -> None:
        """A field of another type is noticed, or harmless; a cut line is noticed."""
        line = encode_event(event)
        self.assertRaises(
            ValueError, decode_event, line[: draw.draw(st.integers(0, len(line) - 1))]
        )
        fields = json.loads(line)
        spot = draw.draw(
            st.sampled_from([fields, fields["Event"], fields["Event"]["Upload"] or {}])
        )
        if spot:
            name = draw.draw(st.sampled_from(sorted(spot)))
            spot[name] = draw.draw(
                st.sampled_from([True, -1, 10**30, 1e300, "a b", [[]], {"a": 1}, None])
            )
        with contextlib.suppress(ValueError):
            decode_event(json.dumps(fields).encode("ascii"))

    def test_deep(self) -> None:
        """A hundred thousand brackets are a ValueError."""
        self.assertRaises(ValueError, decode_event, b"[" * 100_000)


class WithoutSecretsTests(SynchronousTestCase):
    """What is not kept for somebody else to read."""

    def _header_names(self, event: Event, *keep: str) -> list[str]:
        request = without_secrets(event, keep).request
        return [] if request is None else list(request.headers)

    def test_dropped(self) -> None:
        """By what a client shows who it is goes, in any case; the rest stays."""
        headers = {"cookie": ("a",), "PROXY-Authorization": ("b",), "Host": ("h",)}
        request = evolve(REQUEST, headers=headers)
        event = Event(EventType.POST_CREATE, "e", UPLOAD, request)
        self.assertEqual(self._header_names(event), ["Host"])

    def test_kept(self) -> None:
        """What is named stays, in any case."""
        event = Event(EventType.POST_CREATE, "e", UPLOAD, REQUEST)
        self.assertEqual(
            self._header_names(event, "AUTHORIZATION"), ["Authorization", "X-Two"]
        )

    def test_no_request(self) -> None:
        """An event without a request stays as it is."""
        event = Event(EventType.POST_EXPIRE, "e", UPLOAD)
        self.assertIs(without_secrets(event, ()), event)
