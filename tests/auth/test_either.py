"""Tests for :mod:`tustwisted.auth.either`."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from tests.auth.support import CHALLENGE, INVALID, OTHER, TOKEN, HookCase
from tustwisted.auth.bearer import IKnowsTokens
from tustwisted.auth.either import EitherToken
from tustwisted.auth.tokens import TokenFile
from tustwisted.interfaces import IRereads


class EitherTokenTests(HookCase):
    """Two files of tokens."""

    def setUp(self) -> None:
        super().setUp()
        self.paths = [self.mktemp(), self.mktemp()]
        self.hooks = [TokenFile(path, self.clock) for path in self.paths]
        self.hook = EitherToken(self.hooks)
        self.write(f"ann {TOKEN}\n", self.paths[0])

    def test_interface(self) -> None:
        """It is a hook that knows tokens."""
        self.assertTrue(verifyObject(IKnowsTokens, self.hook))

    def test_one_is_enough(self) -> None:
        """Who brings a token that one of them knows is let in, the first one first."""
        self.write(f"bob {OTHER}\ncid {TOKEN}\n", self.paths[1])
        self.start(self.hook)
        self.assertEqual(self.owner(self.hook, TOKEN), "ann")
        self.assertEqual(self.owner(self.hook, OTHER), "bob")
        self.assert_refused(self.ask(self.hook, "Bearer unknown"), INVALID)
        self.assert_refused(self.ask(self.hook), CHALLENGE)

    def test_unusable(self) -> None:
        """If one cannot start, none stays started."""
        self.assert_unusable(self.hook, self.paths[1])

    def test_stopped(self) -> None:
        """Both end with it."""
        self.write("", self.paths[1])
        self.start(self.hook)
        self.assertEqual(len(self.clock.getDelayedCalls()), 2)
        self.doCleanups()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_reread(self) -> None:
        """Both files are read again, at once."""
        self.write("", self.paths[1])
        self.start(self.hook)
        self.assertTrue(verifyObject(IRereads, self.hook))
        self.write("", self.paths[0])
        self.write(f"bob {TOKEN}\n", self.paths[1])
        self.successResultOf(Deferred.fromCoroutine(self.hook.reread()))
        self.assertEqual(self.owner(self.hook, TOKEN), "bob")
