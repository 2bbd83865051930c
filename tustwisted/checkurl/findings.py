"""What was found out: a verdict, what was seen, and what to do about it."""

from __future__ import annotations

import enum

from attrs import frozen


class Verdict(enum.Enum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """Some clients, or some uploads, have trouble."""

    PROBLEM = "problem"
    """Uploads fail, or cannot be resumed."""


@frozen
class Finding:
    """One thing that was looked at."""

    verdict: Verdict
    about: str
    """Two words at the most."""

    seen: str
    """A sentence without its full stop."""

    fix: str = ""
    """What to do; empty if there is nothing to do."""

    def written(self) -> str:
        """Tell it as lines of text."""
        line = f"{self.verdict.value:7}  {self.about}: {self.seen}\n"
        return f"{line}         fix: {self.fix}\n" if self.fix else line


def ok(about: str, seen: str) -> Finding:
    """Say that all is well."""
    return Finding(Verdict.OK, about, seen)


def warning(about: str, seen: str, fix: str) -> Finding:
    """Say that some will have trouble."""
    return Finding(Verdict.WARNING, about, seen, fix)


def problem(about: str, seen: str, fix: str) -> Finding:
    """Say that it does not work."""
    return Finding(Verdict.PROBLEM, about, seen, fix)
