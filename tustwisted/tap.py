"""
``twistd tus``: the options of the daemon, and the service they make.

Klein and the threads of Twisted install a reactor when they are imported, so what
needs them is imported in :func:`makeService`, after ``--reactor`` had its say.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from twisted.application.service import IService
from twisted.python import usage

from tustwisted import __version__
from tustwisted.config import (
    parse_base_path,
    parse_mode,
    parse_port,
    parse_size,
    parse_time,
)
from tustwisted.store.durability import Durability

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorCore, IStreamServerEndpoint

HARD_END_S = 10.0
"""How long a stop may take before the process is ended hard (T-241)."""


class Options(usage.Options):
    """What ``twistd tus`` takes; a bad value ends it with one sentence and status 1."""

    synopsis = "[options]"
    longdesc = (
        "Serve resumable uploads by the tus protocol, version 1.0.0. Sizes take KiB, "
        "MiB, GiB or TiB; times take s, m, h or d."
    )

    # name, short name, default, meaning, how it is read
    optParameters = [  # noqa: RUF012 - usage.Options wants a list on the class
        ["host", None, "127.0.0.1", "Interface for ports that are a number alone."],
        ["upload-dir", "d", "uploads", "Directory of the uploads; made if missing."],
        ["base-path", "b", "/files/", "Path of the creation URL."],
        ["max-size", None, None, "Longest upload, such as 10GiB; no limit by default."],
        [
            "durability",
            None,
            "finish",
            "What survives a power loss: none, finish (finished uploads) or strict "
            "(every acknowledged byte).",
        ],
        ["idle-timeout", None, "60s", "End a request that sends nothing for so long."],
        ["lock-timeout", None, "20s", "Wait so long for another request's upload."],
        ["file-mode", None, "664", "Permissions of new files, less the umask."],
        ["dir-mode", None, "775", "Permissions of new directories, less the umask."],
    ]

    optFlags = [  # noqa: RUF012 - as above
        ["no-downloads", None, "Serve no uploads to GET."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["port"] = []

    def opt_port(self, port: str) -> None:
        """Port or endpoint description; may be repeated. [default: 1080]"""
        self["port"].append(port)

    opt_p = opt_port

    def opt_version(self) -> None:
        """Show the version of tustwisted and exit."""
        print(f"tustwisted {__version__}")  # noqa: T201 - what was asked for
        sys.exit(0)

    def parseArgs(self, *args: str) -> None:
        """Take no words beside the options."""
        if args:
            raise usage.UsageError(f"{args[0]} is no option: see --help")

    def postOptions(self) -> None:
        """Read every value, so that a bad one is known before anything is opened."""
        read: list[tuple[str, Callable[[str], object]]] = [
            ("base-path", parse_base_path),
            ("max-size", parse_size),
            ("durability", _parse_durability),
            ("idle-timeout", parse_time),
            ("lock-timeout", parse_time),
            ("file-mode", parse_mode),
            ("dir-mode", parse_mode),
        ]
        for name, parse in read:
            if self[name] is not None:
                self[name] = self._read(name, parse)
        self["port"] = [
            self._try("port", port, lambda text: parse_port(text, self["host"]))
            for port in self["port"] or ["1080"]
        ]

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """
        Parse, and say what is wrong in one sentence.

        :raises SystemExit: instead of UsageError, for which ``twistd`` would print
            all its options before the sentence.
        """
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            program = os.path.basename(sys.argv[0])
            raise SystemExit(f"{program} tus: {error}") from error

    def _read(self, name: str, parse: Callable[[str], object]) -> object:
        return self._try(name, self[name], parse)

    @staticmethod
    def _try(name: str, text: str, parse: Callable[[str], object]) -> object:
        try:
            return parse(text)
        except ValueError as error:
            raise usage.UsageError(f"--{name} {text}: {error}") from error


def _parse_durability(text: str) -> Durability:
    try:
        return Durability(text)
    except ValueError:
        raise ValueError("must be none, finish or strict") from None


def makeService(options: Options) -> IService:
    """
    Make the daemon that the options describe; opens nothing.

    :raises SystemExit: a port is no endpoint description that Twisted knows.
    """
    from twisted.internet import reactor

    from tustwisted.daemon import DaemonService
    from tustwisted.service import UploadsService
    from tustwisted.web.drain import DrainingSite
    from tustwisted.web.resource import TusResource, below
    from tustwisted.web.settings import WebSettings
    from tustwisted.web.wants import everything

    uploads = UploadsService.in_directory(
        reactor,
        options["upload-dir"],
        durability=options["durability"],
        file_mode=options["file-mode"],
        dir_mode=options["dir-mode"],
        max_size_bytes=options["max-size"],
        lock_timeout_s=options["lock-timeout"],
    )
    _allow_many_descriptors()
    settings = WebSettings(downloads=not options["no-downloads"])
    site = DrainingSite(
        below(options["base-path"], TusResource(uploads.uploads, settings)),
        wants=everything,  # beside the base path, too: what is refused is not kept
        idle_timeout_s=options["idle-timeout"],
        reactor=reactor,
    )
    return DaemonService(
        clock=reactor,
        uploads=uploads,
        site=site,
        endpoints=[_endpoint(reactor, port) for port in options["port"]],
        base_path=options["base-path"],
        directory=options["upload-dir"],
        end_hard_in_time=_end_hard_after_grace,
        failed=reactor.stop,
    )


def _allow_many_descriptors() -> None:
    """
    Take all descriptors that the system grants.

    The usual 1024 are a limit for programs that use ``select``; a download has two.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS says "unlimited" and does not mean it
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _endpoint(reactor: IReactorCore, port: str) -> tuple[str, IStreamServerEndpoint]:
    from twisted.internet.endpoints import serverFromString

    scheme = "https" if port.startswith(("ssl:", "tls:")) else "http"
    try:
        return scheme, serverFromString(reactor, port)
    except Exception as error:
        # The parsers, some of them plugins, raise what they like: an IndexError when
        # systemd has no such socket, an OSError when a certificate is missing.
        raise SystemExit(
            f"tustwisted: --port {port}: is no port and no endpoint description that "
            f"can be used ({error})"
        ) from error


def _end_hard_after_grace() -> Callable[[], None]:
    """End the process although a thread hangs on a disk that never answers (D12)."""
    timer = threading.Timer(HARD_END_S, os._exit, [1])
    timer.daemon = True
    timer.start()
    return timer.cancel
