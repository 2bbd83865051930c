"""The real daemon and a hook by HTTP that fails, hangs, lies, and comes back."""

from __future__ import annotations

import time

from tests.hooks.receiver import hang, raw, reply
from tests.integration.daemon import GRACE_S, until
from tests.integration.hooked import (
    DURABLE,
    LENGTH,
    HookedCase,
    on,
    upload_of,
)


class TroubleTests(HookedCase):
    """A receiver that fails, hangs, answers garbage and comes back."""

    def test_finish_fails(self) -> None:
        """A finish that fails is a 500, seen by all, and is tried again by a PATCH."""
        daemon = self.serve()
        self.receiver.answer = on("pre-finish", reply(status=500))
        client = daemon.client()
        path = client.create("/files/", LENGTH)
        self.assertEqual(client.patch(path, 0, b"a" * LENGTH).status, 500)
        self.assertEqual(daemon.client().head(path), LENGTH)
        self.assertEqual(daemon.client().patch(path, LENGTH, b"").status, 500)
        self.receiver.answer = lambda _: reply({})
        self.assertEqual(daemon.client().patch(path, LENGTH, b"").status, 204)
        keys = [call.headers["idempotency-key"] for call in self.calls_of("pre-finish")]
        self.assertEqual(len(keys), 3)
        self.assertEqual(len(set(keys)), 1)
        self.wait_for("post-finish")
        self.assertEqual(len(self.calls_of("post-finish")), 1)

    def test_comes_back(self) -> None:
        """What could not be told is told when the receiver is there again."""
        daemon = self.serve("--hooks-enabled-events", "post-create,post-finish")
        self.receiver.stop()
        path = self.upload(daemon)
        self.receiver.start()
        call = self.wait_for("post-finish")
        self.assertEqual(upload_of(call)["ID"], path.rpartition("/")[2])
        self.assertEqual(self.receiver.types, ["post-create", "post-finish"])
        sequences = [call.event["Event"]["Sequence"] for call in self.receiver.calls]
        self.assertEqual(sequences, [1, 2])

    def test_restart(self) -> None:
        """What could not be told is told by the next life of the daemon."""
        daemon = self.serve("--hooks-enabled-events", "post-create,post-finish")
        self.receiver.stop()
        self.upload(daemon)
        daemon.kill()
        self.receiver.start()
        daemon.start()
        self.wait_for("post-finish")
        self.assertEqual(self.receiver.types, ["post-create", "post-finish"])

    def test_garbage(self) -> None:
        """An answer that cannot be used is a logged 500, and harms no upload."""
        daemon = self.serve()
        path = self.upload(daemon)
        for type, content in (
            ("pre-create", b"<html>oops</html>"),
            ("pre-create", b'{"HTTPResponse": {"StatusCode": 99}}'),
            ("pre-create", b'{"HTTPResponse": {"Header": {"A": "b\\r\\nC: d"}}}'),
            ("pre-create", b'{"ChangeFileInfo": {"ID": "../../x"}}'),
            ("pre-create", b'{"ChangeFileInfo": {"Storage": {"Path": "../../x"}}}'),
            ("pre-create", b'{"ChangeFileInfo": {"Storage": {"Path": "/tmp/x"}}}'),
            ("pre-access", b"[]"),
        ):
            self.receiver.answer = on(type, reply(content=content))
            refused = daemon.client().post("/files/", LENGTH)
            self.assertEqual(refused.status, 500, content)
        self.wait_for_log(daemon, "its answer cannot be used")
        self.receiver.answer = on("pre-terminate", reply(content=b"garbage"))
        self.assertEqual(daemon.client().request("DELETE", path).status, 500)
        self.assertEqual(daemon.client().head(path), LENGTH)
        self.assertEqual(len(self.stored(daemon)), 1)

    def test_taken_id(self) -> None:
        """An id that is taken is a 500, and the upload that has it stays."""
        daemon = self.serve()
        path = self.upload(daemon)
        changes = {"ID": path.rpartition("/")[2]}
        self.receiver.answer = on("pre-create", reply({"ChangeFileInfo": changes}))
        self.assertEqual(daemon.client().post("/files/", 5).status, 500)
        self.assertEqual(daemon.client().head(path), LENGTH)
        self.assertEqual(daemon.content(path).read_bytes(), b"a" * 400 + b"b" * 600)

    def test_hangs(self) -> None:
        """A receiver that does not answer is a 500 when the time is over."""
        daemon = self.serve("--hooks-http-timeout", "1s")
        self.receiver.answer = on("pre-create", hang)
        began_s = time.monotonic()
        self.assertEqual(daemon.client().post("/files/", LENGTH).status, 500)
        took_s = time.monotonic() - began_s
        self.assertGreater(took_s, 0.9)
        self.assertLess(took_s, 10)  # the default is 15
        self.wait_for_log(daemon, "it gave no answer within 1 s")

    def test_client_leaves(self) -> None:
        """A question whose client has left is taken back."""
        daemon = self.serve()
        self.receiver.answer = on("pre-create", hang)
        client = daemon.client()
        client.begin("POST", "/files/", f"Upload-Length: {LENGTH}")
        call = self.wait_for("pre-create")
        client.reset()
        until(call.left.is_set, "the call is taken back")

    def test_busy(self) -> None:
        """A receiver that asks to be left alone for a second is asked again then."""
        daemon = self.serve("--hooks-http-retry", "2")
        self.receiver.answer = on("pre-create", reply({}))
        self.receiver.plan(
            reply({}), reply(status=429, headers="Retry-After: 1\r\n"), reply({})
        )
        self.assertEqual(daemon.client().post("/files/", LENGTH).status, 201)
        first, second = self.calls_of("pre-create")
        self.assertGreater(second.at_s - first.at_s, 0.95)
        self.assertEqual(
            first.headers["idempotency-key"], second.headers["idempotency-key"]
        )

    def test_breaks_off(self) -> None:
        """A connection that breaks is tried again."""
        daemon = self.serve("--hooks-http-retry", "2", "--hooks-http-backoff", "0.1s")
        self.receiver.plan(reply({}), raw(b"HTTP/1.1 200 OK\r\nContent-Le"), reply({}))
        self.assertEqual(daemon.client().post("/files/", LENGTH).status, 201)
        self.assertEqual(len(self.calls_of("pre-create")), 2)


class ProcessesTests(HookedCase):
    """Daemons that are stopped, and several processes."""

    def test_stopped_while_it_finishes(self) -> None:
        """A finish that is asked about holds up no stop; the next life asks again."""
        daemon = self.serve()
        path = daemon.client().create("/files/", LENGTH)
        self.receiver.answer = on("pre-finish", hang)
        daemon.client().begin_patch(path, 0, LENGTH, start=b"a" * LENGTH)
        self.wait_for("pre-finish")
        stopped = daemon.stop()
        self.assertEqual(stopped.code, 0, daemon.log)
        self.assertLess(stopped.took_s, GRACE_S)
        self.receiver.answer = lambda _: reply({})
        daemon.start()
        self.wait_for("post-finish")
        self.assertEqual(len(self.calls_of("pre-finish")), 2)
        told = [call.event["Event"] for call in self.calls_of(*DURABLE)]
        self.assertEqual([event["Sequence"] for event in told], [1, 2])

    def test_workers(self) -> None:
        """Whoever serves an upload, its events come in order, and once."""
        daemon = self.serve("--workers", "2")
        paths = [self.upload(daemon) for _ in range(6)]
        for path in paths:
            self.assertEqual(daemon.client().request("DELETE", path).status, 204)
        self.wait_for("post-terminate", len(paths))
        told: dict[str, list[str]] = {}
        for call in self.calls_of(*DURABLE):
            upload_id = call.event["Event"]["UploadID"]
            told.setdefault(upload_id, []).append(call.type)
        self.assertEqual(list(told.values()), [[*DURABLE]] * len(paths))
