"""What is uploaded: bytes that are cheap to make and never repeat, with their hash."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable
from pathlib import Path

from tests.integration.raw import LIMIT_S

MIB = 1024 * 1024


def make_bytes(size: int, seed: int) -> bytes:
    """Return the same bytes for the same seed."""
    return random.Random(seed).randbytes(size)


def make_file(path: Path, size: int, seed: int) -> str:
    """Write such bytes into a file and return their hash; a whole number of MiB."""
    source, digest = random.Random(seed), hashlib.sha256()
    with open(path, "wb") as file:
        for _ in range(size // MIB):
            piece = source.randbytes(MIB)
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def hash_of(path: Path) -> str:
    """Hash a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Running(threading.Thread):
    """
    A blocking call in a thread, for clients that know no timeout.

    A call that never ends keeps nobody waiting but the test that it fails.
    """

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Make the call, in the thread."""
        try:
            self._call()
        except BaseException as error:
            self._error = error

    def done(self, limit_s: float = LIMIT_S) -> None:
        """Wait for its end; what it raised is raised here."""
        self.join(limit_s)
        if self.is_alive():
            raise AssertionError(f"a client is not done after {limit_s:g} s")
        if self._error is not None:
            raise self._error
