"""
SIGHUP: the configuration is read again, and what of it can change while it serves does.

What cannot is named.  Files that settings name, of tokens, keys, secrets and
certificates, are read again whether or not a setting has changed.
"""

# ruff: noqa: N805 (zope interfaces have no self)

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, evolve, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import Interface, implementer

from tustwisted.abilities import ISweeps
from tustwisted.config.origins import ConfigurationError
from tustwisted.config.reading import changed
from tustwisted.config.settings import SETTINGS, Settings
from tustwisted.interfaces import IDataStore
from tustwisted.renewing import RenewedEndpoint
from tustwisted.service import UploadsService
from tustwisted.systemd import Systemd
from tustwisted.web.drain import DrainingSite
from tustwisted.web.streaming import enable_streaming
from tustwisted.web.wants import everything

log = Logger()


class CannotReload(Exception):
    """The settings cannot be taken: one sentence."""


class IReloads(Interface):
    """What can take other settings while it runs."""

    async def reload(settings: Settings) -> None:
        """
        Let these hold from now on, and read again what they name.

        :param settings: only those that may change do differ from the ones before.
        :raises CannotReload: nothing was changed.
        """


@implementer(IReloads)
@define(eq=False, repr=False)
class ServingParts:
    """
    What serves in this process.

    :param endpoints: those with a certificate.
    :param most_connections: tells how many there may be; raises SystemExit with a
        sentence.
    """

    _uploads: UploadsService
    _site: DrainingSite
    _endpoints: Sequence[RenewedEndpoint]
    _most_connections: Callable[[Settings], int]

    async def reload(self, settings: Settings) -> None:
        """See :meth:`IReloads.reload`."""
        try:
            check_ages(settings, self._uploads.uploads.store)
            most = self._most_connections(settings)
        except (ValueError, SystemExit) as error:
            problem = str(error).removeprefix("tustwisted: ")
            raise CannotReload(problem) from error
        self._uploads.limit(
            max_size_bytes=settings.max_size,
            lock_timeout_s=settings.lock_timeout,
            expire_after_s=settings.expire_after,
            expire_finished_after_s=settings.expire_finished_after,
        )
        self._site.limit_connections(most)
        enable_streaming(
            self._site, everything, settings.idle_timeout, settings.header_limits
        )
        for endpoint in self._endpoints:
            endpoint.renew()
        await self._uploads.reread()


def check_ages(settings: Settings, store: IDataStore) -> None:
    """
    See that uploads can expire if they shall.

    :raises ValueError: the store cannot be swept; a sentence.
    """
    if ISweeps.providedBy(store):
        return
    for name in ("expire-after", "expire-finished-after"):
        if getattr(settings, SETTINGS[name].attribute) is not None:
            raise ValueError(
                f"--{name}: {settings.store} makes a store that cannot be swept, so "
                "nothing in it expires: omit it"
            )


@define(eq=False, repr=False)
class Reloading:
    """
    Reads the configuration again, whenever it is told to.

    :param read: does that; raises ConfigurationError.
    :param settings: those in force.
    :param part: takes them.
    :param systemd: is told of it.
    :param speaks: the log is told what has changed; of several processes by one.
    """

    _read: Callable[[], Settings]
    _settings: Settings
    _part: IReloads
    _systemd: Systemd
    _speaks: bool = True
    _is_reloading: bool = field(init=False, default=False)
    _is_asked_again: bool = field(init=False, default=False)

    @property
    def settings(self) -> Settings:
        """Those in force."""
        return self._settings

    def reload(self) -> None:
        """Begin; what comes while one goes on makes another one follow."""
        if self._is_reloading:
            self._is_asked_again = True
            return
        self._is_reloading = True
        work = Deferred.fromCoroutine(self._reload())
        work.addErrback(self._failed)  # type: ignore[unused-awaitable]
        work.addBoth(self._ended)  # type: ignore[unused-awaitable]

    def _failed(self, failure: Failure) -> None:
        log.failure("reloading has failed", failure)

    def _ended(self, _: object) -> None:
        self._is_reloading = False
        if self._is_asked_again:
            self._is_asked_again = False
            self.reload()

    async def _reload(self) -> None:
        self._systemd.reloads()
        try:
            wanted = self._read()
            settings = taken(self._settings, wanted)
            await self._part.reload(settings)
        except (ConfigurationError, CannotReload) as error:
            log.error("SIGHUP came: {problem}; nothing was changed", problem=str(error))
        else:
            before, self._settings = self._settings, settings
            if self._speaks:
                tell(before, settings, wanted)
        finally:
            self._systemd.reloaded()


def taken(before: Settings, wanted: Settings) -> Settings:
    """Tell what holds of other settings, when only some of them can change."""
    values = {
        SETTINGS[name].attribute: getattr(wanted, SETTINGS[name].attribute)
        for name in changed(before, wanted)
        if SETTINGS[name].reloads
    }
    return evolve(before, **values)


def tell(before: Settings, after: Settings, wanted: Settings) -> None:
    """Say in the log what has changed, and what has not although it should have."""
    now, late = _named(changed(before, after)), _named(changed(after, wanted))
    log.info(
        "SIGHUP came: the configuration was read again; {what}",
        what=f"changed: {now}" if now else "no setting changes by that",
    )
    if late:
        log.warn("{names}: changed, but need a restart", names=late)


def _named(names: Sequence[str]) -> str:
    return ", ".join(f"--{name}" for name in names)
