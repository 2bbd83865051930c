"""The edge of the real daemon: overrides, CORS, proxies, large heads."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.daemon import twistd_tus

OVERRIDE = "X-HTTP-Method-Override: {}"


class EdgeTests(SynchronousTestCase):
    """What clients behind proxies and in browsers meet."""

    def test_overrides(self) -> None:
        """A client that has only POST uploads over one connection (T-222, T-228)."""
        client = twistd_tus(self).client()
        path = client.create("/files/", 6)
        for offset in (0, 3):
            head = client.request("POST", path, OVERRIDE.format("HEAD"))
            self.assertEqual(head.status, 200)
            self.assertEqual(head.headers["content-length"], "0")
            self.assertEqual(head.headers["upload-offset"], str(offset))
            lines = (
                f"POST {path} HTTP/1.1\r\nHost: h\r\nTus-Resumable: 1.0.0\r\n"
                f"{OVERRIDE.format('patch')}\r\nUpload-Offset: {offset}\r\n"
                "Content-Type: application/offset+octet-stream\r\n"
                "Content-Length: 3\r\n\r\nabc"
            )
            client.send(lines.encode())
            self.assertEqual(client.response().status, 204)
        delete = client.request("POST", path, OVERRIDE.format("DELETE"))
        self.assertEqual(delete.status, 204)

    def test_head_that_asks_for_more(self) -> None:
        """An actual HEAD has no body after its answer, refused or not (T-223)."""
        client = twistd_tus(self).client()
        lines = ("Upload-Length: 1", OVERRIDE.format("POST"))
        for path, status in (("/files/", 201), ("/files/x", 405)):
            top = (f"HEAD {path} HTTP/1.1", "Host: h", "Tus-Resumable: 1.0.0")
            client.send("\r\n".join([*top, *lines, "\r\n"]).encode())
            self.assertEqual(client.response(has_body=False).status, status)
        self.assertEqual(client.request("OPTIONS", "/files/").status, 204)

    def test_browser_behind_a_proxy(self) -> None:
        """A page is allowed, and sent where its browser can go (T-193, T-244)."""
        page = "https://app.example"
        options = ("--behind-proxy", "--cors-origin", page)
        client = twistd_tus(self, *options).client()
        origin, wanted = f"Origin: {page}", "Access-Control-Request-Method: POST"
        allowed = client.request("OPTIONS", "/files/", origin, wanted)
        self.assertEqual(allowed.status, 204)
        self.assertEqual(allowed.headers["access-control-allow-origin"], page)
        forwarded = 'Forwarded: for=10.1.2.3;host="up.example:443";proto=https'
        lines = ("Upload-Length: 1", origin, forwarded)
        created = client.request("POST", "/files/", *lines)
        self.assertTrue(created.headers["location"].startswith("https://up.example/"))
        evil = ("Upload-Length: 1", "Origin: https://evil.example")
        self.assertEqual(client.request("POST", "/files/", *evil).status, 403)

    def test_public_url(self) -> None:
        """The URL that was set is told, and its id is found (T-253, T-256)."""
        url = "https://example.com/api/up/"
        client = twistd_tus(self, "--public-url", url).client()
        location = client.post("/files/", 1).headers["location"]
        self.assertTrue(location.startswith(url), location)
        upload_id = location.removeprefix(url)
        self.assertEqual(client.head(f"/files/{upload_id}"), 0)

    def test_large_heads(self) -> None:
        """Metadata of 40 kB passes and stays, 100 kB is 400 (T-081, T-082)."""
        daemon = twistd_tus(self)
        metadata = "Upload-Metadata: filename "
        client = daemon.client()
        lines = ("Upload-Length: 1", metadata + "YWFh" * 10_000)
        created = client.request("POST", "/files/", *lines)
        self.assertEqual(created.status, 201)
        daemon.stop()
        daemon.start()
        client = daemon.client()
        path = created.headers["location"].partition(str(daemon.port))[2]
        told = client.request("HEAD", path).headers["upload-metadata"]
        self.assertEqual(len(told), len("filename ") + 40_000)
        lines = ("Upload-Length: 1", metadata + "YWFh" * 25_000)
        refused = client.request("POST", "/files/", *lines)
        self.assertEqual((refused.status, refused.body), (400, b""))
        self.assertTrue(client.at_end())
        self.assertEqual(len(list(daemon.directory.glob("*.info"))), 1)
