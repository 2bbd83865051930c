"""Tests for :mod:`tustwisted.auth.algorithms`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.auth.algorithms import PUBLIC, SECRET, check_algorithms


class AlgorithmsTests(SynchronousTestCase):
    """Which may be trusted."""

    def test_good(self) -> None:
        """Those of one kind of key may be used together."""
        check_algorithms(SECRET)
        check_algorithms(PUBLIC)

    def test_none(self) -> None:
        """Without any nobody could be let in."""
        told = str(self.assertRaises(ValueError, check_algorithms, []))
        self.assertEqual(told, "at least one algorithm is needed")

    def test_unknown(self) -> None:
        """``none`` is never one, in whatever spelling."""
        for name in ("none", "None", "NONE", "", "hs256", "RS1", "HS256 "):
            told = str(self.assertRaises(ValueError, check_algorithms, ["HS256", name]))
            self.assertTrue(told.startswith("must be one of HS256, "), told)

    def test_mixed(self) -> None:
        """A public key could be taken for a secret that all know."""
        told = str(self.assertRaises(ValueError, check_algorithms, ["RS256", "HS256"]))
        self.assertEqual(
            told, "algorithms with a secret and with a public key do not mix"
        )
