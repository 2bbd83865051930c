"""A program for ``twistd -y`` of which another part cannot start; UPLOADS as usual."""

from __future__ import annotations

import os

from twisted.application.service import Application, Service
from twisted.internet import reactor

from tustwisted.service import UploadsService


class Broken(Service):
    """Something that the application has beside its uploads."""

    def startService(self) -> None:
        """Fail."""
        raise RuntimeError("there is no database")


application = Application("fails to start")
uploads = UploadsService.in_directory(reactor, os.environ["UPLOADS"])
uploads.setServiceParent(application)
Broken().setServiceParent(application)
