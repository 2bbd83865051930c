"""Tests for :mod:`tustwisted.protocol.versions`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.errors import UnsupportedVersion
from tustwisted.protocol.versions import TUS_VERSION, check_version

NEEDS_A_VERSION = ("POST", "PATCH", "DELETE", "PUT", "TRACE", "get", "options")
IGNORES_THE_VERSION = ("GET", "OPTIONS")

OTHER_VERSIONS = (
    b"",
    b"0.2.2",
    b"1",
    b"1.0",
    b"1.0.1",
    b"1.0.00",
    b"1.0.0.0",
    b"01.0.0",
    b"2.0.0",
    b"v1.0.0",
    b"1.0.0, 1.0.0",
    b"1.0.0,1.0.0",
    b"1.0.0,0.2.2",
    b" 1.0.0",
    b"1.0.0 ",
    b"1.0.0\n",
    b"1.0.0\x00",
    b"1x0x0",
    "\uff11.0.0".encode(),  # FULLWIDTH DIGIT ONE
    b"\xff",
)


class CheckVersionTests(SynchronousTestCase):
    """``Tus-Resumable``."""

    def _assert_refused(self, method: str, values: list[bytes]) -> UnsupportedVersion:
        with self.assertRaises(UnsupportedVersion, msg=f"{method} {values}") as caught:
            check_version(method, values)
        error: UnsupportedVersion = caught.exception
        return error

    def test_version(self) -> None:
        """The version spoken, which is what Tus-Version names, is 1.0.0 (T-009)."""
        self.assertEqual(TUS_VERSION, "1.0.0")

    def test_spoken(self) -> None:
        """Every method is let through with Tus-Resumable: 1.0.0 (T-003, T-005)."""
        for method in (*NEEDS_A_VERSION, *IGNORES_THE_VERSION, "HEAD"):
            check_version(method, [b"1.0.0"])

    def test_missing(self) -> None:
        """A method that may change an upload is refused without a version (T-002)."""
        for method in NEEDS_A_VERSION:
            error = self._assert_refused(method, [])
            self.assertIsNone(error.received, method)

    def test_another_version(self) -> None:
        """Whatever is not exactly 1.0.0 is refused (T-003)."""
        for method in NEEDS_A_VERSION:
            for value in OTHER_VERSIONS:
                self._assert_refused(method, [value])

    def test_what_was_received(self) -> None:
        """The error carries the version that the request spoke (T-003)."""
        for values, received in (
            ([b"0.2.2"], "0.2.2"),
            ([b""], ""),
            ([b"1.0.0", b"1.0.0"], "1.0.0, 1.0.0"),
        ):
            self.assertEqual(self._assert_refused("PATCH", values).received, received)

    def test_head_without_a_version(self) -> None:
        """HEAD may leave the version out (T-004)."""
        check_version("HEAD", [])

    def test_head_with_another_version(self) -> None:
        """HEAD with another version is refused (T-005)."""
        for value in OTHER_VERSIONS:
            self._assert_refused("HEAD", [value])

    def test_get(self) -> None:
        """GET is let through with any version or none (T-006)."""
        check_version("GET", [])
        for value in OTHER_VERSIONS:
            check_version("GET", [value])

    def test_options(self) -> None:
        """OPTIONS is let through with any version or none (T-007)."""
        check_version("OPTIONS", [])
        for value in OTHER_VERSIONS:
            check_version("OPTIONS", [value])

    def test_repeated(self) -> None:
        """Two lines are refused, even when both say 1.0.0 (T-027)."""
        for method in (*NEEDS_A_VERSION, "HEAD"):
            for values in ([b"1.0.0", b"1.0.0"], [b"1.0.0", b""], [b"0.2.2"] * 2):
                self._assert_refused(method, values)

    def test_repeated_where_ignored(self) -> None:
        """GET and OPTIONS do not mind two lines (T-006, T-007)."""
        for method in IGNORES_THE_VERSION:
            check_version(method, [b"0.2.2", b"1.0.0"])

    @given(
        st.sampled_from(NEEDS_A_VERSION),
        st.lists(st.one_of(st.binary(), st.text("01.,v ").map(str.encode)), max_size=3),
    )
    def test_any_bytes(self, method: str, values: list[bytes]) -> None:
        """Any bytes but 1.0.0 raise :class:`UnsupportedVersion`, nothing else."""
        if values == [b"1.0.0"]:
            check_version(method, values)
        else:
            self._assert_refused(method, values)
