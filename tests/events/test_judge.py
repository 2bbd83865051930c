"""The judge of a campaign finds what it looks for."""

from __future__ import annotations

import json
import random
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.events.clients import Ledger
from tests.events.judge import judge
from tests.events.world import Noted, World


class JudgeTests(SynchronousTestCase):
    """One thing is wrong, and it is found."""

    def setUp(self) -> None:
        """Have an upload of each kind, and all be well."""
        self.world = World(Path(self.mktemp()), random.Random(0))
        self.world.outbox.mkdir(parents=True)
        (self.world.place / "daemon.log").write_text("all is well\n")
        self.store("u", "finished")
        self.ledger = Ledger({"u", "t", "x"}, {"u", "t"}, {"t"}, {"x"})
        for upload_id, *kinds in (
            ("u", "create", "finish"),
            ("t", "create", "finish", "terminate"),
            ("x", "create", "expire"),
        ):
            for number, kind in enumerate(kinds, 1):
                self.note(upload_id, kind, number)
        self.note("u", "create", 1)

    def store(self, upload_id: str, state: str) -> None:
        """Have an upload in the directory."""
        record = self.world.uploads / f"{upload_id}.info"
        record.write_text(json.dumps({"State": state}))

    def note(self, upload_id: str, kind: str, number: int, life: str = "1") -> None:
        """Have the receiver be told of something."""
        event_id = f"{upload_id}@{life}:{kind}"
        self.world.noted.append(Noted(event_id, f"post-{kind}", upload_id, number))

    def finds(self, *begins: str) -> None:
        """See that it finds certain things, and no others."""
        found = judge(self.world, self.ledger)
        self.assertEqual(len(found), len(begins), found)
        for sentence, begin in zip(found, begins, strict=True):
            self.assertTrue(sentence.startswith(begin), found)

    def test_all_is_well(self) -> None:
        """An event that is told twice is no finding."""
        self.finds()

    def test_a_creation_is_lost(self) -> None:
        """Then the upload does not begin with 1 either."""
        self.world.noted = [n for n in self.world.noted if n.event_id != "u@1:create"]
        self.finds("created, and not told: u", "u was told in the order [2]")

    def test_a_finish_is_lost(self) -> None:
        """The client was told that it is finished."""
        self.world.noted = [n for n in self.world.noted if n.event_id != "u@1:finish"]
        self.finds("finished, and not told: u", "stored as finished, and not told: u")

    def test_made_up(self) -> None:
        """An upload that nobody has made."""
        self.note("v", "create", 1)
        self.finds("created for nobody, and gone: v")
        self.store("v", "receiving")  # but if it is there, its client was not told
        self.finds()

    def test_finished_for_nobody(self) -> None:
        """Only who never knew that it was created may not know of its finish."""
        self.note("x", "finish", 3)
        self.finds(
            "told to be finished, and not known: x", "expired though finished: x"
        )

    def test_out_of_order(self) -> None:
        """What comes first must have come first."""
        self.world.noted.sort(key=lambda n: -n.sequence)
        self.finds(*(f"{i} was told in the order" for i in ("t", "u", "x")))

    def test_two_ids(self) -> None:
        """Who is told again must know it by its id."""
        self.note("u", "finish", 2, life="2")
        self.finds("u was told in the order", "u has two ids for one event")

    def test_gone_without_a_word(self) -> None:
        """Whoever removes an upload says so."""
        (self.world.uploads / "u.info").unlink()
        self.finds("gone without a word: u")

    def test_something_remains(self) -> None:
        """In the outbox or in the log."""
        (self.world.outbox / "odd").touch()
        (self.world.place / "daemon.log").write_text("Traceback (most recent ...\n")
        self.finds("Traceback", "in the outbox at the end: odd")
