"""The daemon, as a Twisted service: its uploads, and where it listens for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Protocol

from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocolFactory,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.logger import Logger
from twisted.python.failure import Failure

from tustwisted.errors import CannotListen
from tustwisted.service import UploadsService
from tustwisted.starting import fail_if_failed, when_served
from tustwisted.stopping import StopTimes
from tustwisted.systemd import Systemd
from tustwisted.waiting import WaitedTooLong, within
from tustwisted.web.drain import DrainingSite

log = Logger()

OF_ROOT = 1024
"""Ports below are root's, whose rights are given up before anything is opened."""

_ONLY_ROOT = (
    "since ports below 1024 are for root alone: let systemd open it "
    "(--port systemd:...) or give AmbientCapabilities=CAP_NET_BIND_SERVICE"
)


class Companion(Protocol):
    """What starts before the uploads and stops after them."""

    async def start(self) -> None:
        """
        Begin.

        :raises CannotStart: it cannot.
        """

    def stop(self) -> Deferred[None]:
        """End; harmless when it never began."""


class DaemonService(Service):
    """
    The daemon: its uploads, and where it listens for them.

    Nothing is opened, created, locked or listened on before ``startService``, which
    ``twistd`` calls after it has forked and given up its privileges (D12).

    :param clock: measures how long the last answers take.
    :param uploads: started before it listens, stopped after.
    :param site: serves the uploads.
    :param endpoints: where to listen, by the scheme of their URLs.
    :param base_path: of the creation URL, for the line that says where it is.
    :param directory: where the uploads are, for that line.
    :param store_name: what keeps them there, for that line; ``None``: files.
    :param is_open: nobody is asked who he is, for the line that warns of that.
    :param end_hard_in_time: called when a stop begins, so that it has an end whatever
        happens, which is a failure; what it returns is called when the stop has ended
        as it should.
    :param failed: called when a start fails later than at once.
    :param serves: called when it serves, instead of saying so in the log.
    :param warns_of_place: it says what is doubtful about where the uploads are kept; of
        several processes one does.
    :param recovers: see :meth:`tustwisted.service.UploadsService.keep_house`.
    :param systemd: is told how it goes.
    :param stop_times: how long the steps of a stop may take.
    :param reload: see :meth:`reload`; called while it runs.
    :param admin: where operators ask how it goes, from before it serves to the end.
    """

    def __init__(
        self,
        *,
        clock: IReactorTime,
        uploads: UploadsService,
        site: DrainingSite,
        endpoints: Sequence[tuple[str, IStreamServerEndpoint]],
        base_path: str,
        directory: str,
        end_hard_in_time: Callable[[], Callable[[], None]],
        failed: Callable[[], None],
        store_name: str | None = None,
        is_open: bool = True,
        serves: Callable[[], None] | None = None,
        recovers: bool = True,
        systemd: Systemd | None = None,
        warns_of_place: bool = True,
        stop_times: StopTimes = StopTimes(),  # noqa: B008
        reload: Callable[[], None] = lambda: None,
        admin: Companion | None = None,
    ) -> None:
        self._clock = clock
        self._uploads = uploads
        self._site = site
        self._endpoints = endpoints
        self._base_path = base_path
        self._directory = directory
        self._store_name = store_name
        self._is_open = is_open
        self._serves = serves
        self._recovers = recovers
        self._warns_of_place = warns_of_place
        self._stop_times = stop_times
        self._reload = reload
        self._end_hard_in_time = end_hard_in_time
        self._failed = failed
        self._systemd = systemd or Systemd(clock)
        self._admin = admin
        self._ports: list[IListeningPort] = []
        self._urls: list[str] = []
        self._started: Deferred[None] | None = None
        self._cleaned_up: Deferred[None] = succeed(None)
        self.problem: str | None = None
        """Why it could not start."""

    def startService(self) -> None:
        """
        Open the store, then listen.

        :raises StartFailed: one of them cannot be done.
        """
        super().startService()
        self._started = Deferred.fromCoroutine(self._start())
        self._started.addErrback(self._note)  # type: ignore[unused-awaitable]
        fail_if_failed(self, self._started, self._failed)

    def _note(self, failure: Failure) -> Failure:
        self.problem = str(failure.value)
        return failure

    async def _start(self) -> None:
        if self._admin is not None:
            await self._admin.start()
        try:
            await self._serve()
        except BaseException:
            if self._admin is not None:
                self._admin.stop()  # type: ignore[unused-awaitable] # as below
            raise

    async def _serve(self) -> None:
        await self._uploads.start()
        if self._warns_of_place:
            self._uploads.warn_of_place()
        try:
            for scheme, endpoint in self._endpoints:
                await self._listen(scheme, endpoint)
        except BaseException:
            self._site.accept_no_more()
            for port in self._ports:
                maybeDeferred(port.stopListening)  # type: ignore[unused-awaitable]
            self._ports.clear()
            # Not awaited: the start fails at once, and the reactor may never run.
            self._cleaned_up = Deferred.fromCoroutine(self._uploads.stop())
            raise
        self._uploads.keep_house(self._recovers)
        if self._serves is not None:
            self._serves()
        self._systemd.serves(self._status)

    def _status(self) -> str:
        where = " and ".join(self._urls)
        return f"serves {where}; connections: {self._site.connections}"

    async def _listen(self, scheme: str, endpoint: IStreamServerEndpoint) -> None:
        port = await listen_at(endpoint, self._site)
        self._ports.append(port)
        self._site.accept_from(port)
        if self._serves is None:
            url = say_where(
                scheme,
                port.getHost(),
                base_path=self._base_path,
                directory=self._directory,
                store_name=self._store_name,
                is_open=self._is_open,
            )
            self._urls.append(url)

    def reload(self) -> None:
        """Read the configuration again, and take what may change, when it serves."""
        when_served(self, self._started, self._reload)

    def stopService(self) -> Deferred[None]:
        """Stop in the order of D12."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        times, began_s = self._stop_times, self._clock.seconds()
        has_ended = self._end_hard_in_time()
        self._systemd.stops(times.whole_s)
        if self._started is not None:
            self._started.cancel()
        self._site.accept_no_more()
        for port in self._ports:
            await maybeDeferred(port.stopListening)
        self._ports.clear()
        await self._cleaned_up
        drained = self._site.drain()
        await self._uploads.stop()
        left_s = began_s + times.connections_s - self._clock.seconds()
        with suppress(WaitedTooLong):
            await within(min(times.answers_s, left_s), drained, self._clock)
        self._site.abort()
        if self._admin is not None:
            await self._admin.stop()
        if not self._uploads.is_stopping:
            has_ended()


async def listen_at(
    endpoint: IStreamServerEndpoint, factory: IProtocolFactory, option: str = "port"
) -> IListeningPort:
    """
    Listen.

    :param option: where the endpoint was given.
    :raises CannotListen: that cannot be done; it says where, and why.
    """
    try:
        return await endpoint.listen(factory)
    except (CannotListenError, OSError) as error:
        raise CannotListen(*_plainly(error), option) from error


def say_where(
    scheme: str,
    address: IAddress,
    *,
    base_path: str,
    directory: str,
    store_name: str | None,
    is_open: bool = True,
    workers: int = 1,
) -> str:
    """
    Say in the log where is served, and warn of what that means.

    :param is_open: nobody is asked who he is.
    :returns: the creation URL there.
    """
    url = url_of(scheme, address, base_path)
    log.info(
        "tustwisted serves {url} and stores {by}in {directory}{how}",
        url=url,
        by="" if store_name is None else f"by {store_name} ",
        directory=os.path.abspath(directory),
        how="" if workers == 1 else f", with {workers} workers",
    )
    if is_open and is_beyond_loopback(address):
        log.warn("whoever reaches this address can upload: nobody is asked who he is")
    return url


def is_beyond_loopback(address: IAddress) -> bool:
    """Tell whether other machines may reach an address."""
    if isinstance(address, IPv4Address | IPv6Address):
        return not ip_address(address.host).is_loopback
    return False


def url_of(scheme: str, address: IAddress, path: str) -> str:
    """Name a URL at an address; of a UNIX socket, the socket."""
    if isinstance(address, IPv4Address):
        return f"{scheme}://{address.host}:{address.port}{path}"
    if isinstance(address, IPv6Address):
        return f"{scheme}://[{address.host}]:{address.port}{path}"
    return f"{path} on {address}"


def _plainly(error: CannotListenError | OSError) -> tuple[str, str]:
    """Say where could not be listened, and why."""
    if isinstance(error, OSError):  # of the lock file beside a UNIX socket
        path = error.filename2 or error.filename or "the socket"
        return os.fsdecode(path), str(error.strerror)
    reason = getattr(error.socketError, "strerror", None) or str(error.socketError)
    if not isinstance(error.port, int):
        return str(error.port), reason
    if isinstance(error.socketError, PermissionError) and error.port < OF_ROOT:
        reason = f"{reason}, {_ONLY_ROOT}"
    return f"{error.interface or 'any'}:{error.port}", reason
