"""Tests for :mod:`tustwisted.protocol.upload`."""

from __future__ import annotations

from attrs import asdict, fields_dict
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.protocol.headers import MAX_BYTES
from tustwisted.protocol.metadata import Metadata
from tustwisted.protocol.upload import Storage, UploadInfo, UploadState

OUT_OF_RANGE = (-1, -(2**63), MAX_BYTES + 1, 2**64)


class ValidationTests(SynchronousTestCase):
    """What an upload cannot be."""

    def test_defaults(self) -> None:
        """A new upload has no bytes and no metadata, and receives."""
        info = UploadInfo("a", 10)
        self.assertEqual(info.offset, 0)
        self.assertEqual(info.metadata, Metadata())
        self.assertIs(info.state, UploadState.RECEIVING)
        self.assertFalse(info.is_partial)
        self.assertFalse(info.is_final)
        self.assertEqual(info.partial_uploads, ())

    def test_id(self) -> None:
        """What is no upload id cannot name an upload (T-269)."""
        for upload_id in ("", "..", "a/../b", "a\n", ".a", "a.info", "a" * 201):
            with self.assertRaises(ValueError):
                UploadInfo(upload_id, 10)

    def test_id_is_not_repeated(self) -> None:
        """The error for a wrong id does not repeat it: it may come from a client."""
        with self.assertRaises(ValueError) as caught:
            UploadInfo("../secret", 10)
        self.assertNotIn("secret", str(caught.exception))

    def test_length_range(self) -> None:
        """A length is 0 to 2^63-1 bytes (T-057, T-060)."""
        for length in (0, 1, MAX_BYTES):
            self.assertEqual(UploadInfo("a", length).length, length)
        for length in OUT_OF_RANGE:
            with self.assertRaises(ValueError):
                UploadInfo("a", length)

    def test_deferred_length(self) -> None:
        """A deferred length is no length (T-096)."""
        self.assertIsNone(UploadInfo("a", None).length)

    def test_offset_range(self) -> None:
        """An offset is 0 to 2^63-1 bytes (T-025)."""
        for offset in (0, 1, MAX_BYTES):
            self.assertEqual(UploadInfo("a", None, offset).offset, offset)
        for offset in OUT_OF_RANGE:
            with self.assertRaises(ValueError):
                UploadInfo("a", None, offset)

    def test_frozen(self) -> None:
        """The facts of a moment do not change afterwards."""
        info = UploadInfo("a", 10)
        with self.assertRaises(FrozenInstanceError):
            info.offset = 5  # type: ignore[misc]
        self.assertEqual(info.offset, 0)

    def test_equality(self) -> None:
        """Two uploads with the same facts are equal, with different ones not."""
        self.assertEqual(UploadInfo("a", 10), UploadInfo("a", 10))
        self.assertNotEqual(UploadInfo("a", 10), UploadInfo("b", 10))
        self.assertNotEqual(UploadInfo("a", 10), UploadInfo("a", None))


class StateTests(SynchronousTestCase):
    """What the facts say of the upload."""

    def test_recorded_names(self) -> None:
        """The states are recorded under names that do not change."""
        self.assertEqual(
            {state.value for state in UploadState},
            {"receiving", "finishing", "finished", "finish-failed"},
        )

    def test_remaining(self) -> None:
        """What remains is the length without what is stored; unknown if deferred."""
        for length, offset, remaining in (
            (10, 0, 10),
            (10, 3, 7),
            (10, 10, 0),
            (0, 0, 0),
            (None, 0, None),
            (None, 7, None),
            (MAX_BYTES, 0, MAX_BYTES),
        ):
            self.assertEqual(UploadInfo("a", length, offset).remaining, remaining)

    def test_whole(self) -> None:
        """An upload is whole when its offset is its length (T-039, T-060)."""
        self.assertTrue(UploadInfo("a", 10, 10).is_whole)
        self.assertTrue(UploadInfo("a", 0, 0).is_whole)
        self.assertFalse(UploadInfo("a", 10, 9).is_whole)

    def test_deferred_is_never_whole(self) -> None:
        """An upload with a deferred length is never whole (T-099)."""
        for offset in (0, 1, MAX_BYTES):
            self.assertFalse(UploadInfo("a", None, offset).is_whole)

    def test_whole_in_every_state(self) -> None:
        """Being whole says nothing of the finish step and does not depend on it."""
        for state in UploadState:
            self.assertTrue(UploadInfo("a", 10, 10, state=state).is_whole)
            self.assertFalse(UploadInfo("a", 10, 9, state=state).is_whole)

    def test_awaits_finish(self) -> None:
        """The finish step is due from the last byte until it has succeeded (T-039)."""
        receiving, finishing = UploadState.RECEIVING, UploadState.FINISHING
        finished, failed = UploadState.FINISHED, UploadState.FINISH_FAILED
        for state, length, offset, due in (
            (receiving, 10, 0, False),
            (receiving, 10, 9, False),
            (receiving, 10, 10, True),  # the process died right after the last byte
            (receiving, 0, 0, True),
            (receiving, None, 0, False),
            (receiving, None, 10, False),
            (finishing, 10, 10, True),
            (finishing, 0, 0, True),
            (failed, 10, 10, True),
            (failed, 0, 0, True),
            (finished, 10, 10, False),
            (finished, 0, 0, False),
        ):
            info = UploadInfo("a", length, offset, state=state)
            self.assertIs(info.awaits_finish, due, info)


class ChangeTests(SynchronousTestCase):
    """The same upload at another moment."""

    info = UploadInfo(
        "a",
        10,
        3,
        metadata=Metadata.from_pairs({"filename": b"world"}),
        created_s=1.5,
        is_partial=True,
        is_final=True,
        partial_uploads=("/files/b", "/files/c"),
        concat_header="final;/files/b /files/c",
        owner="alice",
        max_size_bytes=20,
        expire_after_s=60.0,
        storage=Storage("/srv/a"),
        modified_s=2.5,
    )

    def test_every_fact_is_kept(self) -> None:
        """No fact is forgotten in a change: each of these is not the default."""
        for name, field in fields_dict(UploadInfo).items():
            if name not in ("upload_id", "length", "state"):
                self.assertNotEqual(getattr(self.info, name), field.default, name)
        same = self.info.at(4).at(3).become(UploadState.RECEIVING)
        self.assertEqual(asdict(same), asdict(self.info))

    def test_at(self) -> None:
        """Another offset leaves every other fact as it was."""
        there = self.info.at(7)
        self.assertEqual(there.offset, 7)
        self.assertEqual(there.at(3), self.info)

    def test_at_keeps_the_state(self) -> None:
        """Reaching the length does not begin the finish step by itself."""
        self.assertIs(self.info.at(10).state, UploadState.RECEIVING)

    def test_at_out_of_range(self) -> None:
        """Another offset is validated as the first one was."""
        for offset in OUT_OF_RANGE:
            with self.assertRaises(ValueError):
                self.info.at(offset)

    def test_become(self) -> None:
        """Another state leaves every other fact as it was."""
        for state in UploadState:
            then = self.info.become(state)
            self.assertIs(then.state, state)
            self.assertEqual(then.become(UploadState.RECEIVING), self.info)

    def test_original(self) -> None:
        """The upload that is changed stays what it was."""
        self.info.at(7)
        self.info.become(UploadState.FINISHED)
        self.assertEqual(self.info.offset, 3)
        self.assertIs(self.info.state, UploadState.RECEIVING)

    @given(st.integers(0, MAX_BYTES), st.data())
    def test_offset_and_remaining(self, length: int, data: st.DataObject) -> None:
        """Stored and remaining bytes together are the length, at every offset."""
        offset = data.draw(st.integers(0, length))
        info = UploadInfo("a", length).at(offset)
        self.assertEqual(info.offset + (info.remaining or 0), length)
        self.assertEqual(info.remaining == 0, info.is_whole)
