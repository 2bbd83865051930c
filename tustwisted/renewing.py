"""
Ports with TLS whose certificates are read again while they listen.

Twisted reads them when it parses the description of an endpoint.  So that is parsed
again, for a reactor that listens nowhere, and what would make its connections takes the
place of what has made them until then.  Connections that are open go on as they are.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.logger import Logger
from zope.interface import implementer

from tustwisted.altered import WrappingReactor
from tustwisted.smallfile import check_small

log = Logger()

_MAX_FILE_BYTES = 1_048_576

_COLON = re.compile(r"(?<!\\):")
"""Parts words of a description; a backslash before it makes it one of their letters."""

_FILES = ("privateKey", "certKey", "extraCertChain", "dhParameters")
"""What names a file in the description of an ``ssl:`` port (Twisted 26.10)."""


def has_certificate(description: str) -> bool:
    """Tell whether an endpoint description is that of a port with TLS."""
    return description.startswith(("ssl:", "tls:"))


@implementer(IStreamServerEndpoint)
@define(eq=False, repr=False)
class RenewedEndpoint:
    """
    Listens with TLS, once.

    :param description: of an endpoint with a certificate.
    :param reactor: listens.
    :raises Exception: the description, or the certificate, cannot be used; what it is
        depends on Twisted.
    """

    _description: str
    _reactor: Any
    _listening: _Switching = field(init=False)
    _endpoint: IStreamServerEndpoint = field(init=False)
    _factory: IProtocolFactory | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        _check_files(self._description)
        self._listening = _Switching(self._reactor)
        self._endpoint = serverFromString(self._listening, self._description)

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """See :meth:`twisted.internet.interfaces.IStreamServerEndpoint.listen`."""
        self._factory = protocolFactory
        return self._endpoint.listen(protocolFactory)

    def renew(self) -> None:
        """
        Let new connections have the certificate that is there now.

        One that cannot be used changes nothing, and the log says why.
        """
        switch = self._listening.switch
        if switch is None or self._factory is None:  # it does not listen
            return
        named = f"--port {self._description}"
        try:
            _check_files(self._description)
            switch.turn(_factory_of(self._description, self._reactor, self._factory))
        except Exception as error:  # the parsers raise what they like
            log.error(
                "{option}: {problem}; the certificate that was there before is still "
                "used",
                option=named,
                problem=_told(error),
            )
        else:
            log.info("{option}: the certificate was read again", option=named)


def _check_files(description: str) -> None:
    """
    See that Twisted, which just opens what a description names, will find files.

    :raises ValueError: one is a pipe, which would stop the reactor, or a huge file.
    """
    kind, *words = (re.sub(r"\\(.)", r"\1", word) for word in _COLON.split(description))
    named = dict(word.split("=", 1) for word in words if "=" in word)
    if kind == "ssl":
        named.setdefault("privateKey", "server.pem")
        paths = [named[name] for name in _FILES if name in named]
    else:
        directory = named.get("directory", words[0] if words else "")
        paths = glob.glob(os.path.join(glob.escape(directory), "*.pem"))
    for path in paths:
        try:
            check_small(path, _MAX_FILE_BYTES)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        except OSError:
            continue  # Twisted says why


def _factory_of(
    description: str, reactor: Any, factory: IProtocolFactory
) -> IProtocolFactory:
    """Make what an endpoint would make connections with."""
    taking = _Taking(reactor)
    failures: list[Any] = []
    listening = serverFromString(taking, description).listen(factory)
    listening.addErrback(failures.append)  # it has fired: nobody listens
    for failure in failures:
        failure.raiseException()
    assert taking.factory is not None
    return taking.factory


class _WithFactory(WrappingReactor):
    """Tells with which factory somebody wants to listen."""

    def listenTCP(
        self,
        port: int,
        factory: IProtocolFactory,
        backlog: int = 50,
        interface: str = "",
    ) -> IListeningPort:
        """See :meth:`twisted.internet.interfaces.IReactorTCP.listenTCP`."""
        return self._listen(
            factory,
            lambda other: self._reactor.listenTCP(port, other, backlog, interface),
        )

    def _listen(
        self,
        factory: IProtocolFactory,
        listen: Callable[[IProtocolFactory], IListeningPort],
    ) -> IListeningPort:
        raise NotImplementedError


class _Switching(_WithFactory):
    """Listens with a factory that can be exchanged."""

    switch: Switch | None = None

    def _listen(
        self,
        factory: IProtocolFactory,
        listen: Callable[[IProtocolFactory], IListeningPort],
    ) -> IListeningPort:
        self.switch = Switch(factory)
        return listen(self.switch)


class _Taking(_WithFactory):
    """Keeps the factory, and listens nowhere."""

    factory: IProtocolFactory | None = None

    def _listen(
        self,
        factory: IProtocolFactory,
        listen: Callable[[IProtocolFactory], IListeningPort],
    ) -> Any:
        self.factory = factory


@implementer(IProtocolFactory)
class Switch:
    """
    Makes connections as another factory does, until it is turned to the next one.

    :param factory: the first one.
    """

    def __init__(self, factory: IProtocolFactory) -> None:
        self._factory = factory

    def turn(self, factory: IProtocolFactory) -> None:
        """Make new connections as this one does; for a switch that listens."""
        factory.doStart()
        before, self._factory = self._factory, factory
        before.doStop()

    def doStart(self) -> None:
        """See :meth:`twisted.internet.interfaces.IProtocolFactory.doStart`."""
        self._factory.doStart()

    def doStop(self) -> None:
        """See :meth:`twisted.internet.interfaces.IProtocolFactory.doStop`."""
        self._factory.doStop()

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        """See :meth:`twisted.internet.interfaces.IProtocolFactory.buildProtocol`."""
        return self._factory.buildProtocol(addr)


def _told(error: Exception) -> str:
    """Say in a few words what is wrong with a certificate."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}"
    reasons = error.args[0] if error.args else ""
    if isinstance(reasons, list) and reasons:  # of OpenSSL: (library, function, reason)
        told = ", ".join(str(reason[-1]) for reason in reasons)
        return f"the key or the certificate cannot be read ({told})"
    return str(error).rstrip(".") or type(error).__name__
