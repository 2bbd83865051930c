"""
Does what a Dockerfile says, with what Linux has: overlays and namespaces.

A stage is a directory that is laid over the root of this machine, which stands in for
the base image. Nothing outside of that directory changes, and every mount ends with the
process that needed it. The daemon runs as the first process of a namespace, as in a
container, and has a loopback interface of its own, so its port is always free.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from attrs import define, field

from tests.integration.daemon import until
from tests.packaging.dockerfile import Instruction, Stage, substitute
from tests.packaging.environments import borrow

TIMEOUT_S = 600
"""For one step; with a package index the longest fetches some twenty wheels."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

IN_STAGE = """
set -e
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount --rbind /dev "$1/root/dev"
mount -t proc proc "$1/root/proc"
"$2" -c "
import fcntl, socket, struct
up = struct.pack('16sh', b'lo', 0x41)  # IFF_UP, IFF_RUNNING
fcntl.ioctl(socket.socket(), 0x8914, up)  # SIOCSIFFLAGS
"
root=$1/root user=$3 directory=$4
shift 4
exec chroot --userspec="$user" --groups= "$root" env -i -C "$directory" "$@"
"""

TWISTD = """#!/usr/bin/env python
from twisted.scripts.twistd import run
run()
"""


@define(eq=False)
class Layer:
    """
    What the instructions of a stage have made so far.

    :param place: an empty directory.
    :param context: what ``COPY`` copies from.
    """

    place: Path
    context: Path
    variables: dict[str, str] = field(factory=lambda: {"PATH": PATH})
    user: str = "0:0"
    directory: str = "/"

    def __attrs_post_init__(self) -> None:
        for name in ("upper", "work", "root"):
            (self.place / name).mkdir(parents=True)
        python = Path(sys.executable).resolve()
        self.let_pass(python.parent)
        # No link: an environment that is made by one would look for its library there.
        self.write_command("python", f'#!/bin/sh\nexec {python} "$@"\n')

    def inside(self, path: str) -> Path:
        """Tell where something of this layer lies; what the base has is not there."""
        return self.place / "upper" / path.lstrip("/")

    def let_pass(self, path: Path) -> None:
        """Let everybody into a directory of the base."""
        for parent in reversed([path, *path.parents]):
            self.inside(str(parent)).mkdir(exist_ok=True)

    def write_command(self, name: str, content: str) -> None:
        """Let the base have a command."""
        command = self.inside(f"/usr/local/bin/{name}")
        command.parent.mkdir(parents=True, exist_ok=True)
        command.write_text(content)
        command.chmod(0o755)

    def borrow_packages(self) -> None:
        """Let the base have all that is installed here, so that pip fetches nothing."""
        borrow(self.inside("/borrowed"))
        self.let_pass(Path(sysconfig.get_path("purelib")))
        self.write_command("twistd", TWISTD)
        self.variables.update(PYTHONPATH="/borrowed", PIP_NO_INDEX="1")
        self.variables.update(PIP_NO_COMPILE="1")  # two seconds less

    def take(self, instruction: Instruction, others: dict[str, Layer]) -> None:
        """
        Do what an instruction says.

        :param others: the stages before this one.
        """
        name, rest = instruction.name, instruction.rest
        if name == "ENV":
            pairs = substitute(rest, self.variables).split()
            for key, _, value in (pair.partition("=") for pair in pairs):
                self.variables[key] = value
        elif name == "WORKDIR":
            self.directory = rest
            self.inside(rest).mkdir(parents=True)
        elif name == "COPY":
            self._copy(instruction.words(), others)
        elif name == "RUN":
            self.run(["sh", "-c", rest])
        elif name == "USER":
            self.user = rest

    def _copy(self, words: list[str], others: dict[str, Layer]) -> None:
        *sources, target = [word for word in words if not word.startswith("--from=")]
        for source in sources:
            origin = self.context / source
            if len(sources) + 1 < len(words):
                origin = others[words[0].removeprefix("--from=")].inside(source)
            into = self.inside(os.path.join(self.directory, target))
            if origin.is_dir():
                shutil.copytree(origin, into, symlinks=True, dirs_exist_ok=True)
            else:
                into.mkdir(parents=True, exist_ok=True)
                shutil.copy2(origin, into)

    def run(self, command: Sequence[str]) -> None:
        """
        Run a command of the image, which must succeed.

        :raises AssertionError: it did not.
        """
        status, said = self.try_run(command)
        if status:
            raise AssertionError(f"{command} ended with {status}:\n{said}")

    def try_run(self, command: Sequence[str], *unshared: str) -> tuple[int, str]:
        """Run a command of the image; return its exit status and what it wrote."""
        done = subprocess.run(
            self._in_stage(command, unshared),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return done.returncode, done.stdout

    def start(self, command: Sequence[str], log: IO[bytes]) -> Container:
        """Run the command that an image is for."""
        process = subprocess.Popen(
            self._in_stage(command, ["--net"]),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        container = Container(self, process)
        container.wait()
        return container

    def words_for(self, command: Iterable[str]) -> list[str]:
        """Put the variables of the image before a command."""
        return [*(f"{key}={value}" for key, value in self.variables.items()), *command]

    def _in_stage(self, command: Sequence[str], unshared: Sequence[str]) -> list[str]:
        space = ("unshare", "--mount", "--pid", "--fork", "--kill-child", *unshared)
        of_stage = (str(self.place), sys.executable, self.user, self.directory)
        entry = (*space, "sh", "-c", IN_STAGE, "sh", *of_stage)
        return [*entry, *self.words_for(command)]


@define(eq=False)
class Container:
    """A command that runs, as the first of its processes."""

    image: Layer
    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """
        The number of the first process, outside.

        :raises AssertionError: it has ended.
        """
        children = self._children()
        if not children:
            raise AssertionError("the container has ended")
        return children[0]

    def wait(self) -> None:
        """Wait until there is a first process."""
        until(lambda: bool(self._children()), "a container has a process")

    def _children(self) -> list[int]:
        own = self.process.pid
        children = Path(f"/proc/{own}/task/{own}/children").read_text()
        return [int(child) for child in children.split()]

    def execute(self, command: Sequence[str]) -> tuple[int, str]:
        """Run one more command in it, as its user."""
        user, _, group = self.image.user.partition(":")
        spaces = ("--target", str(self.pid), "--mount", "--net", "--pid", "--root")
        enter = ("nsenter", *spaces, "--wd", "--setuid", user, "--setgid", group)
        done = subprocess.run(
            [*enter, "env", "-i", *self.image.words_for(command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return done.returncode, done.stdout

    def stop(self, name: str) -> int:
        """Send a signal to it by its name, and return its exit status."""
        os.kill(self.pid, signal.Signals[name])
        return self.process.wait(TIMEOUT_S)

    def kill(self) -> None:
        """Let it end; harmless when it has."""
        self.process.kill()
        self.process.wait(TIMEOUT_S)


def replay(stages: Sequence[Stage], layers: Sequence[Layer]) -> Layer:
    """Do all that the stages say, each in a layer of its own; return the last one."""
    named: dict[str, Layer] = {}
    for stage, layer in zip(stages, layers, strict=True):
        for instruction in stage.instructions:
            layer.take(instruction, named)
        if stage.name is not None:
            named[stage.name] = layer
    return layers[-1]
