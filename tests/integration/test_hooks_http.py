"""The real daemon and a hook by HTTP: what it is asked and told, and what it may do."""

from __future__ import annotations

import time
from pathlib import Path

from tests.hooks.receiver import Act, Call, reply
from tests.integration.content import MIB
from tests.integration.daemon import until
from tests.integration.hooked import (
    DURABLE,
    LENGTH,
    HookedCase,
    on,
    path_of,
    upload_of,
)
from tustwisted.hooks.signature import verify


class LifeTests(HookedCase):
    """What is told of the life of an upload."""

    def test_order(self) -> None:
        """Every event comes once and in its order, numbered without a gap."""
        daemon = self.serve()
        path = self.upload(daemon)
        self.assertEqual(daemon.client().request("DELETE", path).status, 204)
        self.wait_for("post-terminate")
        told = [call.event["Event"] for call in self.calls_of(*DURABLE)]
        self.assertEqual([call.type for call in self.calls_of(*DURABLE)], [*DURABLE])
        self.assertEqual([event["Sequence"] for event in told], [1, 2, 3])
        upload_id = path.rpartition("/")[2]
        self.assertEqual({event["UploadID"] for event in told}, {upload_id})
        self.assertEqual(len({event["ID"] for event in told}), 3)
        self.assertNotIn("ClientFactory", daemon.log)

    def test_questions(self) -> None:
        """Each request is asked for, and each step before it is made."""
        daemon = self.serve()
        path = self.upload(daemon)
        daemon.client().request("DELETE", path)
        self.wait_for("post-terminate")
        asked = [
            call.type for call in self.receiver.calls if call.type.startswith("pre-")
        ]
        self.assertEqual(
            asked,
            [
                *("pre-access", "pre-create"),
                *("pre-access", "pre-access", "pre-finish"),
                *("pre-access", "pre-terminate"),
            ],
        )
        accesses = [call.event["Event"] for call in self.calls_of("pre-access")]
        methods = [event["HTTPRequest"]["Method"] for event in accesses]
        self.assertEqual(methods, ["POST", "PATCH", "PATCH", "DELETE"])
        self.assertIsNone(accesses[0]["UploadID"])
        self.assertEqual(accesses[1]["UploadID"], path.rpartition("/")[2])

    def test_what_is_told(self) -> None:
        """An event tells the upload and the request, in tusd's fields."""
        daemon = self.serve()
        metadata = "Upload-Metadata: filename d29ybGQucGRm"
        client = daemon.client()
        created = client.request(
            "POST", "/files/", f"Upload-Length: {LENGTH}", metadata, "X-Mine: a"
        )
        upload = upload_of(self.wait_for("pre-create"))
        self.assertEqual((upload["ID"], upload["Size"]), ("", LENGTH))
        self.assertEqual(upload["MetaData"], {"filename": "world.pdf"})
        client.patch(path_of(created.headers["location"]), 0, b"a" * LENGTH)
        call = self.wait_for("post-finish")
        upload = upload_of(call)
        self.assertEqual((upload["Offset"], upload["Size"]), (LENGTH, LENGTH))
        stored = daemon.directory / upload["ID"]
        self.assertEqual(upload["Storage"]["Path"], str(stored))
        self.assertEqual(upload["Storage"]["InfoPath"], f"{stored}.info")
        request = call.event["Event"]["HTTPRequest"]
        self.assertEqual(request["Method"], "PATCH")
        request = self.calls_of("post-create")[0].event["Event"]["HTTPRequest"]
        self.assertEqual(request["Header"]["X-Mine"], ["a"])

    def test_progress(self) -> None:
        """What has come is told by bytes, in order, before the end is."""
        daemon = self.serve("--progress-hooks-bytes", "64KiB")
        client = daemon.client()
        length = 64 * MIB
        path = client.create("/files/", length)
        self.wait_for("post-create")
        client.begin_patch(path, 0, length)
        sent = 0
        # What comes while post-create is being told is not told.
        while len(self.calls_of("post-receive")) < 3:
            self.assertLess(sent, length, "nothing is told")
            client.send(b"x" * 64 * 1024)
            sent += 64 * 1024
            time.sleep(0.02)
        client.send(b"x" * (length - sent))
        self.assertEqual(client.response().status, 204)
        self.wait_for("post-finish")
        offsets = [upload_of(call)["Offset"] for call in self.calls_of("post-receive")]
        self.assertEqual(offsets, sorted(offsets))
        self.assertLessEqual(offsets[-1], length)


class ChangeTests(HookedCase):
    """What a hook may change."""

    def test_creation(self) -> None:
        """pre-create sets id, metadata and the answer."""
        daemon = self.serve()
        changes = {"ID": "anna/2025", "MetaData": {"filename": "new.txt"}}
        response = {"Header": {"X-Hook": "yes"}, "Body": "welcome"}
        self.receiver.answer = on(
            "pre-create",
            reply({"ChangeFileInfo": changes, "HTTPResponse": response}),
        )
        client = daemon.client()
        created = client.post("/files/", LENGTH)
        self.assertEqual(created.status, 201)
        self.assertEqual(created.headers["x-hook"], "yes")
        self.assertEqual(created.body, b"welcome")
        path = path_of(created.headers["location"])
        self.assertEqual(path, "/files/anna/2025")
        status = client.request("HEAD", path)
        self.assertEqual(status.headers["upload-metadata"], "filename bmV3LnR4dA==")
        self.assertEqual(client.patch(path, 0, b"a" * LENGTH).status, 204)
        self.assertEqual(upload_of(self.wait_for("post-finish"))["ID"], "anna/2025")

    def test_limit(self) -> None:
        """A size limit of the upload is kept."""
        daemon = self.serve()
        changes = {"MaxSize": LENGTH - 1}
        self.receiver.answer = on("pre-create", reply({"ChangeFileInfo": changes}))
        self.assertEqual(daemon.client().post("/files/", LENGTH).status, 413)
        self.assertEqual(self.stored(daemon), [])

    def test_creation_rejected(self) -> None:
        """A creation that is rejected stores nothing, and has no Location (T-066)."""
        daemon = self.serve()
        for response, status, body in (
            ({}, 400, None),
            ({"StatusCode": 402, "Body": "pay"}, 402, b"pay"),
        ):
            fields = {"RejectUpload": True, "HTTPResponse": response}
            self.receiver.answer = on("pre-create", reply(fields))
            refused = daemon.client().post("/files/", LENGTH)
            self.assertEqual(refused.status, status)
            self.assertNotIn("location", refused.headers)
            if body is not None:
                self.assertEqual(refused.body, body)
        self.assertEqual(self.stored(daemon), [])
        self.assertEqual(self.calls_of("post-create"), [])

    def test_termination_rejected(self) -> None:
        """A termination that is rejected leaves the upload as it is (T-124)."""
        daemon = self.serve()
        path = self.upload(daemon)
        client = daemon.client()
        for response, status in (({}, 400), ({"StatusCode": 409}, 409)):
            fields = {"RejectTermination": True, "HTTPResponse": response}
            self.receiver.answer = on("pre-terminate", reply(fields))
            self.assertEqual(client.request("DELETE", path).status, status)
        self.assertEqual(client.head(path), LENGTH)
        self.assertEqual(self.calls_of("post-terminate"), [])

    def test_access_rejected(self) -> None:
        """An access that is rejected is 403, before a byte of the body is read."""
        daemon = self.serve()
        self.receiver.answer = on("pre-access", reply({"RejectAccess": True}))
        client = daemon.client()
        self.assertEqual(client.post("/files/", LENGTH).status, 403)
        self.assertEqual(self.stored(daemon), [])

    def test_owner(self) -> None:
        """An upload is that of who created it; to others it is not there."""
        daemon = self.serve("--hooks-http-forward-headers", "Authorization")

        def answer(call: Call) -> Act:
            owner = call.headers.get("authorization", "")
            return reply({"Owner": owner} if call.type == "pre-access" else {})

        self.receiver.answer = answer
        client = daemon.client()
        anna = "Authorization: anna"
        created = client.request("POST", "/files/", f"Upload-Length: {LENGTH}", anna)
        path = path_of(created.headers["location"])
        self.assertEqual(client.request("HEAD", path, anna).status, 200)
        for other in ("Authorization: berta", "X-None: 1"):
            self.assertEqual(client.request("HEAD", path, other).status, 404)
            self.assertEqual(client.request("DELETE", path, other).status, 404)
        self.assertEqual(upload_of(self.wait_for("post-create"))["Owner"], "anna")

    def test_stop(self) -> None:
        """post-receive stops an upload: no more of it is read, and it is removed."""
        daemon = self.serve("--progress-hooks-bytes", "64KiB")
        response = {"StatusCode": 409, "Body": "enough"}
        self.receiver.answer = on(
            "post-receive", reply({"StopUpload": True, "HTTPResponse": response})
        )
        client = daemon.client()
        path = client.create("/files/", 64 * MIB)
        self.wait_for("post-create")
        client.begin_patch(path, 0, 64 * MIB)
        while not self.calls_of("post-receive"):
            client.send(b"x" * 64 * 1024)
            time.sleep(0.02)
        stopped = client.response()
        self.assertEqual((stopped.status, stopped.body), (409, b"enough"))
        until(lambda: self.stored(daemon) == [], "the upload is removed")
        self.assertEqual(daemon.client().request("HEAD", path).status, 404)


class HeaderTests(HookedCase):
    """What stands in a call beside the JSON."""

    def test_signature(self) -> None:
        """Each call is signed, by the secret of a file."""
        secret = b"0123456789abcdef0123456789abcdef"
        file = Path(self.mktemp()).absolute()
        file.write_bytes(secret + b"\n")
        daemon = self.serve("--hooks-http-secret-file", str(file))
        self.upload(daemon)
        self.wait_for("post-finish")
        for call in self.receiver.calls:
            header = call.headers["tustwisted-signature"]
            verify(header, call.body, [secret], time.time())

    def test_forwarded(self) -> None:
        """Chosen headers are sent on; a secret of the client is not, unless chosen."""
        daemon = self.serve("--hooks-http-forward-headers", "X-Mine")
        headers = ("X-Mine: yes", "Authorization: Bearer s3cret")
        daemon.client().request("POST", "/files/", f"Upload-Length: {LENGTH}", *headers)
        for type in ("pre-create", "post-create"):
            call = self.wait_for(type)
            self.assertEqual(call.headers["x-mine"], "yes")
            self.assertNotIn("authorization", call.headers)

    def test_kept_secret(self) -> None:
        """A secret that is to be sent on waits with its event, and no other does."""
        daemon = self.serve("--hooks-http-forward-headers", "Authorization")
        headers = ("Cookie: c=1", "Authorization: Bearer s3cret")
        daemon.client().request("POST", "/files/", f"Upload-Length: {LENGTH}", *headers)
        call = self.wait_for("post-create")
        self.assertEqual(call.headers["authorization"], "Bearer s3cret")
        self.assertNotIn("c=1", call.body.decode("ascii"))
        asked = self.calls_of("pre-create")[0].event["Event"]["HTTPRequest"]
        self.assertEqual(asked["Header"]["Cookie"], ["c=1"])
