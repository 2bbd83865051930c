"""
Reads a Dockerfile: its stages, and the instructions of each.

Knows what ours has: comments, continued lines, ``ARG`` before the first stage,
variables with curly brackets or without, and lists in JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field, frozen


@frozen
class Instruction:
    """One instruction, as ``RUN`` and what follows it."""

    name: str
    rest: str

    def words(self) -> list[str]:
        """Return what follows as words that were apart by spaces."""
        return self.rest.split()

    def command(self) -> list[str]:
        """
        Return the command that follows in exec form, after options and ``CMD``.

        :raises ValueError: it is in shell form, or no list of strings.
        """
        command = json.loads(self.rest[self.rest.index("[") :])
        if not isinstance(command, list) or not all(
            isinstance(w, str) for w in command
        ):
            raise ValueError(f"{self.name} {self.rest}: is no list of strings")
        return command


@define
class Stage:
    """What is between one ``FROM`` and the next."""

    base: str
    name: str | None
    instructions: list[Instruction] = field(factory=list)

    def last(self, name: str) -> Instruction:
        """
        Return the one that holds in the end.

        :raises KeyError: there is none.
        """
        for instruction in reversed(self.instructions):
            if instruction.name == name:
                return instruction
        raise KeyError(name)


def read_stages(path: Path) -> list[Stage]:
    """Read a file."""
    stages: list[Stage] = []
    arguments: dict[str, str] = {}
    for line in _lines(path.read_text()):
        name, _, rest = line.partition(" ")
        if name == "ARG" and not stages:
            key, _, value = rest.partition("=")
            arguments[key] = value
        elif name == "FROM":
            match = re.fullmatch(r"(\S+)(?: AS (\S+))?", substitute(rest, arguments))
            assert match is not None, line
            stages.append(Stage(match[1], match[2]))
        else:
            stages[-1].instructions.append(Instruction(name, rest.strip()))
    return stages


def substitute(text: str, variables: dict[str, str]) -> str:
    """
    Put the values of variables in.

    :raises KeyError: one is not known.
    """
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda m: variables[m[1] or m[2]], text)


def context_files(ignored: Path, root: Path) -> set[str]:
    """
    Tell what is sent to an engine: all that is below ``root``, less what is ignored.

    :param ignored: a ``.dockerignore`` whose patterns are paths, ``*`` and ``**/name``.
    """
    lines = ignored.read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    files = (file.relative_to(root) for file in root.rglob("*") if file.is_file())
    return {str(file) for file in files if not _is_ignored(file, patterns)}


def _is_ignored(file: Path, patterns: list[str]) -> bool:
    is_ignored = False
    for pattern in patterns:
        name = pattern.removeprefix("!").removeprefix("**/")
        above = [*file.parents, file]
        matches = name == "*" or Path(name) in above
        if pattern.startswith("**/"):
            matches = name in file.parts
        if matches:
            is_ignored = not pattern.startswith("!")
    return is_ignored


def _lines(text: str) -> Iterator[str]:
    kept = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(kept).replace("\\\n", " ")
    return (line for line in joined.splitlines() if line.strip())
