"""An endpoint for hooks that was written for tusd works as it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from tests.integration.daemon import Daemon, until
from tests.integration.tusd_case import TusdCase
from tests.integration.tusd_story import KNOWN, Endpoint, Told


class EndpointTests(TusdCase):
    """An endpoint that was written for tusd, by its documentation."""

    def run_with(
        self, reply: Callable[[Told], Told], *options: str
    ) -> tuple[Endpoint, Daemon]:
        """Start it, and the daemon beside it."""
        endpoint = self.endpoint(reply, KNOWN)
        events = ("--hooks-enabled-events", ",".join(KNOWN))
        daemon = self.start("--hooks-http", endpoint.url, *events, *options)
        return endpoint, daemon

    def test_unknown_types_are_not_told(self) -> None:
        """An endpoint that refuses other types hears of those it knows alone."""
        endpoint, daemon = self.run_with(lambda told: {})
        path = daemon.create(4)
        self.assertEqual(daemon.client().patch(path, 0, b"abcd").status, 204)
        until(partial(endpoint.has_heard, "post-finish"), "post-finish is told")
        self.assertEqual({told["Type"] for told in endpoint.told} - set(KNOWN), set())

    def test_forwarded_headers(self) -> None:
        """A header that is sent on is in the call, and in its JSON, at any time."""
        forward = ("--hooks-http-forward-headers", "Cookie,X-Other")
        endpoint, daemon = self.run_with(lambda told: {}, *forward)
        client = daemon.client()
        client.request("POST", "/files/", "Upload-Length: 0", "Cookie: a=b")
        for kind in ("pre-create", "post-create", "post-finish"):
            until(partial(endpoint.has_heard, kind), f"{kind} is told")
            self.assertEqual(endpoint.cookies[kind], "a=b")
            (told,) = endpoint.of(kind)
            headers = told["Event"]["HTTPRequest"]["Header"]
            self.assertEqual(headers["Cookie"], ["a=b"])

    def test_reject(self) -> None:
        """``RejectUpload`` with a status, a header and a body is what clients get."""

        def reply(told: Told) -> Told:
            if told["Type"] != "pre-create":
                return {}
            body = '{"message":"no project with ID 1234 found"}'
            response = {
                "StatusCode": 403,
                "Body": body,
                "Header": {"Content-Type": "application/json"},
            }
            return {"HTTPResponse": response, "RejectUpload": True}

        _, daemon = self.run_with(reply)
        refused = daemon.client().post("/files/", 4)
        self.assertEqual(refused.status, 403)
        self.assertEqual(refused.headers["content-type"], "application/json")
        self.assertEqual(json.loads(refused.body)["message"][:10], "no project")
        self.assertEqual(list(self.directory.glob("*.info")), [])

    def test_change(self) -> None:
        """An id with slashes and other metadata are those of the upload."""

        def reply(told: Told) -> Told:
            if told["Type"] != "pre-create":
                return {}
            changes = {"ID": "project/my-id", "MetaData": {"filename": "a b.txt"}}
            return {"ChangeFileInfo": changes}

        endpoint, daemon = self.run_with(reply)
        path = daemon.create(4)
        self.assertEqual(path, "/files/project/my-id")
        daemon.client().patch(path, 0, b"abcd")
        asked = self.ask(daemon, "HEAD", path)
        self.assertEqual(asked.headers["upload-metadata"], "filename YSBiLnR4dA==")
        self.assertEqual((self.directory / "project/my-id").read_bytes(), b"abcd")
        until(partial(endpoint.has_heard, "post-finish"), "post-finish is told")
        (told,) = endpoint.of("post-finish")
        self.assertEqual(told["Event"]["Upload"]["ID"], "project/my-id")

    def test_pre_finish_answers(self) -> None:
        """A header, a status and a body of pre-finish reach the client."""

        def reply(told: Told) -> Told:
            if told["Type"] != "pre-finish":
                return {}
            headers = {"Link": '<https://example.com/1>; rel="related"'}
            response = {"StatusCode": 200, "Body": "stored", "Header": headers}
            return {"HTTPResponse": response}

        _, daemon = self.run_with(reply)
        answer = daemon.client().patch(daemon.create(4), 0, b"abcd")
        self.assertEqual((answer.status, answer.body), (200, b"stored"))
        self.assertIn("rel=", answer.headers["link"])
        self.assertEqual(answer.headers["upload-offset"], "4")

    def test_pre_finish_fails(self) -> None:
        """What pre-finish refuses is not lost: the client may try again."""
        replies = [{"RejectUpload": True}, {}]

        def reply(told: Told) -> Told:
            return replies.pop(0) if told["Type"] == "pre-finish" else {}

        _, daemon = self.run_with(reply)
        path = daemon.create(4)
        self.assertEqual(daemon.client().patch(path, 0, b"abcd").status, 400)
        self.assertEqual(daemon.offset(path), 4)
        self.assertEqual(self.ask(daemon, "GET", path).status, 404)
        self.assertEqual(daemon.client().patch(path, 4, b"").status, 204)
        self.assertEqual(self.ask(daemon, "GET", path).body, b"abcd")

    def test_stop(self) -> None:
        """``StopUpload`` ends a body in its middle, and removes the upload."""

        def reply(told: Told) -> Told:
            if told["Type"] != "post-receive":
                return {}
            return {"StopUpload": True, "HTTPResponse": {"StatusCode": 410}}

        _, daemon = self.run_with(reply, "--progress-hooks-interval", "0.1s")
        path = daemon.create(10)
        client = daemon.client()
        client.begin_patch(path, 0, 10)
        client.send(b"abcd")
        self.assertEqual(client.response().status, 410)
        until(
            lambda: self.ask(daemon, "HEAD", path).status == 404,
            "the upload is removed",
        )

    def test_terminate(self) -> None:
        """``RejectTermination`` keeps an upload."""

        def reply(told: Told) -> Told:
            return {"RejectTermination": True}

        _, daemon = self.run_with(reply)
        path = daemon.create(4)
        self.assertEqual(self.ask(daemon, "DELETE", path).status, 400)
        self.assertEqual(daemon.offset(path), 0)
