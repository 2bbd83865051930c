"""
The uploads of an application that is configured as the daemon is.

An application that would rather say everything itself has
:class:`~tustwisted.service.UploadsService` and
:class:`~tustwisted.web.resource.TusResource`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen
from twisted.application.service import IService, Service
from twisted.logger import Logger
from twisted.web.pages import notFound
from twisted.web.resource import IResource
from twisted.web.server import Site

from tustwisted.config.settings import Settings
from tustwisted.interfaces import IHook
from tustwisted.making import make_uploads
from tustwisted.observing import UNOBSERVED, IObserver
from tustwisted.uploads.uploads import Uploads
from tustwisted.web.resource import TusResource
from tustwisted.web.streaming import enable_streaming, under

log = Logger()


@frozen
class Mount:
    """
    What an application starts, mounts and makes its site know.

    :param service: to be started and stopped with the application.
    :param resource: to be mounted at :attr:`base_path`.
    :param base_path: with one slash at its end.
    :param uploads: the core; ``None`` where the configuration has switched it off.
    """

    service: IService
    resource: IResource
    base_path: str
    uploads: Uploads | None

    def stream(self, site: Site) -> None:
        """Let bodies stream at :attr:`base_path`: what ``enable_streaming`` does."""
        if self.uploads is not None:
            enable_streaming(site, under(self.base_path))


def mount(
    reactor: Any,
    settings: Settings,
    hooks: Sequence[IHook] = (),
    observer: IObserver = UNOBSERVED,
) -> Mount:
    """
    Make what the settings say, and open nothing.

    With ``enabled`` off nothing is opened, made or locked later either: the service
    does nothing, and the resource is a 404.

    :param settings: those of the daemon alone mean nothing here: where it listens, and
        what it does with the connections there.
    :param hooks: the application's own; they are asked and told first.
    :param observer: is told what is done, such as to count it.
    :raises SystemExit: the store, or a hook, that is asked for cannot be made.
    """
    if not settings.enabled:
        log.info("uploads are switched off")
        return Mount(Service(), notFound(), settings.base_path, None)
    service = make_uploads(reactor, settings, hooks, observer)
    resource = TusResource(service.uploads, settings.web)
    return Mount(service, resource, settings.base_path, service.uploads)
