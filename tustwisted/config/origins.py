"""Where the value of a setting comes from, and how it is called there."""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from tustwisted.config.setting import Setting, variable_of

CREDENTIAL_PREFIX = "tus."
"""What the names of credentials begin with."""

_SHOWN = 200
"""So many characters of what was given tell which it was."""


class ConfigurationError(ValueError):
    """What was configured cannot be: one sentence that names it and the fix."""


class Source(Enum):
    """What values are read from; the first one that has one wins."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    CREDENTIAL = "credential"
    FILE = "file"


@frozen
class Origin:
    """
    Where a value was given.

    :param file: the file that it was read from, if that is the source.
    :param is_indirect: not the value was given, but the file that holds it.
    """

    source: Source
    file: str = ""
    is_indirect: bool = False

    def spells(self, name: str) -> str:
        """Write the name of a setting as it is written there."""
        return {
            Source.FLAG: f"--{name}",
            Source.ENVIRONMENT: variable_of(name),
            Source.CREDENTIAL: f"credential {CREDENTIAL_PREFIX}{name}",
            Source.FILE: name,
        }[self.source]

    def names(self, name: str, text: str | None = None) -> str:
        """
        Name what was given, for a sentence.

        :param text: what, unless it is a secret.
        """
        spelled = self.spells(_shortened(name))
        if text is not None:
            between = {Source.ENVIRONMENT: "=", Source.FILE: " = "}
            spelled += f"{between.get(self.source, ' ')}{_shortened(text)}"
        if self.file:
            spelled += f" in {self.file}"
        return printable(spelled)


@frozen
class Given:
    """
    What was given for a setting.

    :param texts: one value, or several where there may be.
    """

    setting: Setting
    texts: tuple[str, ...]
    origin: Origin

    @property
    def named(self) -> str:
        """Its name, as it was given."""
        return self.origin.names(self._name)

    def names(self, text: str) -> str:
        """Name it with one of its values, unless they are secrets."""
        # A word alone, such as a misspelled one, is none where somebody has typed it.
        is_typed = self.origin.source is not Source.CREDENTIAL
        is_hidden = self.setting.is_secret and not (is_typed and text.isalnum())
        if is_hidden or self.origin.is_indirect:
            return self.named
        return self.origin.names(self._name, text)

    @property
    def _name(self) -> str:
        if self.origin.is_indirect:
            return self.setting.file_name
        is_flag = self.origin.source is Source.FLAG
        return self.setting.flag if is_flag else self.setting.name


def printable(text: str) -> str:
    """Write a text so that it stays on one line of any terminal."""
    return text if text.isprintable() else ascii(text)[1:-1]


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
