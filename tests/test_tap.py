"""The options of ``twistd tus`` and the service they make."""

from __future__ import annotations

import os
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer_only
from zope.interface.verify import verifyObject

from tests.config.support import parsed, settings
from tests.web.harness import Peer, sized
from tustwisted.interfaces import IDataStore, IDisk
from tustwisted.lock.directory import LockerKind
from tustwisted.protocol.expiration import Expiration
from tustwisted.protocol.extensions import Extension
from tustwisted.store.durability import Durability
from tustwisted.store.memory import MemoryStore
from tustwisted.tap import makeService


def make_store(directory: str, disk: IDisk) -> MemoryStore:
    """Make a store that shows what it was made with."""
    assert verifyObject(IDisk, disk)
    return MemoryStore(capacity_bytes=len(directory))


@implementer_only(IDataStore)
class Lasting(MemoryStore):
    """A store that cannot be swept."""


def make_lasting(directory: str, disk: IDisk) -> Lasting:
    """Make such a store."""
    return Lasting()


class OptionsTests(SynchronousTestCase):
    """What the command line means."""

    def test_defaults(self) -> None:
        """Without options it serves on loopback and stores beside it."""
        options = settings()
        self.assertEqual(options.endpoints, ["tcp:1080:interface=127.0.0.1"])
        self.assertEqual(options.upload_dir, "uploads")
        self.assertEqual(options.base_path, "/files/")
        self.assertIs(options.max_size, None)
        self.assertIs(options.durability, Durability.FINISH)
        self.assertEqual(options.idle_timeout, 60)
        self.assertEqual(options.lock_timeout, 20)
        self.assertIs(options.chosen_locker, LockerKind.FILE)
        self.assertEqual(options.lock_ttl, 10)
        self.assertIs(options.expire_after, None)
        self.assertIs(options.expire_finished_after, None)
        self.assertEqual(options.file_mode, 0o664)
        self.assertEqual(options.dir_mode, 0o775)
        self.assertIs(options.store, None)
        self.assertTrue(options.downloads)

    def test_ports_add_up(self) -> None:
        """--port may be repeated, before or after the --host it means."""
        options = settings("-p", "1", "--host", "0.0.0.0", "--port", "unix:/run/x")
        self.assertEqual(options.endpoints, ["tcp:1:interface=0.0.0.0", "unix:/run/x"])

    def test_extensions_can_be_switched_off(self) -> None:
        """--disable names an extension that is not offered; it may be repeated."""
        self.assertEqual(settings().disable, ())
        options = parsed("--disable", "termination", "--disable", "checksum")
        expected = (Extension.TERMINATION, Extension.CHECKSUM)
        self.assertEqual(options.reading.settings.disable, expected)
        service: Any = makeService(options)
        offered = service._uploads.uploads.extensions
        self.assertNotIn(Extension.TERMINATION, offered)
        self.assertNotIn(Extension.CHECKSUM_TRAILER, offered)
        self.assertIn(Extension.CREATION, offered)

    def test_bad_value_is_one_sentence_that_names_it(self) -> None:
        """Each option's bad value ends the command with a sentence, not a traceback."""
        for option, value in (
            ("port", "65536"),
            ("base-path", "files"),
            ("max-size", "much"),
            ("durability", "some"),
            ("idle-timeout", "soon"),
            ("lock-timeout", "0"),
            ("locker", "mutex"),
            ("expire-after", "never"),
            ("expire-finished-after", "0d"),
            ("file-mode", "rw"),
            ("dir-mode", "9"),
            ("store", "a.b.c"),
            ("disable", "everything"),
        ):
            error = self.assertRaises(SystemExit, parsed, f"--{option}", value)
            self.assertIn(f"--{option} {value}: must be ", str(error))
            self.assertNotIn("\n", str(error))

    def test_lockers(self) -> None:
        """--locker names a locker; a store of one's own is not shared unasked."""
        self.assertIs(settings("--locker", "memory").locker, LockerKind.MEMORY)
        redis = ("--locker", "redis://me:secret@host/3")
        locker = settings(*redis, "--lock-ttl", "5s").locker
        self.assertEqual(str(locker), "redis://host:6379/3")
        self.assertEqual(settings(*redis, "--lock-ttl", "5s").lock_ttl, 5)
        self.assertIs(settings("--store", "a:b").chosen_locker, LockerKind.MEMORY)
        shared = settings("--store", "a:b", "--locker", "file")
        self.assertIs(shared.chosen_locker, LockerKind.FILE)

    def test_bad_lockers(self) -> None:
        """An address is not repeated: a password may be in it; a lease has limits."""
        for words, told in (
            (["--locker", "redis://:secret@"], "--locker: the host is missing"),
            (["--locker", "http://:secret@host"], "--locker: it must be redis://"),
            (["--lock-ttl", "5s"], "--lock-ttl: means nothing without --locker redis"),
            (["--locker", "redis://host", "--lock-ttl", "0.5s"], "must be a time from"),
        ):
            error = self.assertRaises(SystemExit, parsed, *words)
            self.assertIn(told, str(error))
            self.assertNotIn("secret", str(error))

    def test_what_a_store_of_ones_own_does_not_understand(self) -> None:
        """Options of the store of files are refused beside --store, not ignored."""
        for option, value in (
            ("durability", "finish"),
            ("file-mode", "664"),
            ("dir-mode", "775"),
        ):
            words = ("--store", "a:b", f"--{option}", value)
            error = self.assertRaises(SystemExit, parsed, *words)
            self.assertIn(f"--{option}: means nothing to --store", str(error))

    def test_store_of_ones_own(self) -> None:
        """--store makes the store, and what it provides is what is offered (D9)."""
        service: Any = makeService(parsed("--store", "tests.test_tap:make_store"))
        uploads = service._uploads.uploads
        self.assertIsInstance(uploads.store, MemoryStore)
        self.assertEqual(uploads.store.capacity_bytes, len("uploads"))

    def test_store_in_which_nothing_expires(self) -> None:
        """What --expire-after asks of a store that cannot do it is refused."""
        for option in ("expire-after", "expire-finished-after"):
            words = ("--store", "tests.test_tap:make_lasting", f"--{option}", "1h")
            error = self.assertRaises(SystemExit, makeService, parsed(*words))
            self.assertRegex(str(error), f"^tustwisted: --{option}: .* cannot be swept")
            words = ("--store", "tests.test_tap:make_store", f"--{option}", "1h")
            makeService(parsed(*words))

    def test_store_that_cannot_be_made_is_named(self) -> None:
        """A factory that is not there ends the command with one sentence."""
        options = parsed("--store", "tests.test_tap:nobody")
        error = self.assertRaises(SystemExit, makeService, options)
        self.assertEqual(
            str(error),
            "tustwisted: --store tests.test_tap:nobody: tests.test_tap has no nobody",
        )

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

    def test_ages_reach_the_uploads(self) -> None:
        """The ages are those of unfinished and of finished uploads (T-160)."""
        words = ("--expire-after", "24h", "--expire-finished-after", "30d")
        service: Any = makeService(parsed(*words, "--upload-dir", self.mktemp()))
        self.assertEqual(
            service._uploads.uploads.expiration, Expiration(86400, 30 * 86400)
        )

    def test_making_the_service_opens_nothing(self) -> None:
        """Before startService there is no directory, no lock and no port (D12)."""
        directory = self.mktemp()
        makeService(parsed("--port", "0", "--upload-dir", directory))
        self.assertFalse(os.path.exists(directory))
