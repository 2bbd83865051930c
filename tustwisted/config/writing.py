"""Writing a configuration down: what holds, a file to begin with, and the reference."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence

from tustwisted.config.origins import CREDENTIAL_PREFIX, Given
from tustwisted.config.reading import Reading
from tustwisted.config.setting import Setting, settings_of
from tustwisted.config.settings import PARTS, SETTINGS

_WIDTH = 88


def written_effect(reading: Reading) -> str:
    """
    Write what holds, and where each value is from; no secret is in it.

    It is TOML, which a file of configuration may hold; defaults are comments in it.
    """
    return "".join(f"{line}\n" for line in _effect(reading))


def _effect(reading: Reading) -> Iterator[str]:
    for setting in SETTINGS.values():
        given = reading.given.get(setting.name)
        if given is None and not setting.default:
            yield f"#{setting.name}  # not set: {setting.otherwise}"
        elif given is None:
            yield f"#{setting.name} = {_toml(setting, setting.default)}  # default"
        else:
            value = getattr(reading.settings, setting.attribute)
            yield (
                f"{setting.name} = {_toml(setting, _shown(given, value))}"
                f"  # {given.named}"
            )


def _shown(given: Given, value: object) -> Sequence[str]:
    """Tell what was given, without secrets."""
    if not given.setting.is_secret:
        return given.texts
    values = value if isinstance(value, tuple) else (value,)
    return [
        text if ":" not in text else str(one)
        for text, one in zip(given.texts, values, strict=True)
    ]


def written_sample() -> str:
    """Write a file that sets nothing, and shows everything that it could set."""
    return "".join(f"{line}\n" for line in _sample())


def _sample() -> Iterator[str]:
    yield "# The configuration of tustwisted: twistd tus --config FILE, or TUS_CONFIG."
    yield "# Take the # away before what you want to set."
    for part in PARTS:
        yield ""
        yield f"# -- {_title(part)} ".ljust(_WIDTH, "-")
        for setting in settings_of(part):
            yield ""
            yield from _wrapped(f"{setting.meaning}{_aside(setting)}", "# ")
            texts = setting.default or (setting.example,)
            yield f"#{setting.name} = {_toml(setting, texts)}"


def written_reference() -> str:
    """Write the reference of all settings, as a part of a page in reStructuredText."""
    return "".join(f"{line}\n" for line in _reference()).lstrip("\n")


def _reference() -> Iterator[str]:
    for part in PARTS:
        title = _title(part)
        yield from ("", title, "~" * len(title))
        for setting in settings_of(part):
            yield ""
            yield f"``{setting.name}``"
            meaning = setting.meaning.replace("*", r"\*")
            yield from _wrapped(f"{meaning}{_facts(setting)}", "    ")
            yield ""
            yield from _wrapped(", ".join(_spellings(setting)), "    ")


def _facts(setting: Setting) -> str:
    told = _aside(setting)
    if setting.default and not setting.is_switch:
        told += f" Default: {', '.join(setting.default)}."
    if setting.is_many:
        told += " There may be several."
    if setting.reloads:
        told += " Taken anew on SIGHUP."
    if not setting.of_mount:
        told += " Of the daemon alone."
    if setting.is_secret:
        told += " Never shown."
    return told


def _spellings(setting: Setting) -> Iterator[str]:
    word = "" if setting.is_switch else f" {setting.form.word}"
    if setting.has_flag:
        if setting.short is not None:
            yield f"``-{setting.short}{word}``"
        yield f"``--{setting.flag}{word}``"
    yield f"``{setting.variable}``"
    if setting.is_secret:
        yield f"``--{setting.file_name} FILE``"
        yield f"``{setting.variable}_FILE``"
    if setting.is_secret or setting.is_credential:
        yield f"credential ``{CREDENTIAL_PREFIX}{setting.name}``"
    texts = setting.default or (setting.example,)
    yield f"``{setting.name} = {_toml(setting, texts)}``"


def _aside(setting: Setting) -> str:
    return f" Without it: {setting.otherwise}." if setting.otherwise else ""


def _title(part: type) -> str:
    first, *_ = (part.__doc__ or "").strip().splitlines()
    return first.rstrip(".")


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _toml(setting: Setting, texts: Sequence[str]) -> str:
    if setting.is_switch:
        return str(setting.read(texts)).lower()
    if not setting.is_many:
        return _toml_text(setting, texts[0])
    return f"[{', '.join(_toml_text(setting, text) for text in texts)}]"


def _toml_text(setting: Setting, text: str) -> str:
    if setting.form.is_number and text.isascii() and text.isdigit():
        return str(int(text))
    written = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    # A path that is no UTF-8 cannot be said in TOML: it is shown, at least.
    return written.encode("utf-8", "backslashreplace").decode()
