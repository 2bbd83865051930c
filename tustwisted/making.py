"""
What the settings are made into.

Imports what may install a reactor, so it is imported when there is one.  What belongs
to an admin port is imported where one is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IStreamServerEndpoint

from tustwisted.accessmaking import make_access_hooks
from tustwisted.activation import check_activation
from tustwisted.config.settings import Settings
from tustwisted.daemon import Companion, DaemonService
from tustwisted.descriptors import REDIS, Beside, most_connections, take_descriptors
from tustwisted.disk import Disk
from tustwisted.hookmaking import make_hooks
from tustwisted.hooks.rules import MOST_AT_ONCE
from tustwisted.interfaces import IHook
from tustwisted.lock.redis.url import RedisURL
from tustwisted.lockers import make_locker
from tustwisted.observing import UNOBSERVED, IObserver
from tustwisted.process import end_hard_after
from tustwisted.prompt import PromptReactor
from tustwisted.reloading import Reloading, ServingParts, check_ages
from tustwisted.renewing import RenewedEndpoint, has_certificate
from tustwisted.service import UploadsService
from tustwisted.stopping import StopTimes
from tustwisted.store.named import make_named_store
from tustwisted.systemd import Systemd
from tustwisted.uploads.uploads import Uploads
from tustwisted.web.drain import DrainingSite
from tustwisted.web.resource import TusResource, below
from tustwisted.web.wants import everything
from tustwisted.workers.inheriting import AdoptingReactor

if TYPE_CHECKING:
    from tustwisted.metrics.counting import Counting
    from tustwisted.vitals import IVitals
    from tustwisted.workers.role import WorkerRole


def make_daemon(
    reactor: Any,
    settings: Settings,
    *,
    failed: Callable[[], None],
    listening: Any = None,
    role: WorkerRole | None = None,
    serves: Callable[[], None] | None = None,
    counted: Callable[[int], None] = lambda _: None,
    show: Callable[[IVitals], Companion | None] | None = None,
    systemd: Systemd | None = None,
    read: Callable[[], Settings] | None = None,
) -> DaemonService:
    """
    Make what serves in this process; most parameters are for a worker.

    :param failed: called when a start fails later than at once.
    :param listening: what makes the ports; by default the reactor.
    :param role: which of several workers this is.
    :param serves: called when it serves, instead of saying so in the log.
    :param counted: called with the number of connections whenever that changes.
    :param show: takes what an admin port tells, if there is one, to whoever serves it;
        by default it makes the port in this process.
    :param systemd: is told how it goes.
    :param read: reads the settings again, for :meth:`DaemonService.reload`.
    :raises SystemExit: see :func:`tustwisted.tap.makeService`.
    """
    counting = None if settings.admin_port is None else _make_counting()
    uploads = make_uploads(reactor, settings, observer=counting or UNOBSERVED)
    site = _make_site(reactor, settings, uploads.uploads, counted)
    endpoints = [
        make_endpoint(listening or AdoptingReactor(PromptReactor(reactor)), port)
        for port in settings.endpoints
    ]
    admin = None
    if counting is not None:
        from tustwisted.vitals import Vitals

        show = show or partial(make_admin, reactor, settings)
        admin = show(Vitals(uploads.uploads, counting, lambda: site.connections))
    systemd = systemd or Systemd(reactor)
    renewed = [e for _, e in endpoints if isinstance(e, RenewedEndpoint)]
    parts = ServingParts(uploads, site, renewed, connections_of)
    reloading = Reloading(
        read or (lambda: settings), settings, parts, systemd, speaks=role is None
    )
    return DaemonService(
        clock=reactor,
        uploads=uploads,
        site=site,
        endpoints=endpoints,
        base_path=settings.base_path,
        directory=settings.upload_dir,
        store_name=settings.store,
        is_open=not settings.asks_who,
        end_hard_in_time=partial(
            end_hard_after,
            settings.shutdown_timeout,
            goes_on=reactor.running,  # it is an application's, which has made this
        ),
        failed=failed,
        serves=serves,
        recovers=role is None or role.is_restart,
        warns_of_place=role is None or role.speaks_for_all,
        systemd=systemd,
        stop_times=StopTimes(settings.shutdown_timeout),
        reload=reloading.reload,
        admin=admin,
    )


def _make_counting() -> Counting:
    from tustwisted.metrics.counting import Counting

    return Counting()


def _make_site(
    reactor: Any, settings: Settings, uploads: Uploads, counted: Callable[[int], None]
) -> DrainingSite:
    web = settings.web
    resource = TusResource(uploads, web)
    return DrainingSite(
        below(settings.base_path, resource, web.cors, resource.watch),
        wants=everything,  # beside the base path, too: what is refused is not kept
        idle_timeout_s=settings.idle_timeout,
        header_limits=settings.header_limits,
        reactor=reactor,
        counted=counted,
        most_connections=connections_of(settings),
        watch=resource.watch,
    )


def make_admin(
    reactor: Any,
    settings: Settings,
    vitals: IVitals,
    processes: Callable[[], Mapping[str, int]] | None = None,
) -> Companion:
    """
    Make the admin port, which must have been asked for.

    :param processes: whose numbers are told, by their names; ``None``: this one's.
    :raises SystemExit: it is no endpoint description that can be used.
    """
    from tustwisted.adminport import AdminPort, AdminResource

    assert settings.admin_endpoint is not None
    scheme, endpoint = make_endpoint(
        AdoptingReactor(reactor), settings.admin_endpoint, "admin-port"
    )
    return AdminPort(scheme, endpoint, AdminResource(vitals, processes), reactor)


def connections_of(settings: Settings) -> int:
    """
    Take all descriptors, and tell how many connections there may be.

    :raises SystemExit: there are too few for as many as there should be.
    """
    is_leased = isinstance(settings.chosen_locker, RedisURL)
    beside = Beside(
        ports=len(settings.endpoints),
        has_admin_port=settings.admin_port is not None,
        workers=settings.workers,
        programs=0 if settings.hooks_dir is None else MOST_AT_ONCE,
        calls=len(settings.hooks_http) * settings.hooks_http_max_in_flight,
        redis=REDIS * (is_leased + (settings.hooks_redis_stream is not None)),
    )
    asked = settings.max_connections
    try:
        return most_connections(asked, take_descriptors(), beside, is_leased)
    except ValueError as error:
        named = "max-connections" if asked is None else f"max-connections {asked}"
        raise SystemExit(f"tustwisted: --{named}: {error}") from error


def make_uploads(
    reactor: object,
    settings: Settings,
    hooks: Sequence[IHook] = (),
    observer: IObserver = UNOBSERVED,
) -> UploadsService:
    """
    Make the uploads of this process.

    :param hooks: asked and told before those of the settings.
    :param observer: is told what is done.
    :raises SystemExit: the store, or a hook, that is asked for cannot be made.
    """
    directory, name = settings.upload_dir, settings.store
    rules: dict[str, Any] = {
        "locker": make_locker(
            reactor, settings.chosen_locker, directory, settings.lock_ttl
        ),
        "max_size_bytes": settings.max_size,
        "lock_timeout_s": settings.lock_timeout,
        # Who asks is judged before anybody is asked what he may do.
        "hooks": [
            *hooks,
            *make_access_hooks(reactor, settings),
            *make_hooks(reactor, settings),
        ],
        "hook_settings": settings.hooks,
        "switched_off": settings.disable,
        "expire_after_s": settings.expire_after,
        "expire_finished_after_s": settings.expire_finished_after,
        "shutdown_timeout_s": settings.shutdown_timeout,
        "observer": observer,
    }
    if name is None:
        return UploadsService.in_directory(
            reactor,
            directory,
            durability=settings.durability,
            file_mode=settings.file_mode,
            dir_mode=settings.dir_mode,
            placing=settings.placing,
            finished_directory=settings.finished_dir,
            **rules,
        )
    disk = Disk(reactor)  # type: ignore[arg-type] # typed as what all reactors have
    try:
        store = make_named_store(name, directory, disk)
    except ValueError as error:
        raise SystemExit(f"tustwisted: --store {name}: {error}") from error
    try:
        check_ages(settings, store)
    except ValueError as error:
        raise SystemExit(f"tustwisted: {error}") from error
    return UploadsService.with_store(reactor, store, disk, directory, **rules)


def make_endpoint(
    reactor: Any, port: str, option: str = "port"
) -> tuple[str, IStreamServerEndpoint]:
    """
    Make what listens, and tell the scheme of its URLs.

    :param port: an endpoint description.
    :param option: where it was given.
    :raises SystemExit: Twisted does not know it, systemd has not opened it, or what it
        needs is not installed.
    """
    is_tls = has_certificate(port)
    if is_tls and find_spec("OpenSSL") is None:
        raise SystemExit(
            f"tustwisted: --{option} {port} needs pyOpenSSL: "
            "pip install tustwisted[tls]"
        )
    try:
        check_activation(reactor, port)
    except ValueError as error:
        raise SystemExit(f"tustwisted: --{option} {port}: {error}") from error
    try:
        if is_tls:
            return "https", RenewedEndpoint(port, reactor)
        return "http", serverFromString(reactor, port)
    except Exception as error:
        # The parsers, some of them plugins, raise what they like: an OSError when a
        # certificate is missing.
        raise SystemExit(
            f"tustwisted: --{option} {port}: is no port and no endpoint description "
            f"that can be used ({error})"
        ) from error
