"""One setting: a field of the schema, and what all ways to write it need to know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from attrs import evolve, field, fields, frozen

from tustwisted.config.forms import SWITCH, Form

_METADATA: Final = "tustwisted"

PREFIX: Final = "TUS_"
"""What the names of environment variables begin with."""


def variable_of(name: str) -> str:
    """Tell the environment variable of a name, be it a setting's or of its file."""
    return PREFIX + name.upper().replace("-", "_")


@frozen
class Setting:
    """
    What is known of a setting, beside its value.

    :param form: how a value is written; where there are several, each of them.
    :param meaning: one sentence.
    :param default: the values that hold when none is given, as they are written.
    :param otherwise: what holds without any, in words, where there is no default.
    :param example: a value for the sample file.
    :param is_many: it may be given several times.
    :param is_secret: the value may hold one, so it is never shown, and may be read from
        a file that ``NAME-file`` names.
    :param is_credential: the file that it names may be one of systemd's credentials.
    :param reloads: a new value is taken on ``SIGHUP``.
    :param of_mount: it means something where an application mounts the uploads.
    :param flag_meaning: what the flag of a switch does, where that differs.
    :param has_flag: it may be given on the command line.
    """

    form: Form
    meaning: str
    default: tuple[str, ...] = ()
    otherwise: str = ""
    example: str = ""
    short: str | None = None
    is_many: bool = False
    is_secret: bool = False
    is_credential: bool = False
    reloads: bool = False
    of_mount: bool = True
    flag_meaning: str = ""
    has_flag: bool = True
    name: str = ""

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return variable_of(self.name)

    @property
    def attribute(self) -> str:
        """Its name in the schema."""
        return self.name.replace("-", "_")

    @property
    def is_switch(self) -> bool:
        """Whether it is on or off."""
        return self.form is SWITCH

    @property
    def flag(self) -> str:
        """What it is called on the command line, without the dashes before it."""
        on_by_default = self.is_switch and self.default == ("true",)
        return f"no-{self.name}" if on_by_default else self.name

    @property
    def file_name(self) -> str:
        """What names the file that holds its value."""
        return f"{self.name}-file"

    def read(self, texts: Sequence[str]) -> Any:
        """
        Read its value.

        :param texts: one, unless it :attr:`is_many`.
        :raises BadText: one of them is no value.
        """
        values = []
        for text in texts:
            try:
                values.append(self.form.parse(text))
            except ValueError as error:
                raise BadText(text, str(error)) from error
        return tuple(values) if self.is_many else values[0]


class BadText(ValueError):
    """A text is no value: which one, and why."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(text, reason)
        self.text = text
        self.reason = reason


def setting(
    form: Form,
    meaning: str,
    default: str | Sequence[str] | None = None,
    unset: object = None,
    **facts: Any,
) -> Any:
    """
    Make a field of the schema.

    :param default: as it is written; ``None``: nothing is.
    :param unset: the value that stands for nothing, where only one is taken.
    :param facts: see :class:`Setting`.
    """
    written = () if default is None else default
    texts = (written,) if isinstance(written, str) else tuple(written)
    made = Setting(form, meaning, texts, **facts)
    value = made.read(texts) if texts else () if made.is_many else unset
    return field(default=value, metadata={_METADATA: made})


def switch(meaning: str, default: bool = False, **facts: Any) -> Any:
    """Make a field of the schema that is on or off."""
    return setting(SWITCH, meaning, "true" if default else "false", **facts)


def settings_of(schema: type) -> Iterator[Setting]:
    """List the settings of a schema, or of one part of it, in their order."""
    for attribute in fields(schema):
        made = attribute.metadata.get(_METADATA)
        if made is not None:
            yield evolve(made, name=attribute.name.replace("_", "-"))
