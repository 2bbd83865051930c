"""The settings of hooks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.config.support import SettingsCase, parsed, settings
from tustwisted.hooks.address import parse_hook_url
from tustwisted.hooks.retry import RetryRule
from tustwisted.hooks.rules import HttpRules
from tustwisted.hooks.settings import HookSettings
from tustwisted.lock.redis.url import parse_redis_url
from tustwisted.protocol.events import EventType

URL = "http://hooks.example/x"


class HookSettingsTests(SynchronousTestCase):
    """What a command line means."""

    def test_defaults(self) -> None:
        """Without a word there are no hooks; their settings are tusd's, or generous."""
        options = settings()
        self.assertEqual((options.hooks_http, options.hooks_python), ((), ()))
        self.assertIsNone(options.hooks_dir)
        self.assertIsNone(options.hooks_redis_stream)
        self.assertEqual(options.http_rules, HttpRules())
        self.assertEqual(options.hooks_enabled_events, frozenset(EventType))
        for name, value in (
            ("hooks_dir_timeout", 15.0),
            ("hooks_redis_stream_length", 100_000),
            ("progress_hooks_interval", 1.0),
            ("progress_hooks_bytes", 16 * 2**20),
            ("hooks_outbox_limit", 100_000),
            ("hooks_give_up_after", 86400.0),
        ):
            self.assertEqual(getattr(options, name), value, name)

    def test_http(self) -> None:
        """Several URLs may be given; the rules are for all of them."""
        options = settings(
            *("--hooks-http", URL, "--hooks-http", f"{URL}/y"),
            *("--hooks-http-forward-headers", "Authorization, X-User"),
            *("--hooks-http-retry", "5", "--hooks-http-backoff", "0.5s"),
            *("--hooks-http-timeout", "1m", "--hooks-http-size-limit", "64KiB"),
            *("--hooks-http-max-in-flight", "8", "--hooks-http-secret-file", "s"),
        )
        self.assertEqual(
            options.hooks_http, (parse_hook_url(URL), parse_hook_url(f"{URL}/y"))
        )
        self.assertEqual(
            options.http_rules,
            HttpRules(
                ("Authorization", "X-User"), RetryRule(5, 0.5), 60.0, 65536, 8, "s"
            ),
        )

    def test_events(self) -> None:
        """Events are chosen by their names."""
        options = settings(
            "--hooks-dir", "d", "--hooks-enabled-events", "pre-create, post-finish"
        )
        self.assertEqual(
            options.hooks_enabled_events,
            {EventType.PRE_CREATE, EventType.POST_FINISH},
        )

    def test_redis(self) -> None:
        """The stream is in the Redis of the locks, or in one of its own."""
        stream = ("--hooks-redis-stream", "uploads")
        options = settings(*stream, "--locker", "redis://:a@h/1")
        self.assertEqual(options.redis_of_hooks, parse_redis_url("redis://:a@h/1"))
        options = settings(*stream, "--hooks-redis-url", "unix:/run/r.sock")
        self.assertEqual(options.redis_of_hooks, parse_redis_url("unix:/run/r.sock"))

    def test_others(self) -> None:
        """The others are read as what they are."""
        options = settings(
            *("--hooks-python", "my.hooks:make", "--hooks-python", "plugged"),
            *("--hooks-dir", "d", "--hooks-dir-timeout", "5s"),
            *("--progress-hooks-interval", "250", "--progress-hooks-bytes", "1MiB"),
            *("--hooks-outbox-limit", "10", "--hooks-give-up-after", "1h"),
        )
        self.assertEqual(options.hooks_python, ("my.hooks:make", "plugged"))
        self.assertEqual(options.hooks_dir_timeout, 5.0)
        self.assertEqual(options.progress_hooks_interval, 250.0)
        self.assertEqual(options.progress_hooks_bytes, 2**20)
        self.assertEqual(options.hooks_outbox_limit, 10)
        self.assertEqual(options.hooks_give_up_after, 3600.0)

    def test_rules_for_all(self) -> None:
        """What holds for all hooks is told."""
        words = (
            *("--hooks-http", "http://a/", "--hooks-http-forward-headers", "Cookie"),
            *("--progress-hooks-interval", "5s", "--progress-hooks-bytes", "1KiB"),
            *("--hooks-outbox-limit", "7", "--hooks-give-up-after", "1m"),
        )
        expected = HookSettings(5.0, 1024, 7, 60.0, ("Cookie",))
        self.assertEqual(settings(*words).hooks, expected)
        self.assertEqual(settings().hooks, HookSettings())


class RefusedTests(SettingsCase):
    """What ends the command with one sentence."""

    def test_bad_values(self) -> None:
        """A value that cannot be used is named."""
        http = ("--hooks-http", URL)
        for option, value, sentence in (
            ("hooks-http-forward-headers", "Host", "Host is never sent on"),
            ("hooks-http-retry", "0", "must be a number from 1 to 100"),
            ("hooks-http-backoff", "soon", "must be a time"),
            ("hooks-http-timeout", "0", "must be a time"),
            ("hooks-http-size-limit", "big", "must be a size"),
            ("hooks-http-max-in-flight", "-1", "must be a number"),
            ("hooks-enabled-events", "pre-create,bla", "there is no event bla: there"),
            ("hooks-enabled-events", "", "there is no event without a name"),
            ("progress-hooks-interval", "x", "must be a time"),
            ("progress-hooks-bytes", "x", "must be a size"),
            ("hooks-outbox-limit", "1e3", "must be a number"),
            ("hooks-give-up-after", "never", "must be a time"),
            ("hooks-python", "a b", "must be package.module:factory"),
        ):
            self.assert_ends(
                f"--{option} {value}: {sentence}", *http, f"--{option}={value}"
            )

    def test_bad_urls(self) -> None:
        """A URL that cannot be used is not shown: it may hold a secret."""
        for word, sentence in (
            ("--hooks-http=ftp://anna:secret@h/", "--hooks-http: must be a URL"),
            ("--hooks-http=http://anna:secret@h/#a", "--hooks-http: a # is not sent"),
            ("--hooks-redis-url=redis://anna:secret@/", "--hooks-redis-url: "),
        ):
            words = (word, "--hooks-redis-stream", "s")
            self.assert_ends(sentence, *words)
            self.assertNotIn(
                "secret", str(self.assertRaises(SystemExit, parsed, *words))
            )

    def test_without_meaning(self) -> None:
        """What means nothing without another option is refused, and says which."""
        for option, value, needed in (
            ("hooks-http-retry", "2", "--hooks-http"),
            ("hooks-http-secret-file", "s", "--hooks-http"),
            ("hooks-http-forward-headers", "X-A", "--hooks-http"),
            ("hooks-dir-timeout", "2s", "--hooks-dir"),
            ("hooks-redis-url", "redis://h", "--hooks-redis-stream"),
            ("hooks-redis-stream-length", "5", "--hooks-redis-stream"),
            ("hooks-outbox-limit", "5", "--hooks-http or --hooks-dir or "),
            ("progress-hooks-interval", "5s", "--hooks-http or --hooks-dir or "),
        ):
            sentence = f"--{option}: means nothing without {needed}"
            self.assert_ends(sentence, f"--{option}", value)
        self.assert_ends(
            "--hooks-enabled-events: means nothing without --hooks-http or ",
            *("--hooks-python", "a:b", "--hooks-enabled-events", "pre-create"),
        )

    def test_stream_without_redis(self) -> None:
        """A stream needs a Redis, and its name must be one."""
        sentence = "--hooks-redis-stream: must come with --hooks-redis-url redis://"
        self.assert_ends(sentence, "--hooks-redis-stream", "uploads")
        self.assert_ends("must be the name of a stream", "--hooks-redis-stream", "")

    def test_twice(self) -> None:
        """The same hook twice would have the same name."""
        again = ("--hooks-http", URL) * 2
        self.assert_ends("--hooks-http: must not be given twice", *again)
        again = ("--hooks-python", "a:b") * 2
        self.assert_ends("--hooks-python a:b: must not be given twice", *again)


class ImportTests(SynchronousTestCase):
    """What is not paid for."""

    def test_options_are_light(self) -> None:
        """To read the options, nothing is imported that they do not need."""
        code = (
            "import sys; from tustwisted.tap import Options; Options()\n"
            "heavy = {'twisted.internet.reactor', 'twisted.web.client', 'txredisapi',"
            " 'tustwisted.hooks.http', 'treq', 'klein', 'tustwisted.store.file',"
            " 'tustwisted.hooks.outbox.file', 'tustwisted.lock.redis.locks'}\n"
            "print(heavy & sys.modules.keys())"
        )
        root = Path(__file__).resolve().parents[2]
        found = subprocess.check_output(
            [sys.executable, "-c", code], cwd=root, text=True, timeout=60
        )
        self.assertEqual(found.strip(), "set()")
