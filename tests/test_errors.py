"""Tests for :mod:`tustwisted.errors`."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from tustwisted import errors
from tustwisted.errors import CannotStart, InvalidHeader, TusError
from tustwisted.protocol.answers import HttpAnswer

EXAMPLES: dict[type[TusError], dict[str, object]] = {
    errors.UnsupportedVersion: {"received": "0.2.2"},
    errors.MethodNotAllowed: {"allowed": ("HEAD", "PATCH", "OPTIONS")},
    errors.InvalidContentType: {},
    errors.InvalidHost: {},
    errors.UnknownTransferCoding: {},
    errors.UnmetExpectation: {},
    errors.InvalidHeader: {"header": "Upload-Other", "problem": "is missing"},
    errors.InvalidOffset: {"header": "Upload-Offset", "problem": "is missing"},
    errors.InvalidUploadLength: {"header": "Upload-Length", "problem": "is missing"},
    errors.InvalidMetadata: {"header": "Upload-Metadata", "problem": "is odd"},
    errors.InvalidDeferLength: {"header": "Upload-Defer-Length", "problem": "is odd"},
    errors.InvalidConcat: {"header": "Upload-Concat", "problem": "is odd"},
    errors.InvalidChecksum: {"header": "Upload-Checksum", "problem": "is missing"},
    errors.UnsupportedChecksum: {"offered": ("sha1", "md5")},
    errors.OriginNotAllowed: {},
    errors.AmbiguousUploadLength: {},
    errors.ExtensionDisabled: {"extension": "creation-defer-length"},
    errors.UnsatisfiableRange: {"length": 1024},
    errors.PreconditionFailed: {},
    errors.UploadNotFound: {},
    errors.UploadExpired: {},
    errors.UploadNotFinished: {},
    errors.ChecksumMismatch: {},
    errors.UploadExists: {"upload_id": "users/7/film.mp4"},
    errors.ModifyFinal: {},
    errors.OffsetConflict: {"stored": 70, "asked": 7},
    errors.UploadTooLarge: {"max_size_bytes": 1024},
    errors.UploadSizeExceeded: {"length": 1024},
    errors.UploadLocked: {"waited_s": 20.0},
    errors.UploadInterrupted: {},
    errors.LockLost: {},
    errors.LocksUnavailable: {},
    errors.ServerShutdown: {},
    errors.ReadTimeout: {"idle_s": 60.0},
    errors.NoSpace: {},
    errors.StorageFailed: {},
    errors.HookRefusal: {"response": HttpAnswer(402)},
    errors.AccessDenied: {"response": HttpAnswer(401)},
    errors.UploadRejected: {"response": HttpAnswer(402)},
    errors.TerminationRejected: {"response": HttpAnswer()},
    errors.UploadStopped: {"response": HttpAnswer()},
    errors.FinishRejected: {"response": HttpAnswer(), "upload_id": "film.mp4"},
    errors.HookFailed: {},
    errors.EventsWaiting: {},
    errors.FinishFailed: {"upload_id": "users/7/film.mp4"},
}
"""Every error that a request can end with, and facts to build it from."""

STARTING: dict[type[CannotStart], dict[str, object]] = {
    errors.StoreUnusable: {"directory": "/srv/uploads", "problem": "is read-only"},
    errors.PlaceUnusable: {"directory": "/srv/done", "problem": "permission denied"},
    errors.DirectoryInUse: {"directory": "/srv/uploads"},
    errors.OtherLocker: {"directory": "/srv/uploads", "locker": "memory"},
    errors.LockerUnusable: {"directory": "/srv/uploads", "problem": "needs Linux"},
    errors.HookUnusable: {"option": "--hooks-dir h", "problem": "is no directory"},
    errors.CannotListen: {
        "address": "tcp:80",
        "problem": "permission denied",
        "option": "port",
    },
}
"""Every error that keeps the daemon from starting; the operator reads these."""

SECRET_PATH = "/srv/uploads/24e533e0"


def _below(root: type[Exception]) -> set[type[Exception]]:
    """Return the types of the module that inherit from the given one."""
    return {
        found
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, root) and found is not root
    }


class TusErrorTests(SynchronousTestCase):
    """What an upload request can fail with."""

    def test_every_type_is_tested(self) -> None:
        """Every error of a request has a row in the table above."""
        self.assertEqual(_below(TusError), set(EXAMPLES))

    def test_facts(self) -> None:
        """An error carries its facts as attributes."""
        for kind, facts in EXAMPLES.items():
            error = kind(**facts)
            for name, value in facts.items():
                self.assertEqual(getattr(error, name), value, kind)

    def test_facts_in_order(self) -> None:
        """An error takes its facts by position as well, in the order written."""
        for kind, facts in EXAMPLES.items():
            self.assertEqual(vars(kind(*facts.values())), facts, kind)

    def test_sentence(self) -> None:
        """An error is one sentence of printable ASCII on one line (T-265)."""
        for kind, facts in EXAMPLES.items():
            text = str(kind(**facts))
            self.assertRegex(text, r"\A[A-Za-z][\x20-\x7e]+[A-Za-z0-9]\Z", kind)
            self.assertNotRegex(text, r"[.!?;] ", kind)

    def test_own_sentence(self) -> None:
        """No two kinds of error say the same (T-265)."""
        texts = {str(kind(**facts)) for kind, facts in EXAMPLES.items()}
        self.assertEqual(len(texts), len(EXAMPLES))

    def test_no_path(self) -> None:
        """The sentence of an error names no file and no id (T-266)."""
        for kind, facts in EXAMPLES.items():
            text = str(kind(**facts))
            self.assertIsNone(re.search(r"(^|[\s'\"=])[/~]", text), text)
            self.assertNotIn("film", text)

    def test_cause_is_not_told(self) -> None:
        """The sentence does not tell what the error was raised from (T-266)."""
        for kind, facts in EXAMPLES.items():
            with self.assertRaises(TusError) as caught:
                try:
                    raise OSError(28, "No space left on device", SECRET_PATH)
                except OSError as below:
                    raise kind(**facts) from below
            self.assertIsInstance(caught.exception.__cause__, OSError)
            self.assertEqual(str(caught.exception), str(kind(**facts)))
            self.assertNotIn(SECRET_PATH, repr(caught.exception))

    def test_received_version_is_not_told(self) -> None:
        """A version that a client sent is kept as a fact, not repeated (T-266)."""
        error = errors.UnsupportedVersion("1.0\r\nSet-Cookie: a")
        self.assertEqual(error.received, "1.0\r\nSet-Cookie: a")
        self.assertEqual(str(error), "Tus-Resumable must be exactly 1.0.0")

    def test_missing_version(self) -> None:
        """A missing version is said to be missing, with the line to send (T-002)."""
        self.assertEqual(
            str(errors.UnsupportedVersion(None)),
            "Tus-Resumable is missing: send Tus-Resumable: 1.0.0",
        )

    def test_numbers_are_told(self) -> None:
        """A number that helps the client to go on is in the sentence."""
        for error, told in (
            (errors.OffsetConflict(70, 7), "at offset 70, not 7"),
            (errors.UploadTooLarge(1024), "at most 1024 bytes"),
            (errors.UploadSizeExceeded(1024), "at 1024 bytes"),
            (errors.ReadTimeout(60.0), "for 60 seconds"),
            (errors.ReadTimeout(0.5), "for 0.5 seconds"),
            (errors.MethodNotAllowed(("POST", "OPTIONS")), "takes POST, OPTIONS"),
        ):
            self.assertIn(told, str(error))

    def test_header_errors(self) -> None:
        """A header's error says which header and what is wrong with it."""
        for kind in _below(InvalidHeader):
            error = kind("Upload-Offset", "is missing")
            self.assertIsInstance(error, InvalidHeader)
            self.assertEqual(str(error), "Upload-Offset is missing")

    def test_identity(self) -> None:
        """Two errors with the same facts are two errors: each was raised once."""
        for kind, facts in EXAMPLES.items():
            error, other = kind(**facts), kind(**facts)
            self.assertNotEqual(error, other, kind)
            self.assertEqual(len({error, other, error}), 2, kind)


class CannotStartTests(SynchronousTestCase):
    """What ends the daemon before it listens."""

    def test_every_type_is_tested(self) -> None:
        """Every error of starting has a row in the table above."""
        self.assertEqual(_below(CannotStart), set(STARTING))

    def test_never_an_answer(self) -> None:
        """An error that names a directory can never be an answer to a client."""
        self.assertFalse(issubclass(CannotStart, TusError))
        self.assertFalse(_below(CannotStart) & _below(TusError))

    def test_sentence(self) -> None:
        """The operator reads one line of printable ASCII that holds every fact."""
        for kind, facts in STARTING.items():
            text = str(kind(**facts))
            self.assertRegex(text, r"\A[\x20-\x7e]+\Z", kind)
            for value in facts.values():
                self.assertIn(str(value), text)

    def test_fix(self) -> None:
        """The line tells what to do: which option to change."""
        for kind, facts in STARTING.items():
            fix = "choose another --upload-dir"
            if kind is errors.CannotListen:
                fix = "choose another --port"
            elif kind is errors.PlaceUnusable:
                fix = "choose another --finished-dir"
            elif kind is errors.HookUnusable:
                fix = "--hooks-dir h: "
            self.assertIn(fix, str(kind(**facts)))

    def test_facts(self) -> None:
        """An error carries its facts as attributes."""
        for kind, facts in STARTING.items():
            self.assertEqual(vars(kind(**facts)), facts, kind)
