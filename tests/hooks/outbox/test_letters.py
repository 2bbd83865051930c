"""What is written down of an event comes back, and nothing else does."""

from __future__ import annotations

import contextlib  # trial takes a module's "suppress" for its own

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.store.support import steady
from tustwisted.hooks.outbox.letters import Letter, decode_letter, encode_letter
from tustwisted.testing_outbox import make_event

LETTER = Letter(make_event(), ("h", "second.hook-1"), "it said: no\nand é")
WHOLE = encode_letter(LETTER)


class LetterTests(SynchronousTestCase):
    """Two lines."""

    def test_there_and_back(self) -> None:
        """Nothing is lost."""
        self.assertEqual(decode_letter(WHOLE), LETTER)
        without = Letter(make_event(), ("h",))
        self.assertEqual(decode_letter(encode_letter(without)), without)

    def test_torn(self) -> None:
        """Cut off anywhere it is none."""
        for end in range(len(WHOLE)):
            with self.assertRaises(ValueError):
                decode_letter(WHOLE[:end])

    @given(st.binary(max_size=40), st.integers(0, len(WHOLE)), st.integers(0, 40))
    @steady(300)
    def test_nonsense(self, nonsense: bytes, at: int, length: int) -> None:
        """Whatever the bytes, it is a letter or a ValueError."""
        for content in (nonsense, WHOLE[:at] + nonsense + WHOLE[at + length :]):
            with contextlib.suppress(ValueError):
                decode_letter(content)

    def test_heads_that_make_no_sense(self) -> None:
        """The first line names hooks, and perhaps a reason."""
        event = WHOLE.partition(b"\n")[2]
        for head in (b"[]", b"{}", b'{"Hooks":[1]}', b'{"Hooks":[],"Reason":1}'):
            with self.assertRaises(ValueError):
                decode_letter(head + b"\n" + event)
        with self.assertRaises(ValueError):
            decode_letter(b"[" * 100_000 + b"\n" + event)
