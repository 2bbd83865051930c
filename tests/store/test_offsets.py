"""The one rule by which offsets and states are told."""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.errors import UploadNotFound
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.store.durability import Durability
from tustwisted.store.host import Host
from tustwisted.store.offsets import read_unverified, stored_offset, tell
from tustwisted.store.records import Record

BEFORE, NOW = Host("machine", "boot 1"), Host("machine", "boot 2")
RECORD = Record(
    UploadInfo("u", 10),
    durability=Durability.FINISH,
    host=BEFORE,
    synced_offset=4,
)


class OffsetTests(SynchronousTestCase):
    """How many bytes count."""

    def test_the_size_is_the_offset(self) -> None:
        """With nothing lost and nothing in doubt, the bytes in the file count."""
        for size in (0, 7, 10):
            self.assertEqual(stored_offset(RECORD, size, None, BEFORE), size)

    def test_surplus_does_not_count(self) -> None:
        """More bytes than the upload is long are damage; a deferred length has none."""
        self.assertEqual(stored_offset(RECORD, 12, None, BEFORE), 10)
        deferred = evolve(RECORD, info=UploadInfo("u", None))
        self.assertEqual(stored_offset(deferred, 12, None, BEFORE), 12)

    def test_unverified_bytes_do_not_count(self) -> None:
        """A chunk in doubt ends the offset where it begins, if that is in the file."""
        self.assertEqual(stored_offset(RECORD, 9, 6, BEFORE), 6)
        self.assertEqual(stored_offset(RECORD, 5, 6, BEFORE), 5)

    def test_a_reboot_takes_unsynced_bytes(self) -> None:
        """Of what was written before the last boot, that counts which was synced."""
        self.assertEqual(stored_offset(RECORD, 9, None, NOW), 4)
        self.assertEqual(stored_offset(RECORD, 3, None, NOW), 3)

    def test_who_cannot_know_of_a_reboot(self) -> None:
        """Other machines, unknown ones and unsynced stores trust the size."""
        for record, host in (
            (RECORD, Host("other", "boot 2")),
            (RECORD, Host("", "boot 2")),
            (RECORD, Host("machine", "")),
            (evolve(RECORD, host=Host("", "boot 1")), Host("", "boot 2")),
            (evolve(RECORD, host=Host("machine", "")), NOW),
            (evolve(RECORD, durability=Durability.NONE), NOW),
            (evolve(RECORD, durability=None), NOW),
        ):
            self.assertEqual(stored_offset(record, 9, None, host), 9)

    def test_strict_tells_only_what_is_synced(self) -> None:
        """Under ``strict`` nothing else is told, on whichever machine and boot."""
        record = evolve(RECORD, durability=Durability.STRICT)
        for host in (BEFORE, NOW, Host("other", "x"), Host()):
            self.assertEqual(stored_offset(record, 9, None, host), 4)

    def test_reading_where_doubt_begins(self) -> None:
        """A file that does not tell leaves only what was synced."""
        self.assertEqual(read_unverified(b"123", RECORD), 123)
        self.assertEqual(read_unverified(b"123\n", RECORD), 123)
        for torn in (b"", b"\0\0\0", b"12\0", b"-1", b"1_0", b"1" * 20, b" 1"):
            self.assertEqual(read_unverified(torn, RECORD), 4)


class StateTests(SynchronousTestCase):
    """Which state is told."""

    def test_states_hold_while_the_bytes_are_there(self) -> None:
        """A state past receiving is believed of a whole upload only."""
        for state in UploadState:
            record = evolve(RECORD, state=state)
            self.assertIs(tell(record, 10, None, BEFORE).state, state)
            self.assertIs(tell(record, 12, None, BEFORE).state, state)
            told = tell(record, 9, None, BEFORE)
            self.assertEqual((told.state, told.offset), (UploadState.RECEIVING, 9))

    def test_a_state_without_a_length_holds(self) -> None:
        """Where no length is known, the record alone tells."""
        record = evolve(RECORD, info=UploadInfo("u", None), state=UploadState.FINISHING)
        self.assertIs(tell(record, 3, None, BEFORE).state, UploadState.FINISHING)

    def test_whole_uploads_of_tusd_are_finished(self) -> None:
        """tusd writes no state, and has run its hooks when all bytes are there."""
        for size, length, state in (
            (10, 10, UploadState.FINISHED),
            (12, 10, UploadState.FINISHED),
            (0, 0, UploadState.FINISHED),
            (9, 10, UploadState.RECEIVING),
            (9, None, UploadState.RECEIVING),
        ):
            record = Record(UploadInfo("u", length), None)
            self.assertIs(tell(record, size, None, NOW).state, state)

    def test_missing_bytes(self) -> None:
        """Without its data file an upload is empty, or gone once past receiving."""
        self.assertEqual(tell(RECORD, None, None, BEFORE).offset, 0)
        for state in (None, *UploadState):
            if state is not UploadState.RECEIVING:
                record = evolve(RECORD, state=state)
                self.assertRaises(UploadNotFound, tell, record, None, None, BEFORE)
