"""What ``check-url`` takes, and that the installed command works."""

from __future__ import annotations

from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase

from tests.integration.commands import TWISTD, InPlace
from tests.integration.daemon import script
from tustwisted.checkurl.asking import Secrets
from tustwisted.checkurl.command import CheckUrlOptions

URL = "https://files.example/files/"


def parsed(*words: str) -> CheckUrlOptions:
    """Read the words of a command line."""
    options = CheckUrlOptions()
    options.parseOptions(words)
    return options


class OptionsTests(SynchronousTestCase):
    """The words of the command line."""

    def test_order(self) -> None:
        """Options may stand before the URL, after it, and on both sides."""
        for words in (
            ("--origin", "https://app.example", "--header", "A: b", URL),
            (URL, "--origin", "https://app.example", "--header", "A: b"),
            ("--origin", "https://app.example", URL, "--header", "A: b"),
        ):
            options = parsed(*words)
            self.assertEqual(options["url"], URL)
            self.assertEqual(options["origin"], "https://app.example")
            self.assertEqual(options.secrets, (("A", "b"),))

    def test_nonsense(self) -> None:
        """What makes no sense is a sentence, which has no secret in it."""
        for words, sentence in (
            ((), "give one URL, such as https://files.example/files/"),
            ((URL, URL), "give one URL, such as https://files.example/files/"),
            (("files.example",), "the URL must begin with http:// or https://"),
            (("ftp://h/",), "the URL must begin with http:// or https://"),
            (("http://h:port/",), "the URL is no URL"),
            (("http://u:secret@h/",), "the URL has a name or a password"),
            (("http://h/a b",), "the URL has blanks in it"),
            ((URL, "--header", "secret"), "--header must be like 'Name: value'"),
            ((URL, "--header", "a b: secret"), "--header must be like 'Name: value'"),
            ((URL, "--header", "A: secret\r\nB: c"), "--header must be like"),
            ((URL, "--origin", "app"), "--origin must be an origin such as"),
            ((URL, "--origin", "*"), "--origin must be one that a page has"),
            ((URL, "--timeout", "0"), "--timeout must be above 0"),
            ((URL, "--timeout", "x"), "Parameter type enforcement failed"),
        ):
            error = self.assertRaises(usage.UsageError, parsed, *words)
            self.assertTrue(str(error).startswith(sentence), str(error))
            self.assertNotIn("secret", str(error))

    def test_secrets_are_hidden(self) -> None:
        """What a server tells of a header that it got is not shown."""
        secrets = Secrets((("Authorization", "Bearer abc"), ("X-Key", "k2"), ("E", "")))
        told = secrets.hidden("no Bearer abc, no abc, no k2")
        self.assertEqual(told, "no ***, no ***, no ***")


class InstalledTests(InPlace):
    """The command, and a daemon."""

    def test_real_daemon(self) -> None:
        """All is ok with the daemon as it is; its tokens are asked for, and kept."""
        (self.place / "tokens").write_text("alice " + "s" * 40 + "\n")
        (self.place / "tokens").chmod(0o600)
        daemon = self.daemon(
            *TWISTD, "--port", str(self.port), "--auth-tokens", "tokens"
        )
        daemon.start()
        check = (script("tustwisted"), "check-url", daemon.url, "--finish")
        code, output = self.run_to_end(*check)
        self.assertEqual(code, 1, output)
        self.assertIn("problem  endpoint: OPTIONS is answered by 401", output)
        self.assertIn("fix: give credentials: --header 'Authorization:", output)
        code, output = self.run_to_end(
            *check, "--header", "Authorization: Bearer " + "s" * 40
        )
        self.assertEqual(code, 0, output)
        self.assertEqual({line[:9] for line in output.splitlines()}, {"ok       "})
        self.assertNotIn("s" * 40, output)
        self.assertEqual(list(self.uploads.glob("[!.]*")), [])
        daemon.stop()
        code, output = self.run_to_end(*check)
        self.assertEqual(code, 1)
        self.assertEqual(output.count("\n"), 2, output)
        self.assertIn(f"nobody listens on port {self.port} of 127.0.0.1", output)
