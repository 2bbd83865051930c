"""One connection of a campaign: what is sent, in which pieces, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from itertools import pairwise
from random import Random

from attrs import frozen

from tests.fuzz.attacks import ATTACKS
from tests.fuzz.corpus import CLIENTS, SLOTS, Request, offset, upload
from tests.fuzz.mutations import GENTLE, MUTATIONS, mutate, splice


class Ending(Enum):
    """What the client does when it has sent all."""

    READ = "reads the answers, and closes"
    HALF_CLOSE = "closes its half of the connection, and reads"
    CLOSE = "closes at once"
    RESET = "resets at once"
    PARK = "sends not all, and stays"


_ENDINGS = [Ending.READ] * 82 + [Ending.HALF_CLOSE] * 4 + [Ending.CLOSE] * 5
_ENDINGS += [Ending.RESET] * 6 + [Ending.PARK] * 3


@frozen
class Case:
    """
    What one connection brings; the same for the same seed and number.

    :ivar requests: how many requests it was made of.
    """

    name: str
    requests: int
    pieces: tuple[bytes, ...]
    ending: Ending

    @property
    def sent(self) -> bytes:
        """All that is sent, with placeholders."""
        return b"".join(self.pieces)

    def slots(self) -> list[int]:
        """The uploads that it names by a placeholder."""
        sent = self.sent
        return [slot for slot in range(SLOTS) if upload(slot) in sent]

    def filled(self, uploads: Mapping[int, tuple[bytes, int]]) -> list[bytes]:
        """
        Put real ids and offsets in the place of the placeholders.

        :param uploads: id and offset of the uploads, by slot.
        """
        cuts = [0]
        for piece in self.pieces:
            cuts.append(cuts[-1] + len(piece))
        sent = self.sent  # as one: a cut may go through a placeholder
        for slot, (upload_id, stored) in uploads.items():
            sent = sent.replace(upload(slot), upload_id.ljust(32, b"0"))
            sent = sent.replace(offset(slot), b"%019d" % stored)
        return [sent[begin:end] for begin, end in pairwise(cuts)]


def make_case(seed: int, number: int) -> Case:
    """Make the case of a number."""
    random = Random(f"{seed}:{number}")
    count = random.choice([1, 1, 1, 2, 3, 5])
    # What is broken ends the connection, so it comes last.
    sent = [_gentle(random) for _ in range(count - 1)]
    sent.append(_rough(random) if random.random() < 0.45 else _gentle(random))
    ending = random.choice(_ENDINGS)
    whole = b"".join(sent)
    if ending is Ending.PARK:
        whole = whole[: random.randrange(len(whole) + 1)]
    return Case(f"{seed}:{number}", count, tuple(_cut(random, whole)), ending)


def _gentle(random: Random) -> bytes:
    """Make a request that a client might send, or nearly: mostly it gets an answer."""
    made = _made(random, CLIENTS)
    if random.random() < 0.5:
        return made
    return mutate(random, made, random.choice([1, 1, 2, 3]), GENTLE)


def _rough(random: Random) -> bytes:
    """Make a request that may be broken in any way."""
    every = (*CLIENTS, *ATTACKS)
    made = _made(random, every)
    chance = random.random()
    if chance < 0.2:
        return made
    if chance < 0.28:
        return splice(random, made, _made(random, every))
    return mutate(random, made, random.choice([1, 1, 1, 2, 3, 6]), MUTATIONS)


def _made(random: Random, kinds: Sequence[tuple[int, Request]]) -> bytes:
    ((_, kind),) = random.choices(kinds, [weight for weight, _ in kinds])
    return kind(random)


def _cut(random: Random, whole: bytes) -> list[bytes]:
    """Cut into the pieces that are sent one by one: one, some, or many small ones."""
    chance = random.random()
    if chance < 0.6:
        places = []
    elif chance < 0.95:
        places = [random.randrange(len(whole) + 1) for _ in range(random.randint(1, 5))]
    else:
        places = list(range(min(len(whole), 60)))
    cuts = [0, *sorted(places), len(whole)]
    return [whole[begin:end] for begin, end in pairwise(cuts)]
