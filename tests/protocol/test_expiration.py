"""How long uploads are kept, and how a moment is written."""

from __future__ import annotations

import os
import time
from email.utils import parsedate_to_datetime

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.protocol.expiration import Expiration, imf_fixdate
from tustwisted.protocol.upload import UploadInfo, UploadState

BOTH = Expiration(unfinished_after_s=100, finished_after_s=1000)
BEGUN = UploadInfo("u", 10, offset=5, created_s=50, modified_s=60)
DONE = UploadInfo(
    "u", 10, offset=10, created_s=50, modified_s=60, state=UploadState.FINISHED
)


class PolicyTests(SynchronousTestCase):
    """When an upload expires."""

    def test_by_default_never(self) -> None:
        """Nothing expires unless an age is set (T-162)."""
        for upload in (BEGUN, DONE):
            self.assertIsNone(Expiration().expires_at(upload))
            self.assertFalse(Expiration().is_expired(upload, 1e12))

    def test_last_byte_counts(self) -> None:
        """An unfinished upload expires the period after its last byte (T-154)."""
        self.assertEqual(BOTH.expires_at(BEGUN), 160)
        self.assertFalse(BOTH.is_expired(BEGUN, 159.9))
        self.assertTrue(BOTH.is_expired(BEGUN, 160))

    def test_creation_counts_before_the_first_byte(self) -> None:
        """One without a byte expires the period after its creation (T-154)."""
        for modified_s in (0, 49):
            upload = UploadInfo("u", 10, created_s=50, modified_s=modified_s)
            self.assertEqual(BOTH.expires_at(upload), 150)

    def test_never_moves_backwards(self) -> None:
        """What happens to an upload only moves the time on (T-154)."""
        times = [(50, 0), (50, 50), (50, 60), (50, 60), (50, 75)]
        told = [
            BOTH.expires_at(UploadInfo("u", 9, created_s=created, modified_s=modified))
            for created, modified in times
        ]
        self.assertEqual(told, [150, 150, 160, 160, 175])

    def test_finished_has_an_age_of_its_own(self) -> None:
        """The age of unfinished uploads says nothing of finished ones (T-160)."""
        self.assertEqual(BOTH.expires_at(DONE), 1060)
        self.assertIsNone(Expiration(unfinished_after_s=100).expires_at(DONE))
        self.assertIsNone(Expiration(finished_after_s=100).expires_at(BEGUN))

    def test_finished_partial_expires_as_unfinished(self) -> None:
        """A finished partial upload goes after the unfinished period (T-161)."""
        partial = UploadInfo(
            "u", 10, offset=10, modified_s=60, state=DONE.state, is_partial=True
        )
        self.assertEqual(BOTH.expires_at(partial), 160)
        self.assertEqual(Expiration(finished_after_s=9).expires_at(partial), 69)

    def test_final_is_finished_like_any_other(self) -> None:
        """A final upload has the age of finished ones (T-161)."""
        final = UploadInfo(
            "u", 10, offset=10, modified_s=60, state=DONE.state, is_final=True
        )
        self.assertEqual(BOTH.expires_at(final), 1060)
        self.assertIsNone(Expiration(unfinished_after_s=100).expires_at(final))

    def test_what_awaits_its_finish_step_stays(self) -> None:
        """Until its event is told, an upload whose bytes are all there is kept."""
        for state in set(UploadState) - {UploadState.FINISHED}:
            whole = UploadInfo("u", 10, offset=10, state=state)
            self.assertIsNone(BOTH.expires_at(whole), state)

    def test_deferred_length_is_unfinished(self) -> None:
        """An upload without a length expires like others (T-154)."""
        self.assertEqual(BOTH.expires_at(UploadInfo("u", None, modified_s=60)), 160)

    def test_an_age_of_its_own(self) -> None:
        """What a hook has set counts first, also where no other upload expires."""
        own = evolve(BEGUN, expire_after_s=7)
        for expiration in (BOTH, Expiration(), Expiration(finished_after_s=1)):
            self.assertEqual(expiration.expires_at(own), 67)
            self.assertTrue(expiration.is_expired(own, 67))
            self.assertFalse(expiration.is_expired(own, 66.9))

    def test_an_age_of_its_own_is_for_the_unfinished(self) -> None:
        """Finished, it has the age of all others, unless it is a part."""
        own = evolve(DONE, expire_after_s=7)
        self.assertEqual(BOTH.expires_at(own), 1060)
        self.assertIsNone(Expiration().expires_at(own))
        partial = evolve(own, is_partial=True)
        for expiration in (BOTH, Expiration(), Expiration(finished_after_s=1)):
            self.assertEqual(expiration.expires_at(partial), 67)
        whole = evolve(own, state=UploadState.FINISHING)
        self.assertIsNone(BOTH.expires_at(whole))

    def test_ages_are_positive(self) -> None:
        """An age that is no span of time is refused."""
        for age in (0, -1):
            self.assertRaises(ValueError, Expiration, age)
            self.assertRaises(ValueError, Expiration, None, age)


class IntervalTests(SynchronousTestCase):
    """How often is swept, and how old a leftover must be."""

    def test_interval(self) -> None:
        """A tenth of the smaller age, from a second to ten minutes; else hourly."""
        for unfinished, finished, interval in (
            (None, None, 3600),
            (2, None, 1),
            (600, 86400, 60),
            (86400, 600, 60),
            (None, 1200, 120),
            (86400 * 30, None, 600),
        ):
            expiration = Expiration(unfinished, finished)
            self.assertEqual(expiration.sweep_interval_s, interval)

    def test_interval_with_ages_of_their_own(self) -> None:
        """Where hooks may set ages it is ten minutes at the most."""
        for unfinished, interval in ((None, 600), (2, 1), (86400 * 30, 600)):
            expiration = Expiration(unfinished, has_own_ages=True)
            self.assertEqual(expiration.sweep_interval_s, interval)
            self.assertEqual(
                expiration.leftover_age_s, Expiration(unfinished).leftover_age_s
            )

    def test_leftover_age(self) -> None:
        """The unfinished age, an hour at least; a day when there is none."""
        for unfinished, age in ((None, 86400), (2, 3600), (7200, 7200)):
            expiration = Expiration(unfinished, finished_after_s=5)
            self.assertEqual(expiration.leftover_age_s, age)


class DateTests(SynchronousTestCase):
    """IMF-fixdate."""

    def test_form(self) -> None:
        """English names, two digits for the day, GMT (T-153)."""
        for seconds, text in (
            (1403712000, "Wed, 25 Jun 2014 16:00:00 GMT"),
            (1404230399, "Tue, 01 Jul 2014 15:59:59 GMT"),
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (4102444800, "Fri, 01 Jan 2100 00:00:00 GMT"),
        ):
            self.assertEqual(imf_fixdate(seconds), text)

    def test_fractions_are_dropped(self) -> None:
        """A client is told no later moment than the one that counts (T-153)."""
        self.assertEqual(imf_fixdate(1403712000.999), imf_fixdate(1403712000))

    def test_beyond_the_calendar(self) -> None:
        """A moment past the year 9999, or before 1970, has a form too (T-153)."""
        last = "Fri, 31 Dec 9999 23:59:59 GMT"
        for seconds in (253402300799, 253402300800, 1e18, 1e308):
            self.assertEqual(imf_fixdate(seconds), last)
        self.assertEqual(imf_fixdate(-5), imf_fixdate(0))

    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(st.integers(0, 253402300799))
    def test_is_read_back(self, seconds: int) -> None:
        """Any second is read back from what is written (T-153)."""
        written = parsedate_to_datetime(imf_fixdate(seconds))
        self.assertEqual(written.timestamp(), seconds)

    def test_no_time_zone(self) -> None:
        """The time zone of the process changes nothing (T-153)."""

        def put_back(zone: str | None = os.environ.get("TZ")) -> None:
            os.environ.pop("TZ", None)
            if zone is not None:
                os.environ["TZ"] = zone
            time.tzset()

        self.addCleanup(put_back)
        for zone in ("America/New_York", "Asia/Kathmandu", "UTC"):
            os.environ["TZ"] = zone
            time.tzset()
            written = imf_fixdate(1403712000)
            self.assertEqual(written, "Wed, 25 Jun 2014 16:00:00 GMT", zone)
