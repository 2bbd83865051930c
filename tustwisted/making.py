"""
What the options of ``twistd tus`` are made into.

Imports what may install a reactor, so it is imported when there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IStreamServerEndpoint

from tustwisted.abilities import ISweeps
from tustwisted.accessoptions import asks_who, make_access_hooks
from tustwisted.daemon import DaemonService
from tustwisted.disk import Disk
from tustwisted.hookmaking import make_hook_settings, make_hooks
from tustwisted.lockers import make_locker
from tustwisted.process import HARD_END_S, allow_many_descriptors, end_hard_after
from tustwisted.service import UploadsService
from tustwisted.store.named import make_named_store
from tustwisted.tap import Options
from tustwisted.web.drain import DrainingSite
from tustwisted.web.resource import TusResource, below
from tustwisted.web.wants import everything
from tustwisted.workers.role import WorkerRole


def make_daemon(
    reactor: Any,
    options: Options,
    *,
    failed: Callable[[], None],
    listening: Any = None,
    role: WorkerRole | None = None,
    serves: Callable[[], None] | None = None,
    counted: Callable[[int], None] = lambda _: None,
) -> DaemonService:
    """
    Make what serves in this process; most parameters are for a worker.

    :param failed: called when a start fails later than at once.
    :param listening: what makes the ports; by default the reactor.
    :param role: which of several workers this is.
    :param serves: called when it serves, instead of saying so in the log.
    :param counted: called with the number of connections whenever that changes.
    :raises SystemExit: see :func:`tustwisted.tap.makeService`.
    """
    uploads = make_uploads(reactor, options)
    allow_many_descriptors()
    web = options["web"]
    site = DrainingSite(
        below(options["base-path"], TusResource(uploads.uploads, web), web.cors),
        wants=everything,  # beside the base path, too: what is refused is not kept
        idle_timeout_s=options["idle-timeout"],
        header_limits=options["header-limits"],
        reactor=reactor,
        counted=counted,
    )
    return DaemonService(
        clock=reactor,
        uploads=uploads,
        site=site,
        endpoints=[
            make_endpoint(listening or reactor, port) for port in options["port"]
        ],
        base_path=options["base-path"],
        directory=options["upload-dir"],
        store_name=options["store"],
        is_open=not asks_who(options),
        end_hard_in_time=partial(end_hard_after, HARD_END_S),
        failed=failed,
        serves=serves,
        recovers=role is None or role.is_restart,
    )


def make_uploads(reactor: object, options: Options) -> UploadsService:
    """
    Make the uploads of this process.

    :raises SystemExit: the store, or a hook, that is asked for cannot be made.
    """
    directory, name = options["upload-dir"], options["store"]
    rules: dict[str, Any] = {
        "locker": make_locker(
            reactor, options["locker"], directory, options["lock-ttl"]
        ),
        "max_size_bytes": options["max-size"],
        "lock_timeout_s": options["lock-timeout"],
        # Who asks is judged before anybody is asked what he may do.
        "hooks": [
            *make_access_hooks(reactor, options),
            *make_hooks(reactor, options),
        ],
        "hook_settings": make_hook_settings(options),
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
            placing=options["placing"],
            finished_directory=options["finished-dir"],
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


def make_endpoint(reactor: Any, port: str) -> tuple[str, IStreamServerEndpoint]:
    """
    Make what listens, and tell the scheme of its URLs.

    :param port: an endpoint description.
    :raises SystemExit: Twisted does not know it.
    """
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
