"""What a shell is told to complete, by the generator that ``twistd`` has for zsh."""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import BytesIO

from twisted.python import usage
from twisted.scripts._twistd_unix import ServerOptions
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.admin import Options as AdminOptions
from tustwisted.config.settings import SETTINGS

EXPECTED = (
    "'--durability=[{meaning}]:WORD:(none finish strict)' \\",
    "'(-d)--upload-dir=[{meaning}]:DIR:_directories' \\",
    "'--jwt-key-file=[{meaning}]:FILE (*):_files -g \"*\"' \\",
    "'--max-size=[{meaning}]:SIZE:' \\",
    "'*--port=[{meaning}]:PORT:' \\",
    "'--no-downloads[{flag_meaning}]' \\",
    "'(--hooks-redis-url-file)--hooks-redis-url=[{meaning}]:URL:' \\",
)
"""Whole lines of the generated function: a choice, paths, a word, and switches."""


class CompletionTests(SynchronousTestCase):
    """The function that zsh is given for a command line."""

    def completed(self, options: usage.Options, *words: str) -> Sequence[str]:
        """Complete the last word, which is empty; return the lines of the function."""
        written = BytesIO()
        options._shellCompFile = written
        line = [*words, "", "--_shell-completion", f"zsh:{len(words) + 2}"]
        ended = self.assertRaises(SystemExit, options.parseOptions, line)
        self.assertEqual(ended.code, 0)
        lines = written.getvalue().decode().splitlines()
        self.assertTrue(lines[0].startswith("#compdef "))
        self.assertIn("&& return 0", lines)
        return lines

    def test_daemon(self) -> None:
        """Each option is offered after ``twistd tus``, with what may follow it."""
        lines = self.completed(ServerOptions(), "-n", "tus")
        for setting in SETTINGS.values():
            if setting.has_flag:
                self.assertTrue(any(f"--{setting.flag}" in line for line in lines))
        for template in EXPECTED:
            name = template.partition("[")[0].rpartition("--")[2].rstrip("=")
            setting = SETTINGS[name.removeprefix("no-")]
            line = template.format(
                meaning=setting.meaning, flag_meaning=setting.flag_meaning
            )
            self.assertIn(line, lines)
        (events,) = (line for line in lines if "--hooks-enabled-events" in line)
        self.assertIn(":EVENTS:_values -s , 'EVENTS' pre-access pre-create", events)
        (config,) = (line for line in lines if "--config=" in line)
        self.assertIn('_files -g "*.toml"', config)

    def test_no_files_for_other_values(self) -> None:
        """Files are offered only where a value is the path of one."""
        lines = self.completed(ServerOptions(), "tus")
        of_tus = "\n".join(lines[lines.index("&& return 0") :])
        offered = re.findall(r"--([a-z-]+)=\[.*:_files", of_tus)
        files = {s.name for s in SETTINGS.values() if s.form.path == "file"}
        secrets = {s.file_name for s in SETTINGS.values() if s.is_secret}
        self.assertEqual(set(offered), {"config", *files, *secrets})

    def test_console_script(self) -> None:
        """``tustwisted`` offers its commands, and those of a group."""
        lines = self.completed(AdminOptions())
        self.assertTrue(any(line.startswith('"events:') for line in lines))
        lines = self.completed(AdminOptions(), "events")
        self.assertIn("':command:(list redeliver drop resend)' \\", lines)
