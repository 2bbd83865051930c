"""
``twistd tus``: the options of the daemon, and the service they make.

Klein and the threads of Twisted install a reactor when they are imported, so what
needs them is imported in :func:`makeService`, after ``--reactor`` had its say.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from twisted.application.service import IService
from twisted.python import usage

from tustwisted import __version__
from tustwisted.process import collecting_later

with collecting_later():  # these import half of the package
    from tustwisted.config.options import SettingsOptions
    from tustwisted.config.settings import Settings


class Options(SettingsOptions):
    """What ``twistd tus`` takes; a bad value ends it with one sentence and status 1."""

    synopsis = "[options]"
    longdesc = (
        "Serve resumable uploads by the tus protocol, version 1.0.0. Sizes take KiB, "
        "MiB, GiB or TiB; times take s, m, h or d. Each option may be a variable, too "
        "(TUS_MAX_SIZE), or a key in the file of --config (max-size): an option wins "
        "over a variable, and that over the file."
    )

    words: Sequence[str] = ()
    """What was parsed."""

    def opt_version(self) -> None:
        """Show the version of tustwisted and exit."""
        print(f"tustwisted {__version__}")  # noqa: T201 - what was asked for
        sys.exit(0)

    def parseArgs(self, *args: str) -> None:
        """Take no words beside the options."""
        if args:
            raise usage.UsageError(f"{args[0]} is no option: see --help")

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


@collecting_later()
def makeService(options: Options) -> IService:
    """
    Make the daemon that the options describe; opens nothing.

    :raises SystemExit: a port is no endpoint description that Twisted knows, or the
        store that is asked for cannot be made.
    """
    from twisted.internet import reactor as _reactor

    from tustwisted.activation import warn_of_unused
    from tustwisted.making import make_daemon
    from tustwisted.privileges import check_chroot, import_early
    from tustwisted.process import end_failed, spare_what_is_there
    from tustwisted.signals import Signals
    from tustwisted.systemd import Systemd

    reactor: Any = _reactor
    import_early()
    settings = options.reading.settings
    check_chroot(options.parent, settings.workers)
    failed = partial(end_failed, reactor)
    if not settings.enabled:
        raise SystemExit(
            "tustwisted: enabled is false, which is for applications that mount the "
            "uploads: do not start the daemon then"
        )
    systemd = Systemd.take(reactor)

    def read() -> Settings:
        return options.read().settings

    if settings.workers > 1:
        from tustwisted.workers.wiring import make_supervisor

        service: Any = make_supervisor(
            reactor, settings, options.words, failed, systemd, read=read
        )
    else:
        service = make_daemon(
            reactor, settings, failed=failed, systemd=systemd, read=read
        )
    warn_of_unused(
        reactor, filter(None, [*settings.endpoints, settings.admin_endpoint])
    )
    if not reactor.running:  # else an application has made it, whose signals they are
        signals = Signals(reactor, service.reload)
        if options.parent is not None:  # twistd's
            signals.keep_reload()
        reactor.callWhenRunning(signals.take)
        reactor.callWhenRunning(spare_what_is_there)
    return service  # type: ignore[no-any-return]
