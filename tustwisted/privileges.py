"""
What ``twistd`` takes away from a process before the daemon starts, and what that needs.

``--chroot`` and ``--uid`` come after the service was made, and may leave it without the
files of Python.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, Final

LATE: Final = (
    "encodings.ascii",
    "encodings.utf_8_sig",  # of token files
    "encodings.idna",  # of host names, by socket.getaddrinfo
)
"""What Python would import in the middle of a request, or of the start."""

LATE_IF_INSTALLED: Final = (
    "cryptography.hazmat.backends.openssl.backend",  # of the keys of JSON Web Tokens
)


def import_early() -> None:
    """Import it, as long as it can be found; harmless when done twice."""
    for name in LATE:
        import_module(name)
    for name in LATE_IF_INSTALLED:
        with suppress(ImportError):
            import_module(name)


def check_chroot(runner: Mapping[str, Any] | None, workers: int) -> None:
    """
    See that the daemon can live below the directory of ``--chroot``.

    :param runner: the options of ``twistd``.
    :param workers: how many processes serve.
    :raises SystemExit: it cannot.
    """
    jail = None if runner is None else runner.get("chroot")
    if runner is None or jail is None:
        return
    if workers > 1:
        raise SystemExit(
            f"tustwisted: --workers {workers}: there is no Python below --chroot "
            f"{jail} to start them with; omit one of them"
        )
    null = os.path.join(jail, "dev", "null")
    if not os.path.exists(null):
        raise SystemExit(
            f"tustwisted: --chroot {jail}: it must have a dev/null (mkdir -p "
            f"{os.path.dirname(null)}; mknod -m 666 {null} c 1 3)"
        )
    uid = runner.get("uid")
    users = os.path.join(jail, "etc", "passwd")
    if uid is not None and not _is_user(uid, users):
        raise SystemExit(
            f"tustwisted: --chroot {jail}: it must know the user of --uid {uid} "
            f"(mkdir -p {os.path.dirname(users)}; getent passwd {uid} >> {users})"
        )


def _is_user(uid: int, users: str) -> bool:
    """Look a user up in a file as ``/etc/passwd``, where his number is the third."""
    with suppress(OSError), open(users, encoding="utf-8", errors="replace") as file:
        return any(line.split(":")[2:3] == [str(uid)] for line in file)
    return False
