"""``tustwisted check-url``: explain how a tus server looks from here."""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.python import usage

from tustwisted.checkurl.findings import Finding
from tustwisted.checkurl.urls import parse_url
from tustwisted.command import Command
from tustwisted.protocol.cors import parse_field_name, parse_origin


class CheckUrlOptions(Command):
    """
    What ``check-url`` takes.

    :ivar secrets: the headers.
    """

    synopsis = "[options] URL"
    longdesc = (
        "Look at a tus server from here, as its clients see it, and tell what a proxy "
        "in between does wrong, and how to mend it.  URL is the creation URL, such as "
        "https://files.example/files/.  An upload of at most 2 MiB is created there, "
        "written to and removed; it is not finished.  The exit status is 1 if there is "
        "a problem."
    )
    optParameters = [  # noqa: RUF012 - usage.Options wants a list on the class
        ["origin", None, None, "Check for pages of this origin, too (CORS)."],
        ["timeout", None, 10.0, "Seconds that an answer may take.", float],
    ]
    optFlags = [  # noqa: RUF012 - usage.Options wants a list on the class
        ["finish", None, "Finish the upload, of which hooks hear, and read it back."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self.secrets: tuple[tuple[str, str], ...] = ()

    def opt_header(self, text: str) -> None:
        """
        A header to send with each request, such as 'Authorization: Bearer ...'.

        May be repeated; never shown.
        """
        name, colon, value = text.partition(":")
        value = value.strip()
        if not colon or not value.isprintable() or not value.isascii():
            raise usage.UsageError("--header must be like 'Name: value'")
        try:
            self.secrets += ((parse_field_name(name.strip()), value),)
        except ValueError as error:
            raise usage.UsageError("--header must be like 'Name: value'") from error

    def parseArgs(self, *args: str) -> None:
        """Take the URL, which may stand before options."""
        if len(args) > 1 and args[1].startswith("-"):
            self.parseOptions([*args[1:], args[0]])
            return
        if len(args) != 1:
            raise usage.UsageError("give one URL, such as https://files.example/files/")
        try:
            self["url"] = parse_url(args[0])
        except ValueError as error:
            raise usage.UsageError(f"the URL {error}") from error

    def postOptions(self) -> None:
        """See that the values make sense."""
        if not 0 < self["timeout"] <= 3600:
            raise usage.UsageError("--timeout must be above 0, and an hour at most")
        if self["origin"] is not None:
            try:
                self["origin"] = parse_origin(self["origin"])
            except ValueError as error:
                raise usage.UsageError(f"--origin {error}") from error
            if "*" in self["origin"]:
                raise usage.UsageError("--origin must be one that a page has, no *")

    def run(self) -> None:
        """
        Look, and tell.

        :raises SystemExit: always; its status is 1 if there is a problem.
        """
        react(self._look)

    def _look(self, reactor: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(self._tell_all(reactor))

    async def _tell_all(self, reactor: Any) -> None:
        # What speaks HTTP is slow to import, and other commands need none of it.
        from tustwisted.checkurl.asking import Asker, Secrets  # noqa: PLC0415
        from tustwisted.checkurl.story import PATIENCE_S, Check  # noqa: PLC0415
        from tustwisted.checkurl.writing import Wanted  # noqa: PLC0415

        secrets = Secrets(self.secrets)

        def tell(finding: Finding) -> None:
            sys.stdout.write(secrets.hidden(finding.written()))
            sys.stdout.flush()

        url, origin = self["url"], self["origin"]
        asker = Asker(reactor, url, secrets, origin, self["timeout"])
        names = tuple(name for name, _ in self.secrets)
        wanted = Wanted(origin, names, self["finish"])
        patience_s = min(PATIENCE_S, self["timeout"])
        if not await Check(reactor, asker, url, wanted, tell, patience_s).run():
            raise SystemExit(1)
