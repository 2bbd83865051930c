"""What was given: on the command line, in the environment, by systemd, in a file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from tustwisted.config.origins import (
    CREDENTIAL_PREFIX,
    ConfigurationError,
    Given,
    Origin,
    Source,
    printable,
)
from tustwisted.config.setting import PREFIX, Setting
from tustwisted.config.settings import SETTINGS
from tustwisted.smallfile import read_small

CONFIG: Final = "config"
"""What names the file; no setting, since nothing in the file could say it."""

CREDENTIALS_DIRECTORY: Final = "CREDENTIALS_DIRECTORY"
"""Where systemd puts credentials (systemd.exec(5))."""

_OF_KUBERNETES = re.compile(
    r"service-host|service-port(-.+)?|port-\d+-(tcp|udp|sctp)(-(port|proto|addr))?"
)

_MAX_FILE_BYTES = 262_144

_MAX_BITS = 64
"""A longer number is none that a setting could be."""

_FILES_OF = {s.file_name: s for s in SETTINGS.values() if s.is_secret}

_WithTexts = Mapping[str, Sequence[str]]


def from_words(words: _WithTexts) -> dict[str, Given]:
    """
    Take what was given on the command line.

    :param words: the values by the names of settings, or of secrets with ``-file``.
    :raises ConfigurationError: a file with a secret cannot be read.
    """
    return _given(words, Origin(Source.FLAG))


def from_environment(environ: Mapping[str, str]) -> dict[str, Given]:
    """
    Take what the variables ``TUS_*`` say; one that is empty says nothing.

    Several values have white space between them.

    :raises ConfigurationError: there is no such setting, or as :func:`from_words`.
    """
    origin = Origin(Source.ENVIRONMENT)
    texts = {}
    for variable, text in environ.items():
        name = variable.removeprefix(PREFIX).lower().replace("_", "-")
        if variable.startswith(PREFIX) and text.strip():
            if variable != origin.spells(name):
                told = printable(variable)
                raise ConfigurationError(f"{told}: must be in capital letters")
            if name == CONFIG:
                continue
            setting = SETTINGS.get(name)
            texts[name] = text.split() if setting and setting.is_many else [text]
    return _given(texts, origin)


def from_credentials(environ: Mapping[str, str]) -> dict[str, Given]:
    """
    Take what systemd hands over as ``tus.NAME``.

    A secret is what the credential holds.  For a setting that names a file, the
    credential is the file.

    :raises ConfigurationError: there is no such setting, or it takes no credential.
    """
    directory = environ.get(CREDENTIALS_DIRECTORY)
    if not directory:
        return {}
    try:
        names = sorted(os.listdir(directory))
    except OSError as error:
        raise ConfigurationError(
            f"{CREDENTIALS_DIRECTORY}: {error.strerror}"
        ) from error
    origin = Origin(Source.CREDENTIAL)
    given = {}
    for file in names:
        if file.startswith(CREDENTIAL_PREFIX):
            name = file.removeprefix(CREDENTIAL_PREFIX)
            setting = _known(name, origin)
            path = os.path.join(directory, file)
            if setting.is_secret:
                texts = _read_secret(setting, path, origin.names(name))
            elif setting.is_credential:
                texts = [path]
            else:
                raise ConfigurationError(
                    f"{origin.names(name)}: is no secret: give it in another way"
                )
            given[name] = Given(setting, tuple(texts), origin)
    return given


def from_file(path: str, named: str) -> dict[str, Given]:
    """
    Take what a file says, which is TOML with the names of settings as its keys.

    :param named: how the file itself was given.
    :raises ConfigurationError: it cannot be read, or has what is none.

    Spec: TOML 1.0.0.
    """
    import tomllib  # noqa: PLC0415 - most have no such file, and it takes 4 ms

    told = printable(path)
    try:
        content, _ = read_small(path, _MAX_FILE_BYTES)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{named} {told}: {_told(error)}") from error
    try:
        table = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{told}: is no TOML: {error}") from error
    except (RecursionError, ValueError) as error:  # [[[[..., or thousands of digits
        raise ConfigurationError(
            f"{told}: has a value that is nested too deeply, or too long"
        ) from error
    origin = Origin(Source.FILE, path)
    return _given(
        {key: _as_texts(key, value, origin) for key, value in table.items()}, origin
    )


def _given(values: _WithTexts, origin: Origin) -> dict[str, Given]:
    given: dict[str, Given] = {}
    for name, texts in values.items():
        setting = _FILES_OF.get(name)
        if setting is None:
            setting = _known(name, origin)
            found = Given(setting, tuple(texts), origin)
        else:
            indirect = Origin(origin.source, origin.file, is_indirect=True)
            secrets = _read_secret(setting, texts[0], indirect.names(name, texts[0]))
            found = Given(setting, tuple(secrets), indirect)
        if setting.name in given:
            raise ConfigurationError(
                f"{origin.names(setting.name)}: must not come with "
                f"{origin.spells(setting.file_name)}"
            )
        given[setting.name] = found
    return given


def _known(name: str, origin: Origin) -> Setting:
    setting = SETTINGS.get(name)
    if setting is None:
        known = [*SETTINGS]
        if origin.source is not Source.CREDENTIAL:
            known += _FILES_OF
        close = get_close_matches(name, known, n=1)
        hint = f": is {origin.spells(close[0])} meant?" if close else ""
        if origin.source is Source.ENVIRONMENT and _OF_KUBERNETES.fullmatch(name):
            hint = (
                ", but Kubernetes sets it for a Service that is called tus: set "
                "enableServiceLinks: false"
            )
        raise ConfigurationError(
            f"{origin.names(name)}: there is no such setting{hint}"
        )
    return setting


def _read_secret(setting: Setting, path: str, named: str) -> list[str]:
    """Read the values of a setting from a file, one a line."""
    try:
        content, _ = read_small(path, _MAX_FILE_BYTES)
        lines = [line.strip() for line in content.decode().splitlines()]
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{named}: is no text in UTF-8") from error
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{named}: {_told(error)}") from error
    values = [line for line in lines if line]
    if len(values) != 1 and not (setting.is_many and values):
        wanted = "a value on each line" if setting.is_many else "one line, the value"
        raise ConfigurationError(f"{named}: the file must have {wanted}")
    return values


def _as_texts(key: str, value: Any, origin: Origin) -> list[str]:
    """Write the value of a key as it would be written elsewhere."""
    setting = SETTINGS.get(key) or _FILES_OF.get(key)
    if setting is None:
        _known(key, origin)
    assert setting is not None
    if not isinstance(value, list):
        return [_as_text(key, value, setting, origin)]
    texts = [_as_text(key, one, setting, origin) for one in value]
    if setting.form.has_commas:
        return [",".join(texts)]
    if not setting.is_many or not texts:
        few = "at least one value" if setting.is_many else "one value, no array"
        raise ConfigurationError(f"{origin.names(key)}: must be {few}")
    return texts


def _as_text(key: str, value: Any, setting: Setting, origin: Origin) -> str:
    if isinstance(value, bool):
        if setting.is_switch:
            return str(value).lower()
    elif isinstance(value, int | float):
        if isinstance(value, int) and value.bit_length() > _MAX_BITS:
            raise ConfigurationError(f"{origin.names(key)}: the number is too long")
        if setting.form.is_number:
            return str(value)
    elif isinstance(value, str):
        if "\0" in value:  # no path can have it
            raise ConfigurationError(f"{origin.names(key)}: must not have \\u0000")
        return value
    wanted = "true or false" if setting.is_switch else "a text in quotes"
    raise ConfigurationError(f"{origin.names(key)}: must be {wanted}")


def _told(error: OSError | ValueError) -> str:
    """Say what is wrong with a file, without its path."""
    return getattr(error, "strerror", None) or str(error)
