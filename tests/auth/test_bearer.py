"""Tests for :mod:`tustwisted.auth.bearer`."""

from __future__ import annotations

from tests.auth.support import CHALLENGE, INVALID, TOKEN, HookCase, access
from tustwisted.auth.bearer import is_token, judge
from tustwisted.protocol.answers import Answer


def judged(*lines: str) -> Answer:
    """What becomes of a request with these lines; one token is good."""
    return judge(access(*lines).request, {TOKEN: "ann"}.get)


class JudgeTests(HookCase):
    """What a request must bring."""

    def test_good(self) -> None:
        """A good token lets its owner in; the scheme has no case."""
        for scheme in ("Bearer", "bearer", "BEARER"):
            for blanks in (" ", "   "):
                self.assertEqual(
                    judged(f"{scheme}{blanks}{TOKEN}"), Answer(owner="ann")
                )
        self.assertEqual(judged(f" Bearer {TOKEN}\t"), Answer(owner="ann"))

    def test_none(self) -> None:
        """Without one, or with something else, nothing is said to be wrong with it."""
        for lines in (
            (),
            ("",),
            ("Basic YTpi",),
            (TOKEN,),
            ("Bearer",),
            ("Bearerx y",),
        ):
            self.assert_refused(judged(*lines), CHALLENGE)
        self.assert_refused(judge(None, {TOKEN: "ann"}.get), CHALLENGE)

    def test_bad(self) -> None:
        """A token that is unknown, or of no form that one has, is an invalid one."""
        for line in (
            "Bearer unknown-token-16",
            f"Bearer {TOKEN} x",
            f'Bearer "{TOKEN}"',
            f"Bearer {TOKEN},",
            f"Bearer {TOKEN}=x",
            f"Bearer {TOKEN}\n",
            f"Bearer\t{TOKEN}",
            "Bearer =",
            "Bearer \xe9",
        ):
            challenge = CHALLENGE if "\t" in line else INVALID
            self.assert_refused(judged(line), challenge)

    def test_several(self) -> None:
        """Two lines are none, also when they agree: others may take another one."""
        line = f"Bearer {TOKEN}"
        self.assert_refused(judged(line, line), INVALID)
        self.assert_refused(judged("Basic YTpi", line), INVALID)

    def test_form(self) -> None:
        """A token is of the form that RFC 6750 gives it."""
        for good in ("a", "a.b-c_d~e+f/0=", "a=="):
            self.assertTrue(is_token(good), good)
        for bad in ("", "=", "a=b", "a b", "a,b", "a\n", "\xe9"):
            self.assertFalse(is_token(bad), bad)
