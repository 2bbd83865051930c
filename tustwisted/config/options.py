"""The options of the command line, made of the schema."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from twisted.python import usage

from tustwisted.config.completing import completions_of
from tustwisted.config.origins import ConfigurationError
from tustwisted.config.reading import Reading, read_settings
from tustwisted.config.setting import Setting
from tustwisted.config.settings import SETTINGS
from tustwisted.config.sources import CONFIG
from tustwisted.config.writing import written_effect

_FLAGS = [setting for setting in SETTINGS.values() if setting.has_flag]


def _help(setting: Setting, *more: str) -> str:
    default = "" if setting.is_switch else _default(setting)
    return (
        "; ".join([setting.flag_meaning or setting.meaning, *more]).rstrip() + default
    )


def _default(setting: Setting) -> str:
    told = ", ".join(setting.default) or setting.otherwise
    return f" [default: {told}]" if told else ""


def _parameters(settings: Iterable[Setting]) -> list[list[Any]]:
    # No default here: only what was given wins over the environment and the file.
    parameters: list[list[Any]] = []
    for setting in settings:
        if not setting.is_switch and not setting.is_many:
            parameters.append([setting.name, setting.short, None, _help(setting)])
        if setting.is_secret:
            told = f"The file that holds what --{setting.name} would say."
            parameters.append([setting.file_name, None, None, told])
    return parameters


def _collecting(setting: Setting) -> Callable[[usage.Options, str], None]:
    def collect(options: usage.Options, value: str) -> None:
        options.setdefault(setting.name, []).append(value)

    collect.__doc__ = f"{setting.meaning} May be repeated.{_default(setting)}"
    return collect


class SettingsOptions(usage.Options):
    """Options that are read into a :class:`~tustwisted.config.reading.Reading`."""

    optParameters = [  # noqa: RUF012 - usage.Options wants lists on the class
        [CONFIG, "c", None, "File of the configuration, in TOML."],
        *_parameters(_FLAGS),
    ]

    optFlags = [  # noqa: RUF012
        ["print-config", None, "Print the configuration, with where it is from; exit."],
        *[[s.flag, s.short, _help(s)] for s in _FLAGS if s.is_switch],
    ]

    compData = completions_of(_FLAGS, CONFIG)

    for _setting in _FLAGS:
        if _setting.is_many:
            _name = f"opt_{_setting.attribute}"
            locals()[_name] = _collecting(_setting)
            if _setting.short is not None:
                locals()[f"opt_{_setting.short}"] = locals()[_name]
    del _setting, _name

    reading: Reading
    """What they mean, with what the environment and the file say."""

    def postOptions(self) -> None:
        """
        Read the configuration.

        :raises UsageError: it cannot be used; one sentence.
        """
        super().postOptions()
        try:
            self.reading = self.read()
        except ConfigurationError as error:
            raise usage.UsageError(str(error)) from error
        if self["print-config"]:
            print(written_effect(self.reading), end="")  # noqa: T201 - it was asked for
            raise SystemExit(0)

    def read(self) -> Reading:
        """
        Read all of it, again perhaps: the file may be another one by then.

        :raises ConfigurationError: it cannot be used; one sentence.
        """
        return read_settings(os.environ, self[CONFIG], self.given())

    def given(self) -> dict[str, list[str]]:
        """Tell what was given on the command line."""
        given: dict[str, list[str]] = {}
        for setting in _FLAGS:
            value = self.get(setting.flag)
            if setting.is_switch:
                if value:
                    off = setting.flag != setting.name
                    given[setting.name] = ["false" if off else "true"]
            elif value is not None:
                given[setting.name] = value if setting.is_many else [value]
            if setting.is_secret and self[setting.file_name] is not None:
                given[setting.file_name] = [self[setting.file_name]]
        return given
