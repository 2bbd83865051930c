"""Reading a configuration from all that may say something."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.config.origins import ConfigurationError
from tustwisted.config.reading import Reading, changed, read_settings
from tustwisted.config.setting import settings_of
from tustwisted.config.settings import PARTS, SETTINGS, Settings
from tustwisted.config.sources import (
    from_credentials,
    from_environment,
    from_file,
    from_words,
)
from tustwisted.lock.redis.url import parse_redis_url
from tustwisted.protocol.events import EventType
from tustwisted.workers.words import Words


class ReadingCase(SynchronousTestCase):
    """Knows files, and how reading fails."""

    def file(self, text: str, name: str = "tus.toml") -> str:
        """Make a file; return its path."""
        path = Path(self.mktemp())
        path.mkdir()
        (path / name).write_text(text)
        return str(path / name)

    def read(self, toml: str, **environ: str) -> Reading:
        """Read a file, and variables."""
        return read_settings(environ, self.file(toml))

    def assert_refused(
        self,
        sentence: str,
        environ: Mapping[str, str] | None = None,
        config: str | None = None,
        **words: str,
    ) -> None:
        """Reading ends with one sentence, which says so."""
        said = {name.replace("_", "-"): [text] for name, text in words.items()}
        with self.assertRaises(ConfigurationError) as caught:
            read_settings(environ or {}, config, said)
        self.assertIn(sentence, str(caught.exception))
        self.assertNotIn("\n", str(caught.exception))
        self.assertNotIn("hunter2", str(caught.exception))


class PrecedenceTests(ReadingCase):
    """Which of several values holds."""

    def test_order(self) -> None:
        """A flag wins over the environment, that over the file, that over defaults."""
        file = self.file('max-size = 1\nhost = "h1"\nworkers = 4\n')
        environ = {"TUS_MAX_SIZE": "2", "TUS_HOST": "h2"}
        reading = read_settings(environ, file, {"max-size": ["3"]})
        settings = reading.settings
        self.assertEqual((settings.max_size, settings.host), (3, "h2"))
        self.assertEqual((settings.workers, settings.base_path), (4, "/files/"))
        named = {name: given.named for name, given in reading.given.items()}
        self.assertEqual(
            named,
            {
                "max-size": "--max-size",
                "host": "TUS_HOST",
                "workers": f"workers in {file}",
            },
        )

    def test_several_values_are_not_mixed(self) -> None:
        """What may be repeated comes whole from one source."""
        file = self.file('port = [1080, "unix:/run/x"]\ncors-origin = "http://a"\n')
        settings = read_settings({"TUS_PORT": "80  81\n82"}, file).settings
        self.assertEqual(settings.port, ("80", "81", "82"))
        self.assertEqual(settings.cors_origin, ("http://a",))
        self.assertEqual(read_settings({}, file).settings.port, ("1080", "unix:/run/x"))

    def test_file_is_named_by_flag_or_variable(self) -> None:
        """TUS_CONFIG names the file, unless a flag does; an empty one names none."""
        one, two = self.file("workers = 1"), self.file("workers = 2")
        environ = {"TUS_CONFIG": one}
        self.assertEqual(read_settings(environ).settings.workers, 1)
        self.assertEqual(read_settings(environ, two).settings.workers, 2)
        for text in ("", " \n"):
            self.assertEqual(read_settings({"TUS_CONFIG": text}).given, {})
        self.assert_refused("TUS_config: must be in cap", {"TUS_config": one})

    def test_empty_variable_says_nothing(self) -> None:
        """It is what a template makes of what nobody has set."""
        for text in ("", " \n"):
            environ = {"TUS_MAX_SIZE": text, "TUS_PORT": text}
            self.assertEqual(read_settings(environ).settings, Settings())

    def test_other_variables_are_none_of_ours(self) -> None:
        """Only what begins with TUS_ is looked at."""
        environ = {"TUSTWISTED_X": "1", "PATH": "/bin", "tus_host": "h"}
        self.assertEqual(read_settings(environ).settings, Settings())


class FormTests(ReadingCase):
    """How values are written."""

    def test_every_setting_can_be_given_in_every_way(self) -> None:
        """The example, or the default, of each is read alike from all three."""
        for setting in SETTINGS.values():
            texts = setting.default or (setting.example,)
            expected = setting.read(texts)
            text = " ".join(texts)
            toml = f'{setting.name} = "{texts[0]}"'
            if setting.is_many:
                toml = f"{setting.name} = {list(texts)}"
            for given in (
                from_environment({setting.variable: text}),
                from_file(self.file(toml), "--config"),
                from_words({setting.name: texts}),
            ):
                found = given[setting.name]
                self.assertEqual(setting.read(found.texts), expected, setting.name)

    def test_every_option(self) -> None:
        """Each setting but one is an option of the command line, maybe a short one."""
        for setting in SETTINGS.values():
            expected = setting.read(setting.default or (setting.example,))
            texts = setting.default or (setting.example,)
            if setting.is_switch:
                expected, texts = not expected, ()
            flags = [f"--{setting.flag}"] if setting.has_flag else []
            if setting.short is not None:
                flags.append(f"-{setting.short}")
            for flag in flags:
                words = Words()
                words.parseOptions([flag, *texts])
                (found,) = from_words(words.given()).values()
                self.assertEqual(found.setting.name, setting.name)
                self.assertEqual(setting.read(found.texts), expected, flag)
        without = [name for name, s in SETTINGS.items() if not s.has_flag]
        self.assertEqual(without, ["enabled"])

    def test_every_credential(self) -> None:
        """A setting is one if it is a secret, or names a file with some; no other."""
        for setting in SETTINGS.values():
            path = Path(self.file(setting.example, f"tus.{setting.name}"))
            environ = {"CREDENTIALS_DIRECTORY": str(path.parent)}
            if setting.is_secret or setting.is_credential:
                (found,) = from_credentials(environ).values()
                text = setting.example if setting.is_secret else str(path)
                self.assertEqual(
                    (found.setting.name, found.texts), (setting.name, (text,))
                )
            else:
                self.assert_refused(f"tus.{setting.name}: is no secret", environ)

    def test_file(self) -> None:
        """Numbers, truths, texts and arrays are written as TOML has them."""
        settings = self.read(
            "max-size = 1048576\nexpire-after = 1.5\nbehind-proxy = true\n"
            'downloads = false\nfile-mode = "600"\nhooks-dir = "h"\n'
            'hooks-enabled-events = ["pre-create", "post-finish"]\n'
            'disable = ["termination"]\n'
        ).settings
        self.assertEqual((settings.max_size, settings.expire_after), (2**20, 1.5))
        self.assertEqual((settings.behind_proxy, settings.downloads), (True, False))
        self.assertEqual(settings.file_mode, 0o600)
        wanted = {EventType.PRE_CREATE, EventType.POST_FINISH}
        self.assertEqual(settings.hooks_enabled_events, wanted)

    def test_switches(self) -> None:
        """A variable switches off what is on, and a flag what a variable left on."""
        self.assertFalse(read_settings({"TUS_DOWNLOADS": "no"}).settings.downloads)
        self.assertFalse(read_settings({"TUS_ENABLED": "false"}).settings.enabled)
        reading = read_settings({"TUS_DOWNLOADS": "1"}, None, {"downloads": ["false"]})
        self.assertFalse(reading.settings.downloads)
        self.assertEqual(reading.given["downloads"].named, "--no-downloads")

    def test_schema_is_whole(self) -> None:
        """Each field of the schema is a setting of one part, and can be explained."""
        names = [setting.name for part in PARTS for setting in settings_of(part)]
        self.assertEqual(sorted(names), sorted(s.name for s in settings_of(Settings)))
        for setting in SETTINGS.values():
            self.assertTrue(setting.meaning.endswith("."), setting.name)
            self.assertTrue(setting.default or setting.example, setting.name)
            self.assertTrue(setting.default or setting.otherwise, setting.name)


class RefusedTests(ReadingCase):
    """What ends with one sentence that names it as it was given."""

    def test_bad_values(self) -> None:
        """The value is named with its name there."""
        file = self.file('max-size = "much"\n')
        self.assert_refused("--max-size much: must be a size", max_size="much")
        environ = {"TUS_MAX_SIZE": "much"}
        self.assert_refused("TUS_MAX_SIZE=much: must be a size", environ)
        self.assert_refused(f"max-size = much in {file}: must be a size", None, file)

    def test_unknown(self) -> None:
        """A name that is none is told, with one that is like it."""
        file = self.file("max_sise = 1\n")
        self.assert_refused(
            f"max_sise in {file}: there is no such setting: is max-size meant?",
            None,
            file,
        )
        self.assert_refused(
            "TUS_MAX_SICE: there is no such setting: is TUS_MAX_SIZE meant?",
            {"TUS_MAX_SICE": "1"},
        )
        for name in ("SERVICE_HOST", "SERVICE_PORT_HTTP", "PORT_1080_TCP_ADDR"):
            self.assert_refused("enableServiceLinks: false", {f"TUS_{name}": "1"})
        for variable in ("TUS_Host", "TUS_config"):
            self.assert_refused(
                f"{variable}: must be in capital letters", {variable: "h"}
            )
        self.assert_refused("TUS_a\\nb: must be in", {"TUS_a\nb": "1"})

    def test_bad_files(self) -> None:
        """A file that cannot be read, is no TOML, or is not flat."""
        self.assert_refused("--config missing: No such file", None, "missing")
        self.assert_refused("TUS_CONFIG missing: No such", {"TUS_CONFIG": "missing"})
        for text, sentence in (
            ("max-size", "is no TOML: "),
            ("[tus]\nhost = 1", "tus in "),
            ("host = 1", "must be a text in quotes"),
            ("file-mode = 0o664", "must be a text in quotes"),
            ("behind-proxy = 1", "must be true or false"),
            ("max-size = 1979-05-27", "must be a text in quotes"),
            ("max-size = true", "must be a text in quotes"),
            ('host = ["a"]', "must be one value, no array"),
            ("port = []", "must be at least one value"),
            ("port = [[1]]", "must be a text in quotes"),
            ("max-size = -1", "max-size = -1 in "),
            ("expire-after = nan", "must be a time"),
            ('"a\\nb" = 1', "a\\nb in "),
            ('max-size = "a\\nb"', "max-size = a\\nb in "),
            (f"port = {'[' * 5000}", "nested too deeply, or too long"),
            (f"max-size = {'9' * 5000}", "nested too deeply, or too long"),
            (f"max-size = 0x{'f' * 5000}", "the number is too long"),
            (f'max-size = "{"9" * 5000}"', f"max-size = {'9' * 200}... in "),
            (f"{'a' * 5000} = 1", f"{'a' * 200}... in "),
            ('upload-dir = "a\\u0000b"', "must not have \\u0000"),
            ('locker-file = "a\\u0000b"', "must not have \\u0000"),
        ):
            self.assert_refused(sentence, None, self.file(text))

    def test_no_file_but_something_else(self) -> None:
        """A pipe without a writer is not waited for, nor a device read for ever."""
        pipe = self.mktemp()
        os.mkfifo(pipe)
        huge = self.file("")
        os.truncate(huge, 1_000_000_000)
        for path, sentence in (
            (pipe, "the file is none, but something else"),
            ("/dev/zero", "the file is none, but something else"),
            (huge, "the file is too large"),
        ):
            self.assert_refused(f"--config {path}: {sentence}", None, path)
            self.assert_refused(f"--locker-file {path}: {sentence}", locker_file=path)

    def test_what_goes_together_is_told_in_the_same_way(self) -> None:
        """Other settings are named as one would give them there."""
        self.assert_refused(
            "TUS_HOOKS_HTTP_RETRY: means nothing without TUS_HOOKS_HTTP: omit it",
            {"TUS_HOOKS_HTTP_RETRY": "5"},
        )
        file = self.file("drop-records = true")
        self.assert_refused(
            f"drop-records in {file}: means nothing without finished-dir: omit it",
            None,
            file,
        )
        self.assertFalse(self.read("drop-records = false").settings.drop_records)

    def test_locks_of_a_single_process(self) -> None:
        """Several workers and the locker of a single process do not go together."""
        self.assert_refused(
            "--workers 2: several processes cannot share the locks of --locker memory: "
            "choose --locker file",
            workers="2",
            locker="memory",
        )
        self.assert_refused("--workers 2: several", workers="2", store="a:b")
        read_settings({}, None, {"workers": ["2"], "locker": ["file"]})


class SecretTests(ReadingCase):
    """What is not for everybody's eyes."""

    URL = "redis://me:hunter2@h/1"

    def test_files(self) -> None:
        """Each way to give a secret has one to give a file that holds it."""
        secret = self.file(f"\n{self.URL}\n", "redis")
        expected = parse_redis_url(self.URL)
        for reading in (
            read_settings({}, None, {"locker-file": [secret]}),
            read_settings({"TUS_LOCKER_FILE": secret}),
            self.read(f'locker-file = "{secret}"'),
        ):
            self.assertEqual(reading.settings.locker, expected)
        hooks = self.file("http://a/\n\nhttp://b/?k=hunter2\n", "hooks")
        reading = read_settings({"TUS_HOOKS_HTTP_FILE": hooks})
        self.assertEqual(len(reading.settings.hooks_http), 2)

    def test_credentials(self) -> None:
        """A credential holds a secret, or is the file that a setting names."""
        directory = os.path.dirname(self.file(self.URL, "tus.locker"))
        Path(directory, "tus.auth-tokens").write_text("anna hunter2\n")
        Path(directory, "other").write_text("of somebody else's\n")
        environ = {"CREDENTIALS_DIRECTORY": directory}
        reading = read_settings(environ)
        self.assertEqual(reading.settings.locker, parse_redis_url(self.URL))
        tokens = os.path.join(directory, "tus.auth-tokens")
        self.assertEqual(reading.settings.auth_tokens, tokens)
        self.assertEqual(reading.given["locker"].named, "credential tus.locker")
        won = read_settings({**environ, "TUS_LOCKER": "memory"})
        self.assertEqual(won.given["locker"].named, "TUS_LOCKER")

    def test_bad_credentials(self) -> None:
        """One that no setting takes is named."""
        for name, sentence in (
            ("tus.host", "credential tus.host: is no secret"),
            ("tus.lock", "credential tus.lock: there is no such setting"),
            ("tus.locker-file", "is credential tus.locker meant?"),
            ("tus.locker", "credential tus.locker: must be memory, file, or"),
        ):
            directory = os.path.dirname(self.file("hunter2", name))
            self.assert_refused(sentence, {"CREDENTIALS_DIRECTORY": directory})
        self.assert_refused("CREDENTIALS_DIRECTORY: ", {"CREDENTIALS_DIRECTORY": "/no"})

    def test_bad_values(self) -> None:
        """A word that is none is shown; what may have a password in it is not."""
        self.assert_refused("--locker fiel: must be memory", locker="fiel")
        for text in ("redis://me:hunter2@", "redis//hunter2@h", "me@hunter2"):
            self.assert_refused("TUS_LOCKER: ", {"TUS_LOCKER": text})

    def test_bad_files(self) -> None:
        """A file that is missing, empty or too long is named; its content is not."""
        for text, sentence in (
            ("", "the file must have one line, the value"),
            ("a\nhunter2\n", "the file must have one line, the value"),
            ("ftp:hunter2", "it must be redis://"),
        ):
            self.assert_refused(sentence, locker_file=self.file(text, "s"))
        self.assert_refused("--locker-file missing: No such", locker_file="missing")
        binary = Path(self.file("", "s"))
        binary.write_bytes(b"\xff\xfe")
        self.assert_refused("is no text in UTF-8", locker_file=str(binary))
        self.assert_refused(
            "--locker: must not come with --locker-file",
            locker="file",
            locker_file=self.file("file", "s"),
        )


class ChangedTests(ReadingCase):
    """What differs between two configurations."""

    def test_names(self) -> None:
        """Settings with other values are named, in the order of the schema."""
        before = self.read("max-size = 1\nport = 80").settings
        after = self.read("max-size = 2\nport = 80\nbehind-proxy = true").settings
        self.assertEqual(changed(before, after), ["behind-proxy", "max-size"])
        self.assertEqual(changed(before, before), [])
