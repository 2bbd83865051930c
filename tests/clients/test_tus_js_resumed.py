"""tus-js-client: uploads that are cut, given up, gone on with, and taken back."""

from __future__ import annotations

import json

from tests.clients.node import NodeCase, Script
from tests.integration.content import MIB
from tests.integration.daemon import until

HALF = 4 * MIB

OFTEN = {"retryDelays": [100] * 250}
"""Tried again for 25 s: a daemon that starts on a busy machine takes its time."""


class _Held(NodeCase):
    """An upload of which half is stored, and no more comes."""

    def hold(self, name: str, *arguments: object) -> Script:
        """Run a script until so much is stored."""
        self.wire.hold_at(HALF)
        script = self.script(name, self.wire.url, self.source, *arguments)
        if name == "steered":
            script.say("start")
            self.assertEqual(script.hear(), "start")
        return script

    def until_half(self) -> str:
        """Wait until half of the upload is stored; return its path."""
        until(lambda: bool(self.wire.all("PATCH")), "a PATCH is sent")
        path = self.wire.all("PATCH")[0].target
        self.daemon.until_offset(path, HALF)
        return path

    def assert_resumed(self, url: str, path: str, first: int | None) -> None:
        """The upload went on at its half, and was created once."""
        self.assertEqual(self.path(url), path)
        self.assert_stored(url)
        # Nobody waits for the answer to the first PATCH, so it may come last.
        until(lambda: self.wire.requests[1].status == first, f"a PATCH is {first}")
        patches = [f"PATCH {first}", "HEAD 200", "PATCH 204"]
        self.assertEqual(self.wire.told(), ["POST 201", *patches])
        last = self.wire.requests[-1]
        self.assertEqual((last.offset, last.sent), (HALF, self.size - HALF))


class ResumedTests(_Held):
    """Uploads that go on."""

    def test_aborted(self) -> None:
        """After an abort it goes on at the offset that is stored (T-040)."""
        script = self.hold("steered")
        path = self.until_half()
        script.say("abort")
        self.assertEqual(script.hear(), "abort")
        self.wire.cut()
        script.say("start")
        self.assertEqual(script.hear(), "start")
        script.say("wait")
        url = script.hear()
        script.done()
        self.assert_resumed(url, path, None)

    def test_cut(self) -> None:
        """After its connection broke it goes on by itself (T-040)."""
        script = self.hold("upload", json.dumps(OFTEN))
        path = self.until_half()
        self.wire.cut()
        self.assert_resumed(script.done(), path, None)

    def test_killed_client(self) -> None:
        """A new client finds the URL in its store, and goes on there (T-040)."""
        store = self.daemon.place / "urls.json"
        script = self.hold("resume", store)
        path = self.until_half()
        script.kill()
        self.wire.cut()
        again = self.script("resume", self.wire.url, self.source, store)
        self.assert_resumed(again.done(), path, None)

    def test_stranded_client(self) -> None:
        """A new client need not wait for a connection that hangs (T-230, T-231)."""
        store = self.daemon.place / "urls.json"
        script = self.hold("resume", store)
        path = self.until_half()
        script.kill()
        self.wire.strand()
        again = self.script("resume", self.wire.url, self.source, store)
        self.assert_resumed(again.done(), path, 400)

    def test_killed_daemon(self) -> None:
        """A daemon that was killed and started again has what it stored (T-020)."""
        script = self.hold("upload", json.dumps(OFTEN))
        path = self.until_half()
        self.daemon.kill()
        self.wire.cut()
        self.daemon.start()
        self.assert_resumed(script.done(), path, None)

    def test_stopped_daemon(self) -> None:
        """A daemon that is stopped says so, and the client tries again (T-241)."""
        script = self.hold("upload", json.dumps(OFTEN))
        path = self.until_half()
        self.daemon.stop()
        self.wire.cut()
        self.daemon.start()
        self.assert_resumed(script.done(), path, 503)

    def test_parallel(self) -> None:
        """Parts that were cut go on each at its own offset (T-163, T-165)."""
        store = self.daemon.place / "urls.json"
        options = json.dumps({"parallelUploads": 2})
        script = self.hold("resume", store, options)
        parts = self._until_parts()
        script.kill()
        self.wire.cut()
        again = self.script("resume", self.wire.url, self.source, store, options)
        url = again.done()
        self.assert_stored(url)
        self.assertEqual([post.status for post in self.wire.all("POST")], [201] * 3)
        offsets = {patch.target: patch.offset for patch in self.wire.all("PATCH")}
        self.assertEqual(offsets, parts)

    def _until_parts(self) -> dict[str, int]:
        """Wait until half of the file is stored; return the offset of each part."""
        until(lambda: len(self.wire.all("PATCH")) == 2, "two PATCHes are sent")
        paths = [patch.target for patch in self.wire.all("PATCH")]
        offsets = dict[str, int]()

        def half() -> bool:
            offsets.update({path: self.daemon.offset(path) for path in paths})
            return sum(offsets.values()) == HALF

        until(half, "half is stored")
        return offsets


class TerminatedTests(_Held):
    """Uploads that are taken back."""

    def test_unfinished(self) -> None:
        """One that is still sent is stopped, and leaves nothing (T-114, T-119)."""
        script = self.hold("steered")
        path = self.until_half()
        script.say("terminate")
        self.assertEqual(script.hear(), "terminate")
        self.assertEqual(self.wire.requests[-1].method, "DELETE")
        self.assertEqual(self.wire.requests[-1].status, 204)
        self.assertEqual(self.daemon.client().request("HEAD", path).status, 404)
        self.assertEqual(self.stored(), [])

    def test_finished(self) -> None:
        """One that is finished is removed (T-115, T-118)."""
        url = self.upload()
        self.assertEqual(self.script("terminate", url).done(), "terminated")
        self.assertEqual(self.wire.told()[-1], "DELETE 204")
        head = self.daemon.client().request("HEAD", self.path(url))
        self.assertEqual(head.status, 404)
        self.assertEqual(self.stored(), [])
