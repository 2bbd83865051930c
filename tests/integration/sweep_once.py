"""
A program that sweeps a directory once, with leftovers of any age, and says what it did.

Its argument is the directory; nobody else may be using it.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from tustwisted.service import UploadsService


async def sweep(reactor: Any, directory: str) -> None:
    """Sweep, and print the counts."""
    service = UploadsService.in_directory(reactor, directory)
    await service.start()
    print(await service.uploads.sweep(leftover_age_s=0))  # noqa: T201
    await service.stop()


react(lambda reactor: Deferred.fromCoroutine(sweep(reactor, sys.argv[1])))
