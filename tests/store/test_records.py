"""The record of an upload, ours and tusd's."""

from __future__ import annotations

import json
import sys
from typing import Any

from attrs import evolve, fields_dict
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.store.support import steady
from tustwisted.errors import InvalidMetadata, UploadNotFound
from tustwisted.protocol.headers import MAX_BYTES
from tustwisted.protocol.metadata import Metadata, parse_metadata
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.store.durability import Durability
from tustwisted.store.host import Host
from tustwisted.store.records import (
    MAX_FIRST_RECORD_BYTES,
    MAX_RECORD_BYTES,
    Record,
    decode_record,
    encode_record,
)

TUSD: dict[str, Any] = {
    "ID": "u",
    "Size": 11,
    "SizeIsDeferred": False,
    "Offset": 0,
    "MetaData": {"filename": "h\u00e9.txt", "empty": ""},
    "IsPartial": False,
    "IsFinal": False,
    "PartialUploads": None,
    "Storage": {"InfoPath": "/x/u.info", "Path": "/x/u", "Type": "filestore"},
}

OURS = Record(
    UploadInfo(
        "u",
        11,
        metadata=parse_metadata([b"name aGk=,raw //79, b"]),
        created_s=1_700_000_000.5,
        is_partial=True,
        partial_uploads=("a", "b/c"),
    ),
    UploadState.FINISHING,
    "/x/u",
    Durability.STRICT,
    Host("machine", "boot"),
    7,
    1_700_000_001.0,
)


def dump(**changes: object) -> bytes:
    """Write tusd's record with some fields changed."""
    return json.dumps(TUSD | changes).encode()


class OurRecordTests(SynchronousTestCase):
    """Records that we wrote."""

    def test_round_trip(self) -> None:
        """What was written is read again."""
        found = decode_record(encode_record(OURS), "u")
        self.assertEqual(found.info, OURS.info.become(UploadState.FINISHING))
        for name in (
            "state",
            "storage_path",
            "durability",
            "host",
            "synced_offset",
            "synced_at_s",
        ):
            self.assertEqual(getattr(found, name), getattr(OURS, name))

    def test_a_mark_keeps_all_else(self) -> None:
        """No field is forgotten when a mark is noted: each of these is not empty."""
        record = evolve(
            OURS,
            record_path="/x/u.info",
            placed_path="/y/name",
            moved_from="/z/u",
            fields={"ID": "u"},
        )
        self.assertTrue(all(getattr(record, name) for name in fields_dict(Record)))
        marked = record.mark(9, 5.0)
        self.assertEqual((marked.synced_offset, marked.synced_at_s), (9, 5.0))
        self.assertEqual(marked.mark(7, OURS.synced_at_s), record)

    def test_what_is_remembered_is_of_one_upload(self) -> None:
        """The bytes of another upload's record are none of this one's."""
        content = encode_record(OURS)
        self.assertIs(decode_record(content, "u"), decode_record(bytes(content), "u"))
        self.assertRaises(UploadNotFound, decode_record, content, "v")

    def test_tusd_reads_ours(self) -> None:
        """All of tusd's fields are there, in tusd's types."""
        fields = json.loads(encode_record(OURS))
        self.assertEqual(
            {name: fields[name] for name in TUSD},
            TUSD
            | {
                "MetaData": {"name": "hi", "raw": "\ufffd\ufffd\ufffd", "b": ""},
                "IsPartial": True,
                "PartialUploads": ["a", "b/c"],
            },
        )

    def test_facts_of_hooks(self) -> None:
        """What a hook has set has fields of its own, and none where it has not."""
        unset = encode_record(OURS)
        for name in (b"Owner", b"MaxSize", b"ExpireAfter"):
            self.assertNotIn(name, unset)
        info = evolve(OURS.info, owner="zoe", max_size_bytes=0, expire_after_s=0.5)
        content = encode_record(evolve(OURS, info=info))
        self.assertEqual(
            json.loads(content),
            json.loads(unset) | {"Owner": "zoe", "MaxSize": 0, "ExpireAfter": 0.5},
        )
        record = decode_record(content, "u")
        self.assertEqual(record.info, info.become(UploadState.FINISHING))
        self.assertEqual(encode_record(record), content)

    def test_a_deferred_length(self) -> None:
        """A length that is deferred is written as tusd does."""
        content = encode_record(Record(UploadInfo("u", None)))
        fields = json.loads(content)
        self.assertEqual((fields["Size"], fields["SizeIsDeferred"]), (0, True))
        self.assertIsNone(decode_record(content, "u").info.length)

    def test_rewriting_keeps_what_nobody_knows(self) -> None:
        """Unknown fields, at any depth, and the metadata stay as they are."""
        content = dump(Future={"a": [1]}, MetaData={"k,1": "odd", "k": "v"})
        record = decode_record(content, "u")
        again = json.loads(encode_record(record.mark(5, 6.0)))
        self.assertEqual(
            again,
            json.loads(content)
            | {"MachineID": "", "BootID": "", "SyncedOffset": 5, "SyncedAt": 6.0},
        )

    def test_the_header_is_the_truth(self) -> None:
        """The verbatim header goes before the map that is made to be looked at."""
        found = decode_record(dump(MetadataHeader="other ZGF0YQ=="), "u")
        self.assertEqual(found.info.metadata.pairs, {"other": b"data"})
        found = decode_record(dump(MetadataHeader=""), "u")
        self.assertEqual(found.info.metadata, Metadata())

    def test_damaged_metadata(self) -> None:
        """Metadata that makes no sense hides no upload: it has no pairs."""
        content = dump(MetadataHeader="k !")
        found = decode_record(content, "u")
        self.assertEqual(found.info.metadata, Metadata("k !"))
        self.assertEqual(found.info.metadata.pairs, {})
        self.assertEqual(json.loads(encode_record(found))["MetadataHeader"], "k !")

    def test_metadata_are_not_decoded(self) -> None:
        """Reading a record decodes no pair of 16,000: most readers need none."""
        header = ",".join(f"k{n}" for n in range(16_000))
        steps = 0

        def count(_frame: object, _event: str, _arg: object) -> None:
            nonlocal steps
            steps += 1

        content = dump(MetadataHeader=header)
        profile = sys.getprofile()
        sys.setprofile(count)
        try:
            found = decode_record(content, "u")
        finally:
            sys.setprofile(profile)
        self.assertLess(steps, 1000)
        self.assertEqual(len(found.info.metadata.pairs), 16_000)

    @given(
        st.dictionaries(
            st.text("abcXYZ019!#", min_size=1, max_size=8), st.binary(max_size=20)
        )
    )
    @steady(50)
    def test_any_metadata(self, pairs: dict[str, bytes]) -> None:
        """Metadata of any bytes survives the record."""
        metadata = Metadata.from_pairs(pairs)
        record = Record(UploadInfo("u", 1, metadata=metadata))
        self.assertEqual(
            decode_record(encode_record(record), "u").info.metadata, metadata
        )


class TusdRecordTests(SynchronousTestCase):
    """Records that tusd wrote."""

    def test_facts(self) -> None:
        """Its facts are read; it knows no state, promise or machine."""
        found = decode_record(dump(), "u")
        self.assertEqual(
            found.info,
            UploadInfo(
                "u",
                11,
                metadata=Metadata.from_pairs(
                    {"filename": "h\u00e9.txt".encode(), "empty": b""}
                ),
            ),
        )
        self.assertEqual(
            (found.state, found.durability, found.host, found.storage_path),
            (None, None, Host(), "/x/u"),
        )

    def test_absent_fields(self) -> None:
        """Records of old versions, with few fields, are read."""
        found = decode_record(b'{"ID":"u","Size":3,"MetaData":null}', "u")
        self.assertEqual(found.info, UploadInfo("u", 3))
        self.assertIsNone(found.storage_path)

    def test_keys_that_no_header_may_hold(self) -> None:
        """Metadata under an impossible key is passed by, the rest is read."""
        found = decode_record(dump(MetaData={"h\u00e9": "x", "": "y", "k": "v"}), "u")
        self.assertEqual(found.info.metadata.pairs, {"k": b"v"})


class NonsenseTests(SynchronousTestCase):
    """Records that nobody wrote, or not to their end."""

    def refused(self, content: bytes) -> None:
        """Check that a record counts as none."""
        self.assertRaises(UploadNotFound, decode_record, content, "u")

    def test_wrong_types_and_values(self) -> None:
        """A field of a wrong type or out of range spoils the record."""
        nonsense: tuple[dict[str, object], ...] = (
            {"ID": "v"},
            {"ID": 5},
            {"ID": None},
            {"Size": -1},
            {"Size": MAX_BYTES + 1},
            {"Size": 1.0},
            {"Size": True},
            {"Size": "11"},
            {"SizeIsDeferred": 1},
            {"MetaData": []},
            {"MetaData": {"k": 1}},
            {"MetadataHeader": 5},
            {"MetadataHeader": "k YQ==\r\nX-Evil: 1"},
            {"MetadataHeader": "\u00e9"},
            {"IsFinal": "no"},
            {"PartialUploads": ["a", 1]},
            {"PartialUploads": "a"},
            {"Storage": "/x/u"},
            {"Storage": {"Type": "s3store"}},
            {"Storage": {"Path": 5}},
            {"State": "done"},
            {"State": 1},
            {"Durability": "much"},
            {"SyncedOffset": -1},
            {"SyncedAt": "now"},
            {"Created": float("nan")},
            {"Created": float("inf")},
            {"Created": True},
            {"Created": None},
            {"Created": 10**400},
            {"SyncedAt": -(10**400)},
            {"MachineID": 1},
            {"Owner": 1},
            {"Owner": "a\nb"},
            {"MaxSize": -1},
            {"MaxSize": 1.0},
            {"ExpireAfter": -1},
            {"ExpireAfter": "1h"},
        )
        for changes in nonsense:
            self.refused(dump(**changes))

    def test_torn_records(self) -> None:
        """A record that breaks off anywhere, or ends in zeros, counts as none."""
        content = encode_record(OURS)
        for size in range(len(content)):
            self.refused(content[:size])
            self.refused(content[:size].ljust(len(content), b"\0"))

    def test_freaks(self) -> None:
        """Neither size nor depth nor long numbers break the reader."""
        self.refused(b" " * MAX_RECORD_BYTES + encode_record(OURS))
        self.refused(b"[" * 200_000)
        self.refused(b'{"ID":"u","Size":' + b"9" * 5000 + b"}")
        self.refused('{"ID":"u"}'.encode("utf-16")[:-1])
        self.refused(dump(Created=0)[:-2] + b"1e400}")

    def test_too_deep_to_be_written_again(self) -> None:
        """A record that was just read, but cannot be written, fails as files do."""
        deep: object = None
        for _ in range(100_000):
            deep = [deep]
        record = evolve(decode_record(dump(), "u"), fields=TUSD | {"Future": deep})
        self.assertRaises(OSError, encode_record, record)

    def test_too_long(self) -> None:
        """A new record keeps room to grow; one that has outgrown it fails."""
        first = Record(UploadInfo("u", None), host=Host("m", "b"))
        spare = MAX_FIRST_RECORD_BYTES - len(encode_record(first))
        longest = evolve(first, host=Host("m", "b" + "x" * spare))
        record = decode_record(encode_record(longest), "u")
        grown = evolve(
            record,
            info=UploadInfo("u", MAX_BYTES),
            state=UploadState.FINISH_FAILED,
            host=Host("m" * 64, "b" * (spare + 64)),
            durability=Durability.STRICT,
        ).mark(MAX_BYTES, 1_700_000_000.123456)
        decode_record(encode_record(grown), "u")
        too_long = evolve(first, host=Host("m", "b" + "x" * (spare + 1)))
        self.assertRaises(InvalidMetadata, encode_record, too_long)
        outgrown = evolve(record, host=Host("m", "b" * MAX_RECORD_BYTES))
        self.assertRaises(OSError, encode_record, outgrown)

    @given(st.binary(max_size=300))
    @steady(200)
    def test_any_bytes(self, content: bytes) -> None:
        """No bytes are read as a record by chance, and none raise anything else."""
        self.refused(content)

    @given(
        st.dictionaries(
            st.sampled_from([*TUSD, "State", "MetadataHeader", "Created", "SyncedAt"]),
            st.recursive(
                st.none()
                | st.booleans()
                | st.integers()
                | st.integers(-400, 400).map(lambda n: n * 10 ** abs(n))
                | st.floats()
                | st.text(st.characters(), max_size=10)
                | st.just("u"),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(st.text(max_size=5), inner, max_size=3)
                ),
                max_leaves=6,
            ),
        )
    )
    @steady(300)
    def test_any_json(self, changes: dict[str, object]) -> None:
        """Any JSON is a record that can be written again, or none at all."""
        try:
            record = decode_record(json.dumps(TUSD | changes).encode(), "u")
        except UploadNotFound:
            return
        self.assertEqual(decode_record(encode_record(record), "u").info, record.info)
