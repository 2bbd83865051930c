"""What a shell completes: the words that Twisted's ``usage`` makes of the schema."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.python.usage import (
    CompleteDirs,
    CompleteFiles,
    CompleteList,
    CompleteMultiList,
    Completer,
    Completions,
)

from tustwisted.config.forms import Form
from tustwisted.config.setting import Setting


def completions_of(settings: Iterable[Setting], config: str) -> Completions:
    """
    Tell what may follow each option.

    :param config: the name of the option that names the file of the configuration.
    """
    settings = list(settings)
    secrets = [setting for setting in settings if setting.is_secret]
    valued = [setting for setting in settings if not setting.is_switch]
    return Completions(
        descriptions={s.flag: s.flag_meaning or s.meaning for s in settings},
        multiUse=[setting.name for setting in settings if setting.is_many],
        mutuallyExclusive=[(s.name, s.file_name) for s in secrets],
        optActions={
            config: CompleteFiles("*.toml"),
            **{setting.name: _completer(setting.form) for setting in valued},
            **{setting.file_name: CompleteFiles() for setting in secrets},
        },
    )


def _completer(form: Form) -> Completer:
    if form.path == "directory":
        return CompleteDirs(descr=form.word)
    if form.path == "file":
        return CompleteFiles(descr=form.word)
    if form.choices:
        complete = CompleteMultiList if form.has_commas else CompleteList
        return complete(form.choices, descr=form.word)
    # Only a word for what is wanted: by default zsh would offer all files.
    return Completer(descr=form.word)
