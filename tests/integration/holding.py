"""
Does for a daemon what systemd does with a socket unit, as a program of its own.

``systemd-socket-activate ... python -m tests.integration.holding COMMAND...`` opens the
socket and gives it to this; it keeps it, and starts one daemon after the other with it.
Each line of its input is a way to restart, and is answered by one line: when it began
and when it ended, by the machine's clock.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Final

LIMIT_S: Final = 30.0

_AS_SYSTEMD: Final = 'LISTEN_PID=$$ exec "$@"'


class Holder:
    """
    Who has the socket, and hears of the daemons.

    :param command: of a daemon.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = ("sh", "-c", _AS_SYSTEMD, "sh", *command)
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified.bind("")
        self._notified.settimeout(LIMIT_S)
        name = self._notified.getsockname()[1:].decode()
        names = ("LISTEN_FDS", "LISTEN_FDNAMES")
        self._variables = {n: os.environ[n] for n in names}
        self._variables["NOTIFY_SOCKET"] = f"@{name}"
        self._daemon = self._start()

    def plain(self) -> None:
        """Stop the daemon, then start another one: ``systemctl restart``."""
        self.stop()
        self._daemon = self._start()

    def overlap(self) -> None:
        """Start another daemon, and stop the first when that serves."""
        first, self._daemon = self._daemon, self._start()
        _stop(first)

    def stop(self) -> None:
        """Stop the daemon."""
        _stop(self._daemon)

    def _start(self) -> subprocess.Popen[bytes]:
        daemon = subprocess.Popen(
            self._command,
            env={**os.environ, **self._variables},
            stdout=sys.stderr,
            pass_fds=[3],
        )
        while b"READY=1" not in self._notified.recv(4096).split(b"\n"):
            pass
        return daemon


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    daemon.wait(LIMIT_S)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Hold, until the input ends."""
    holder = Holder(sys.argv[1:])
    _say("serves")
    try:
        for line in sys.stdin:
            began = time.monotonic()
            {"plain": holder.plain, "overlap": holder.overlap}[line.strip()]()
            _say(f"{began} {time.monotonic()}")
    finally:
        holder.stop()


if __name__ == "__main__":
    main()
