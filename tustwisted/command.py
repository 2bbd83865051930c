"""What the commands of ``tustwisted`` have in common."""

from __future__ import annotations

import sys
from typing import Any, ClassVar

from twisted.python import usage

from tustwisted import __version__


class _Words(usage.Options):
    """Options that say how the command is called."""

    synopsis: ClassVar[str]

    def opt_version(self) -> None:
        """Show the version of tustwisted and exit."""
        print(f"tustwisted {__version__}")  # noqa: T201 - what was asked for
        sys.exit(0)

    def getSynopsis(self) -> str:
        """Tell the words up to here, and what follows."""
        names: list[str | None] = []
        above = self.parent
        while above is not None:
            names.insert(0, above.subCommand)
            above = above.parent
        words = " ".join(name for name in names if name)
        return f"Usage: tustwisted {words} {self.synopsis}".replace("  ", " ")


class Group(_Words):
    """Options before the name of a command, one of :attr:`subCommands`."""

    synopsis = "command [options]"

    subCommands: ClassVar[list[list[Any]]]
    """Name, ``None``, class of options, meaning."""

    def postOptions(self) -> None:
        """
        See that there is one.

        :raises UsageError: there is none.
        """
        if self.subCommand is None:
            names = ", ".join(command[0] for command in self.subCommands)
            raise usage.UsageError(f"say what to do ({names}), or --help")


class Command(_Words):
    """The options of one command, which is run when they were read."""

    synopsis = "[options]"

    def parseArgs(self, *args: str) -> None:
        """Take no words beside the options."""
        if args:
            raise usage.UsageError(f"{args[0]} is no option: see --help")

    def run(self) -> None:
        """
        Do it.

        :raises UsageError: it cannot be done; the message is one sentence.
        :raises OSError: a file cannot be read or written.
        """
        raise NotImplementedError
