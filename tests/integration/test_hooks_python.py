"""The real daemon and hooks in Python, of somebody else's package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.daemon import Daemon, free_port, place_of, script, until
from tests.integration.hooked import path_of

LENGTH = 100

SHOP = '''
"""What an application knows of its uploads."""

from twisted.internet.task import deferLater

from tustwisted.hooks.functions import FunctionHook, checking_metadata, naming
from tustwisted.protocol.events import EventType

def audit(reactor):
    """Write down what is finished, a little later."""

    async def finished(event):
        await deferLater(reactor, 0.05)
        with open("finished", "a") as file:
            file.write(f"{event.upload.upload_id} {event.event_id}\\n")

    return FunctionHook("shop.audit", {EventType.POST_FINISH: finished})


def name(reactor):
    """Name uploads by their files."""
    return naming(lambda event: event.upload.metadata.value("filename").decode())


def check(reactor):
    """Take nothing but text."""

    async def only_text(event):
        if not event.upload.metadata.value("filename").endswith(b".txt"):
            raise ValueError("only .txt files,\\nplease")

    return checking_metadata(only_text)


def broken(reactor):
    """Fail at each upload."""

    def fail(event):
        raise LookupError("no database")

    return FunctionHook("shop.broken", {EventType.PRE_CREATE: fail})
'''

PLUGIN = """
from tustwisted.hooks.named import HookPlugin

audit = HookPlugin("audit", "shop:audit")
"""


class PythonCase(SynchronousTestCase):
    """A daemon that finds an application on Python's path."""

    def setUp(self) -> None:
        """Write the application."""
        self.place = place_of(self)
        plugins = self.place / "lib" / "twisted" / "plugins"
        plugins.mkdir(parents=True)
        (self.place / "lib" / "shop.py").write_text(dedent(SHOP))
        (plugins / "shop_plugin.py").write_text(PLUGIN)

    def daemon(self, *hooks: str) -> Daemon:
        """Prepare a daemon with some hooks."""
        port = free_port()
        command = [script("twistd"), "-n", "--pidfile=", "tus", "--port", str(port)]
        for hook in hooks:
            command += ["--hooks-python", hook]
        path = str(self.place / "lib")
        return Daemon(
            self,
            command,
            port,
            self.place,
            self.place / "uploads",
            variables={"PYTHONPATH": path},
        )

    def serve(self, *hooks: str) -> Daemon:
        """Start one."""
        daemon = self.daemon(*hooks)
        daemon.start()
        return daemon

    def finished(self) -> Sequence[str]:
        """Wait until an upload is written down; tell its words."""
        path: Path = self.place / "finished"
        until(lambda: path.exists() and path.read_text().endswith("\n"), "it is told")
        return path.read_text().split()


class HookTests(PythonCase):
    """What they hear and may do."""

    def upload(self, daemon: Daemon) -> str:
        """Upload a little; return the id."""
        client = daemon.client()
        path = client.create("/files/", LENGTH)
        self.assertEqual(client.patch(path, 0, b"a" * LENGTH).status, 204)
        return path.rpartition("/")[2]

    def test_module(self) -> None:
        """A factory in a module makes a hook, which is told."""
        upload_id = self.upload(self.serve("shop:audit"))
        self.assertEqual(self.finished()[0], upload_id)

    def test_plugin(self) -> None:
        """So does one that a plugin names."""
        upload_id = self.upload(self.serve("audit"))
        self.assertEqual(self.finished()[0], upload_id)

    def test_several(self) -> None:
        """Several are asked in their order: who refuses has the last word."""
        daemon = self.serve("shop:name", "shop:check")
        client = daemon.client()
        length = f"Upload-Length: {LENGTH}"
        named = "Upload-Metadata: filename {}"
        created = client.request("POST", "/files/", length, named.format("YS50eHQ="))
        self.assertEqual(created.status, 201)
        self.assertEqual(path_of(created.headers["location"]), "/files/a.txt")
        refused = client.request("POST", "/files/", length, named.format("YS5leGU="))
        self.assertEqual(refused.status, 400)
        self.assertIn(b"only .txt files, please", refused.body)

    def test_fails(self) -> None:
        """One that raises is a 500, and its error stands in the log alone."""
        daemon = self.serve("shop:broken")
        response = daemon.client().post("/files/", LENGTH)
        self.assertEqual(response.status, 500)
        self.assertNotIn(b"database", response.body)
        self.assertIn("no database", daemon.log)


class StartTests(PythonCase):
    """Hooks that cannot be made."""

    def problem(self, name: str) -> str:
        """Have a daemon end at its start; tell its last line."""
        daemon = self.daemon(name)
        daemon.launch()
        self.assertEqual(daemon.ended().code, 1)
        return daemon.log.splitlines()[-1]

    def test_no_such_module(self) -> None:
        """A module that is not there."""
        self.assertEqual(
            self.problem("shops:audit"),
            "tustwisted: --hooks-python shops:audit: "
            "there is no module shops on Python's path",
        )

    def test_no_such_plugin(self) -> None:
        """A plugin that is not there; those that are there are told."""
        problem = self.problem("audio")
        self.assertIn("--hooks-python audio: there is no plugin", problem)
        self.assertIn("but audit;", problem)
