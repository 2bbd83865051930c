"""The options of ``twistd tus`` and the service they make."""

from __future__ import annotations

import os
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.web.harness import Peer, sized
from tustwisted.store.durability import Durability
from tustwisted.tap import Options, makeService


def parsed(*words: str) -> Options:
    """Parse a command line."""
    options = Options()
    options.parseOptions(list(words))
    return options


class OptionsTests(SynchronousTestCase):
    """What the command line means."""

    def test_defaults(self) -> None:
        """Without options it serves on loopback and stores beside it."""
        options = parsed()
        self.assertEqual(options["port"], ["tcp:1080:interface=127.0.0.1"])
        self.assertEqual(options["upload-dir"], "uploads")
        self.assertEqual(options["base-path"], "/files/")
        self.assertIs(options["max-size"], None)
        self.assertIs(options["durability"], Durability.FINISH)
        self.assertEqual(options["idle-timeout"], 60)
        self.assertEqual(options["lock-timeout"], 20)
        self.assertEqual(options["file-mode"], 0o664)
        self.assertEqual(options["dir-mode"], 0o775)
        self.assertFalse(options["no-downloads"])

    def test_ports_add_up(self) -> None:
        """--port may be repeated, before or after the --host it means."""
        options = parsed("-p", "1", "--host", "0.0.0.0", "--port", "unix:/run/x")
        self.assertEqual(options["port"], ["tcp:1:interface=0.0.0.0", "unix:/run/x"])

    def test_bad_value_is_one_sentence_that_names_it(self) -> None:
        """Each option's bad value ends the command with a sentence, not a traceback."""
        for option, value in (
            ("port", "65536"),
            ("base-path", "files"),
            ("max-size", "much"),
            ("durability", "some"),
            ("idle-timeout", "soon"),
            ("lock-timeout", "0"),
            ("file-mode", "rw"),
            ("dir-mode", "9"),
        ):
            error = self.assertRaises(SystemExit, parsed, f"--{option}", value)
            self.assertIn(f"--{option} {value}: must be ", str(error))
            self.assertNotIn("\n", str(error))

    def test_unknown_option_and_word_are_named(self) -> None:
        """What the command does not know is an error that names it."""
        self.assertIn(
            "nonsense", str(self.assertRaises(SystemExit, parsed, "--nonsense"))
        )
        self.assertIn("serve", str(self.assertRaises(SystemExit, parsed, "serve")))

    def test_endpoint_that_is_none_is_named(self) -> None:
        """An endpoint description that Twisted does not know is one sentence."""
        directory = self.mktemp()
        options = parsed("--port", "nonsense:1", "--upload-dir", directory)
        error = self.assertRaises(SystemExit, makeService, options)
        self.assertIn("--port nonsense:1", str(error))
        self.assertFalse(os.path.exists(directory))

    def test_elsewhere_reads_no_body(self) -> None:
        """A body outside the base path is refused at its begin, never buffered."""
        service: Any = makeService(parsed("--upload-dir", self.mktemp()))
        peer = Peer(service._site)
        peer.send(sized(b"x" * 10**6)[:-1])
        self.assertEqual(peer.statuses(), [404])
        peer.lose()

    def test_making_the_service_opens_nothing(self) -> None:
        """Before startService there is no directory, no lock and no port (D12)."""
        directory = self.mktemp()
        makeService(parsed("--port", "0", "--upload-dir", directory))
        self.assertFalse(os.path.exists(directory))
