"""Names of events can be sorted, and tell the upload."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.store.support import steady
from tustwisted.hooks.outbox.names import (
    due_name,
    due_names,
    id_of,
    is_due_name,
    key_of,
    prepared_id,
    prepared_name,
    prepared_names,
)
from tustwisted.protocol.events import EventType
from tustwisted.protocol.upload import UploadInfo
from tustwisted.testing_outbox import LONGEST_ID, make_event, upload_of

DURABLE = [kind for kind in EventType if kind.is_durable]

ids = st.from_regex(r"[a-z_+-][a-z_.+-]{0,3}(/[a-z+-]{1,3}){0,2}", fullmatch=True)
times = st.floats(0, 4e9) | st.sampled_from([0.0, 1e300, -1.0, 253_402_300_799.0])
kinds = st.sampled_from(DURABLE)


class NameTests(SynchronousTestCase):
    """What can be read in a name."""

    @given(ids, times, kinds)
    @steady(200)
    def test_there_and_back(
        self, upload_id: str, created_s: float, kind: object
    ) -> None:
        """A name tells the id, and is short enough for any file system."""
        assert isinstance(kind, EventType)
        event = make_event(kind, upload_id, created_s=created_s)
        name = due_name(event)
        self.assertTrue(is_due_name(name))
        self.assertEqual(id_of(name), upload_id)
        self.assertTrue(name.startswith(key_of(name)))
        self.assertIn(name, due_names(upload_of(event)))
        self.assertEqual(prepared_id(prepared_name(event)), upload_id)
        self.assertIn(prepared_name(event), prepared_names(upload_id))
        self.assertLess(len(name), len(upload_id) + 25)

    @given(st.lists(st.tuples(ids, st.integers(0, 10**9), kinds), min_size=2))
    @steady(25)
    def test_sorted(self, lives: list[tuple[str, int, EventType]]) -> None:
        """Names of an upload stand together, by life, in the order of its events."""
        events = [make_event(kind, i, created_s=s / 1000) for i, s, kind in lives]
        names = sorted({due_name(event) for event in events})
        keys = [key_of(name) for name in names]
        self.assertEqual(keys, sorted(keys))
        of_one = {
            (e.upload.created_s, DURABLE.index(e.type)): due_name(e)
            for e in events
            if e.upload is not None and e.upload.upload_id == lives[0][0]
        }
        in_order = [of_one[when] for when in sorted(of_one)]
        self.assertEqual(in_order, [n for n in names if n in set(in_order)])

    def test_what_is_no_name(self) -> None:
        """What an editor or an administrator leaves there is passed by."""
        name = due_name(make_event(upload_id=LONGEST_ID))
        for odd in (
            "",
            "u",
            ".u~00001000000250000~1",
            "u~00001000000250000~1~",
            "u~00001000000250000~5",
            "u~1000000250000~1",
            "~00001000000250000~1",
            f"{name}.bak",
        ):
            self.assertFalse(is_due_name(odd), odd)
        for odd in ("", "u", "u~9", "~1", ".u~1", "u.info~1", "u~1~1"):
            self.assertIsNone(prepared_id(odd), odd)

    def test_the_time_of_a_strange_record(self) -> None:
        """Whatever time it tells, there is a name of the usual length."""
        for created_s in (-1.0, 0.0, 1e300):
            upload = UploadInfo("u", 1, created_s=created_s)
            self.assertEqual({len(n) for n in due_names(upload)}, {21})
