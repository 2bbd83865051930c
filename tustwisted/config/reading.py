"""Reading a configuration: flag, environment, credential, file, default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from attrs import frozen

from tustwisted.config.checks import Checks
from tustwisted.config.origins import ConfigurationError, Given
from tustwisted.config.setting import BadText, variable_of
from tustwisted.config.settings import SETTINGS, Settings
from tustwisted.config.sources import (
    CONFIG,
    from_credentials,
    from_environment,
    from_file,
    from_words,
)

NOTHING: Final[Mapping[str, Sequence[str]]] = MappingProxyType({})

_CONFIG_VARIABLE = variable_of(CONFIG)


@frozen
class Reading:
    """
    A configuration that was read.

    :param given: what was given, by the names of settings; the others have defaults.
    """

    settings: Settings
    given: Mapping[str, Given]


def read_settings(
    environ: Mapping[str, str],
    config: str | None = None,
    words: Mapping[str, Sequence[str]] = NOTHING,
) -> Reading:
    """
    Read a configuration; no file is read but that and those with secrets.

    :param environ: usually :data:`os.environ`; ``TUS_CONFIG`` names the file where
        ``config`` does not.
    :param config: the path of the file.
    :param words: values by the names of settings, which win over all others; the
        command line's, or those that an application insists on.
    :raises ConfigurationError: something cannot be used; one sentence that names it.
    """
    named = f"--{CONFIG}"
    if config is None:
        config, named = environ.get(_CONFIG_VARIABLE, ""), _CONFIG_VARIABLE
        config = config if config.strip() else None
    given = {
        **({} if config is None else from_file(config, named)),
        **from_credentials(environ),
        **from_environment(environ),
        **from_words(words),
    }
    values: dict[str, Any] = {
        found.setting.attribute: _value(found) for found in given.values()
    }
    settings = Settings(**values)
    Checks(settings, given).check()
    return Reading(settings, MappingProxyType(given))


def changed(before: Settings, after: Settings) -> list[str]:
    """Name the settings that differ, in their order."""
    return [
        setting.name
        for setting in SETTINGS.values()
        if getattr(before, setting.attribute) != getattr(after, setting.attribute)
    ]


def _value(given: Given) -> object:
    try:
        return given.setting.read(given.texts)
    except BadText as bad:
        raise ConfigurationError(f"{given.names(bad.text)}: {bad.reason}") from bad
