"""An application whose uploads are configured as the daemon is."""

from __future__ import annotations

from tests.integration.examples import MOUNT, ExampleCase, create


class ConfiguredAppTests(ExampleCase):
    """``configured_app.py``."""

    def test_configured(self) -> None:
        """Variables say how it serves, and uploads stream."""
        url = "https://files.example/up/"
        program = self.start(
            "configured_app.py", TUS_MAX_SIZE="100MiB", TUS_PUBLIC_URL=url
        )
        client = program.client()
        located = create(client)
        self.assertTrue(located.startswith(url), located)
        options = client.request("OPTIONS", MOUNT)
        self.assertEqual(options.headers["tus-max-size"], str(100 * 2**20))
        path = located.replace(url, MOUNT)
        client.begin_patch(path, 0, 6)
        client.send(b"abc")
        program.until_offset(path, 3)
        client.send(b"def")
        self.assertEqual(client.response().status, 204)
        self.assertEqual(self.content(program, path).read_bytes(), b"abcdef")

    def test_switched_off(self) -> None:
        """With TUS_ENABLED=false only the rest of the application is there."""
        program = self.start("configured_app.py", TUS_ENABLED="false")
        client = program.client()
        self.assertEqual(self.get(client, "/"), b"welcome")
        for path in (MOUNT, f"{MOUNT}x"):
            answer = client.request("POST", path, "Upload-Length: 6")
            self.assertEqual(answer.status, 404)
            self.assertNotIn("tus-resumable", answer.headers)
        self.assertFalse(program.directory.exists())
