"""The scripts for node: each is a program of its own, steered by lines of text."""

from __future__ import annotations

import json
import subprocess
from typing import IO

from attrs import define, field

from tests.clients.tools import JS, ClientCase
from tests.integration.content import Running
from tests.integration.daemon import environment, until
from tests.integration.raw import LIMIT_S


@define(eq=False)
class Script:
    """
    A script that runs; it ends with its test.

    :param name: the file, without its suffix.
    :param arguments: what stands after it on the command line.
    """

    test: ClientCase
    name: str
    arguments: tuple[str, ...]
    process: subprocess.Popen[bytes] = field(init=False)
    _heard: int = 0

    def __attrs_post_init__(self) -> None:
        script = str(JS / f"{self.name}.js")
        place = self.test.daemon.place
        with open(self._output, "xb") as output, open(place / "errors", "ab") as errors:
            self.process = subprocess.Popen(
                ("node", script, *self.arguments),
                cwd=place,
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=errors,
            )
        self.test.addCleanup(self.kill)

    @property
    def _output(self) -> str:
        return str(self.test.daemon.place / f"output-{id(self)}")

    @property
    def _input(self) -> IO[bytes]:
        assert self.process.stdin is not None
        return self.process.stdin

    def say(self, word: str) -> None:
        """Write a line to it."""
        self._input.write(f"{word}\n".encode())
        self._input.flush()

    def say_all(self, content: bytes) -> None:
        """Write all that it will read."""
        Running(lambda: self._input.write(content)).done()
        self._input.close()

    def hear(self) -> str:
        """Wait for its next line."""
        until(lambda: self._heard < len(self._lines()) or self._ended(), "a line")
        lines = self._lines()
        if self._heard == len(lines):
            raise AssertionError(f"{self.name} said nothing more:\n{self._errors()}")
        self._heard += 1
        return lines[self._heard - 1]

    def done(self) -> str:
        """Wait for its good end; return its last line."""
        self._input.close()
        code = self.process.wait(LIMIT_S)
        if code:
            raise AssertionError(f"{self.name} ended with {code}:\n{self._errors()}")
        return self._lines()[-1]

    def failed(self) -> str:
        """Wait for its bad end; return what it wrote of it."""
        code = self.process.wait(LIMIT_S)
        self.test.assertEqual(code, 1)
        return self._errors()

    def kill(self) -> None:
        """Send SIGKILL and wait for its end; harmless when it has ended."""
        self.process.kill()
        self.process.wait(LIMIT_S)
        self._input.close()

    def _ended(self) -> bool:
        return self.process.poll() is not None

    def _lines(self) -> list[str]:
        with open(self._output) as output:
            *lines, _ = output.read().split("\n")
        return lines

    def _errors(self) -> str:
        return (self.test.daemon.place / "errors").read_text()


class NodeCase(ClientCase):
    """A test that runs tus-js-client."""

    tools = ("tus-js-client",)

    def script(self, name: str, *arguments: object) -> Script:
        """Run a script."""
        return Script(self, name, tuple(str(argument) for argument in arguments))

    def upload(self, **options: object) -> str:
        """Upload the file in one go; return the URL."""
        url, source = self.wire.url, self.source
        return self.script("upload", url, source, json.dumps(options)).done()
