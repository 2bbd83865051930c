"""In which form values are written: what reads them, and what helps to write them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from attrs import frozen

from tustwisted.config.values import (
    parse_mode,
    parse_port,
    parse_size,
    parse_switch,
    parse_time,
)


@frozen
class Form:
    """
    How a value is written.

    :param word: stands for a value in the documentation.
    :param parse: reads one; raises ``ValueError`` with a sentence: what is one?
    :param is_number: in the file it may be a number.
    :param has_commas: it is a list with commas; in the file it may be an array.
    :param choices: words that are values, for who completes them; there may be more.
    :param path: ``"file"`` or ``"directory"`` where it is the path of one.
    """

    word: str
    parse: Callable[[str], Any]
    is_number: bool = False
    has_commas: bool = False
    choices: tuple[str, ...] = ()
    path: str = ""


def number_to(most: int) -> Form:
    """Make the form of whole numbers from 1."""

    def parse(text: str) -> int:
        if text.isascii() and text.isdigit() and len(text) <= 10:
            number = int(text)
            if 1 <= number <= most:
                return number
        raise ValueError(f"must be a number from 1 to {most}")

    return Form("N", parse, is_number=True)


def one_of(kinds: type[Enum]) -> Form:
    """Make the form of a choice, by the values of an enum."""
    choices = tuple(kind.value for kind in kinds)

    def parse(text: str) -> Enum:
        if text not in choices:
            raise ValueError(f"must be {_either(choices)}")
        return kinds(text)

    return Form("WORD", parse, choices=choices)


def _either(choices: Iterable[str]) -> str:
    *others, last = choices
    return f"{', '.join(others)} or {last}"


def _parse_path(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError("must name a file or a directory")
    return text


SIZE = Form("SIZE", parse_size, is_number=True)
TIME = Form("TIME", parse_time, is_number=True)
MODE = Form("MODE", parse_mode)
PORT = Form("PORT", parse_port, is_number=True)
TEXT = Form("TEXT", str)
FILE = Form("FILE", _parse_path, path="file")
DIRECTORY = Form("DIR", _parse_path, path="directory")
SWITCH = Form("SWITCH", parse_switch, choices=("true", "false"))
