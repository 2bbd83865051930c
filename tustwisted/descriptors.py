"""
How many connections a process has descriptors for.

All that is open has a descriptor: a connection, a file, a pipe.  They are counted here
at their worst, so that none is missing in the middle of an upload.
"""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import Final

from attrs import frozen

EACH: Final = 3
"""
Of a connection: itself, and the two files of uploads that are put together; or the one
of an upload, and the socket once more while it is spliced.
"""

LEASED: Final = 1
"""One more where uploads are leased: what keeps who lost his lease from the upload."""

ALWAYS: Final = 64
"""
A daemon at rest has 14 open; its sixteen threads have two each for a moment, and five
pipes may lie ready: for the reactor, and for each thread that writes.
"""

OTHERS: Final = 16
"""Other daemons in the same directory, and workers that take the place of others."""

PROGRAM: Final = 3
"""Of a program that runs: the pipes of its input, output and errors."""

STARTING: Final = 5
"""While one is started: the other ends of these, and a pipe that tells how it went."""

REDIS: Final = 4
"""For one of its users: two connections, and two that are made in their place."""

RESOLVING: Final = 20
"""While names are looked up: ten threads, each with a file or a socket or both."""

ADMIN: Final = 18
"""Of an admin port: itself, who asks there, and one more who is sent away."""


@frozen
class Beside:
    """
    What a process has open beside its connections and their files.

    :param ports: on which it listens.
    :param workers: how many processes serve.
    :param programs: how many may run at the same time.
    :param calls: how many may be made by HTTP at the same time.
    :param redis: connections to a Redis.
    :param has_admin_port: operators ask here.
    """

    ports: int = 1
    workers: int = 1
    programs: int = 0
    calls: int = 0
    redis: int = 0
    has_admin_port: bool = False

    @property
    def descriptors(self) -> int:
        """How many that are at most."""
        programs = self.programs and self.programs * PROGRAM + STARTING
        asking = self.calls + self.redis
        resolving = RESOLVING if asking else 0
        known = (
            self.ports
            + self.workers
            + self.has_admin_port * ADMIN
            + programs
            + asking
            + resolving
        )
        return ALWAYS + OTHERS + known


def most_connections(
    asked: int | None, limit: int, beside: Beside, is_leased: bool = False
) -> int:
    """
    Tell how many connections a process may have.

    :param asked: how many it should be able to have; ``None``: as many as possible.
    :param limit: how many descriptors it may have.
    :param is_leased: see :data:`LEASED`.
    :raises ValueError: there are too few descriptors for that; it names both numbers,
        and what to do.
    """
    each = EACH + is_leased * LEASED
    room = (limit - beside.descriptors) // each
    wanted = 1 if asked is None else asked
    if wanted <= room:
        return room if asked is None else asked
    needed = beside.descriptors + wanted * each
    lower = "" if room < 1 else f"at most {room}, or "
    what = "even one connection needs" if asked is None else "so many connections need"
    raise ValueError(
        f"{what} {needed} descriptors, and this process may have {limit}: {lower}raise "
        f"the limit (LimitNOFILE={needed} in the unit, or ulimit -n {needed} in the "
        "shell)"
    )


def take_descriptors() -> int:
    """
    Take all descriptors that the system grants, and tell how many that are.

    The usual 1024 are a limit for programs that use ``select``.
    """
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS says "unlimited" and does not mean it
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        now = most
    return _UNLIMITED if now == resource.RLIM_INFINITY else now


_UNLIMITED: Final = 2**20
"""As many as Linux gives a process at most, unless ``fs.nr_open`` says otherwise."""
