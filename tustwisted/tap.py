"""
``twistd tus``: the options of the daemon, and the service they make.

Klein and the threads of Twisted install a reactor when they are imported, so what
needs them is imported in :func:`makeService`, after ``--reactor`` had its say.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial

from twisted.application.service import IService
from twisted.python import usage

from tustwisted import __version__
from tustwisted.accessoptions import AccessOptions
from tustwisted.config import (
    parse_base_path,
    parse_mode,
    parse_port,
    parse_size,
    parse_time,
)
from tustwisted.hookoptions import HookOptions
from tustwisted.lockoptions import LockOptions
from tustwisted.named import check_name
from tustwisted.options import tried
from tustwisted.placeoptions import PlaceOptions
from tustwisted.protocol.extensions import Extension
from tustwisted.store.durability import Durability
from tustwisted.weboptions import WebOptions
from tustwisted.workers.options import check_workers, parse_workers

OF_FILE_STORE = {"durability": Durability.FINISH, "file-mode": 0o664, "dir-mode": 0o775}
"""Options that the store of files alone understands, and their defaults."""


class Options(AccessOptions, HookOptions, PlaceOptions, WebOptions, LockOptions):
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
            None,
            "What survives a power loss: none, finish (finished uploads) or strict "
            "(every acknowledged byte). [default: finish]",
        ],
        ["idle-timeout", None, "60s", "End a request that sends nothing for so long."],
        [
            "expire-after",
            None,
            None,
            "Remove an unfinished upload so long after its last byte, such as 24h; "
            "never by default.",
        ],
        [
            "expire-finished-after",
            None,
            None,
            "Remove a finished one, too, such as 30d; never by default.",
        ],
        [
            "file-mode",
            None,
            None,
            "Permissions of new files, less the umask. [default: 664]",
        ],
        [
            "dir-mode",
            None,
            None,
            "Permissions of new directories, less the umask. [default: 775]",
        ],
        ["workers", None, "1", "Serve with so many processes, at most 64."],
        [
            "store",
            None,
            None,
            "Keep uploads in a store of your own: package.module:factory, which is "
            "called with the upload directory and an IDisk.",
        ],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["port"] = []
        self["disable"] = []
        self.words: Sequence[str] = ()

    def opt_port(self, port: str) -> None:
        """Port or endpoint description; may be repeated. [default: 1080]"""
        self["port"].append(port)

    opt_p = opt_port

    def opt_disable(self, extension: str) -> None:
        """Do not offer this extension of tus, such as termination; may be repeated."""
        self["disable"].append(extension)

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
        super().postOptions()
        read: list[tuple[str, Callable[[str], object]]] = [
            ("base-path", parse_base_path),
            ("max-size", parse_size),
            ("durability", _parse_durability),
            ("idle-timeout", parse_time),
            ("expire-after", parse_time),
            ("expire-finished-after", parse_time),
            ("file-mode", parse_mode),
            ("dir-mode", parse_mode),
            ("workers", parse_workers),
            ("store", check_name),
        ]
        for name, parse in read:
            if self[name] is not None:
                self[name] = self._read(name, parse)
        for name, default in OF_FILE_STORE.items():
            if self[name] is None:
                self[name] = default
            elif self["store"] is not None:
                raise usage.UsageError(f"--{name} means nothing to --store: omit it")
        self["disable"] = [
            tried("disable", name, _parse_extension) for name in self["disable"]
        ]
        self["port"] = [
            tried("port", port, lambda text: parse_port(text, self["host"]))
            for port in self["port"] or ["1080"]
        ]
        check_workers(self)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """
        Parse, and say what is wrong in one sentence.

        :raises SystemExit: instead of UsageError, for which ``twistd`` would print
            all its options before the sentence.
        """
        self.words = sys.argv[1:] if options is None else options
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            program = os.path.basename(sys.argv[0])
            raise SystemExit(f"{program} tus: {error}") from error

    def _read(self, name: str, parse: Callable[[str], object]) -> object:
        return tried(name, self[name], parse)


def _parse_durability(text: str) -> Durability:
    try:
        return Durability(text)
    except ValueError:
        raise ValueError("must be none, finish or strict") from None


def _parse_extension(text: str) -> Extension:
    try:
        return Extension(text)
    except ValueError:
        names = ", ".join(extension.value for extension in Extension)
        raise ValueError(f"must be one of {names}") from None


def makeService(options: Options) -> IService:
    """
    Make the daemon that the options describe; opens nothing.

    :raises SystemExit: a port is no endpoint description that Twisted knows, or the
        store that is asked for cannot be made.
    """
    from twisted.internet import reactor

    from tustwisted.making import make_daemon
    from tustwisted.process import end_failed

    failed = partial(end_failed, reactor)
    if options["workers"] > 1:
        from tustwisted.workers.wiring import make_supervisor

        return make_supervisor(reactor, options, failed)
    return make_daemon(reactor, options, failed=failed)
