"""Which namespaces this machine lets a test have: some containers allow none."""

from __future__ import annotations

import subprocess
import tempfile
from functools import cache

from twisted.trial.unittest import SkipTest

OVERLAY = """
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
"""


def need_mounts(*as_whom: str) -> None:
    """
    Skip the test that runs where a process may not have mounts of its own.

    :param as_whom: ``"-r"``: as the root of a namespace of users, else as who we are.
    """
    if not _may("unshare", "--mount", *as_whom, "true"):
        raise SkipTest("this machine lets nobody have mounts of his own")


def need_overlays() -> None:
    """Skip the test that runs where no file system may be laid over another one."""
    need_mounts()
    with tempfile.TemporaryDirectory() as place:
        if not _may("unshare", "--mount", "sh", "-euc", OVERLAY, "sh", place):
            raise SkipTest("this machine lets nobody lay a file system over another")


@cache
def _may(*command: str) -> bool:
    done = subprocess.run(command, capture_output=True, check=False, timeout=30)
    return done.returncode == 0
