"""
``twistd tus``: the options of the daemon, and the service they make.

Klein and the threads of Twisted install a reactor when they are imported, so what
needs them is imported in :func:`makeService`, after ``--reactor`` had its say.
"""

from __future__ import annotations

import atexit
import os
import resource
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from twisted.application.service import IService
from twisted.python import usage

from tustwisted import __version__
from tustwisted.abilities import ISweeps
from tustwisted.config import (
    parse_base_path,
    parse_mode,
    parse_port,
    parse_size,
    parse_time,
)
from tustwisted.lockoptions import LockOptions
from tustwisted.options import tried
from tustwisted.protocol.extensions import Extension
from tustwisted.store.durability import Durability
from tustwisted.store.named import check_name, make_named_store
from tustwisted.weboptions import WebOptions

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorCore, IStreamServerEndpoint

    from tustwisted.service import UploadsService

HARD_END_S = 10.0
"""How long a stop may take before the process is ended hard (T-241)."""

OF_FILE_STORE = {"durability": Durability.FINISH, "file-mode": 0o664, "dir-mode": 0o775}
"""Options that the store of files alone understands, and their defaults."""


class Options(WebOptions, LockOptions):
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

    from tustwisted.daemon import DaemonService
    from tustwisted.web.drain import DrainingSite
    from tustwisted.web.resource import TusResource, below
    from tustwisted.web.wants import everything

    uploads = _uploads(reactor, options)
    _allow_many_descriptors()
    web = options["web"]
    site = DrainingSite(
        below(options["base-path"], TusResource(uploads.uploads, web), web.cors),
        wants=everything,  # beside the base path, too: what is refused is not kept
        idle_timeout_s=options["idle-timeout"],
        header_limits=options["header-limits"],
        reactor=reactor,
    )
    return DaemonService(
        clock=reactor,
        uploads=uploads,
        site=site,
        endpoints=[_endpoint(reactor, port) for port in options["port"]],
        base_path=options["base-path"],
        directory=options["upload-dir"],
        store_name=options["store"],
        end_hard_in_time=_end_hard_after_grace,
        failed=lambda: _end_failed(reactor),
    )


def _uploads(reactor: object, options: Options) -> UploadsService:
    from tustwisted.disk import Disk
    from tustwisted.lockers import make_locker
    from tustwisted.service import UploadsService

    directory, name = options["upload-dir"], options["store"]
    rules: dict[str, Any] = {
        "locker": make_locker(
            reactor, options["locker"], directory, options["lock-ttl"]
        ),
        "max_size_bytes": options["max-size"],
        "lock_timeout_s": options["lock-timeout"],
        "switched_off": options["disable"],
        "expire_after_s": options["expire-after"],
        "expire_finished_after_s": options["expire-finished-after"],
    }
    if name is None:
        return UploadsService.in_directory(
            reactor,
            directory,
            durability=options["durability"],
            file_mode=options["file-mode"],
            dir_mode=options["dir-mode"],
            **rules,
        )
    disk = Disk(reactor)  # type: ignore[arg-type] # typed as what all reactors have
    try:
        store = make_named_store(name, directory, disk)
    except ValueError as error:
        raise SystemExit(f"tustwisted: --store {name}: {error}") from error
    for option in ("expire-after", "expire-finished-after"):
        if options[option] is not None and not ISweeps.providedBy(store):
            raise SystemExit(
                f"tustwisted: --{option}: {name} makes a store that cannot be swept, "
                "so nothing in it expires: omit it"
            )
    return UploadsService.with_store(reactor, store, disk, directory, **rules)


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


def _end_failed(reactor: IReactorCore) -> None:
    """
    End the process with status 1, when whoever runs the reactor has cleaned up.

    ``twistd`` knows no status for what fails after the reactor has begun to run.
    """
    atexit.register(_exit_failed)
    reactor.stop()


def _exit_failed() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _end_hard_after_grace() -> Callable[[], None]:
    """End the process although a thread hangs on a disk that never answers (D12)."""
    timer = threading.Timer(HARD_END_S, os._exit, [1])
    timer.daemon = True
    timer.start()
    return timer.cancel
