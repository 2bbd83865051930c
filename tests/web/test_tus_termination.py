"""DELETE, on the wire."""

from __future__ import annotations

from tests.web.tus_harness import (
    BASE,
    UPLOAD_BYTES,
    Server,
    TusCase,
    message,
    patch,
)
from tustwisted.errors import StorageFailed
from tustwisted.protocol.extensions import Extension
from tustwisted.store.memory import MemoryStore


class Stubborn(MemoryStore):
    """A store that removes nothing."""

    async def remove(self, upload_id: str) -> None:
        raise StorageFailed


class TerminationTests(TusCase):
    """The end of an upload by its client's wish."""

    def test_unfinished(self) -> None:
        """An unfinished upload is gone, bytes and record (T-114, T-118)."""
        path = self.server.create(5)
        self.server.ask(patch(path, 0, body=b"abc"))
        response = self.server.ask(message(b"DELETE", path))
        self.assertEqual((response.status, response.body), (204, b""))
        self.assertEqual(self.server.ids, [])

    def test_finished(self) -> None:
        """So is a finished one (T-115)."""
        path = self.server.create(3)
        self.server.ask(patch(path, 0, body=b"abc"))
        self.assertEqual(self.server.ask(message(b"DELETE", path)).status, 204)
        self.assertEqual(self.server.ids, [])

    def test_afterwards(self) -> None:
        """Whatever is asked of it then is 404 and tells no offset (T-116)."""
        path = self.server.create(5)
        self.server.ask(message(b"DELETE", path))
        for sent in (
            message(b"HEAD", path),
            patch(path, 0, body=b"abc"),
            message(b"DELETE", path),
        ):
            response = self.server.ask(sent)
            self.assertEqual(response.status, 404)
            self.assertIsNone(response[b"Upload-Offset"])

    def test_unknown(self) -> None:
        """What never was is 404 (T-117)."""
        response = self.server.ask(message(b"DELETE", BASE + b"unknown"))
        self.assert_refused(response, 404, "ERR_UPLOAD_NOT_FOUND")

    def test_body_is_ignored(self) -> None:
        """A body is dropped, and the connection goes on behind it (T-122)."""
        path = self.server.create(5)
        client = self.server.connect()
        response = client.ask(message(b"DELETE", path, UPLOAD_BYTES, body=b"abc"))
        self.assertEqual(response.status, 204)
        self.assertEqual(client.ask(message(b"OPTIONS", BASE)).status, 204)

    def test_running_patch_is_stopped(self) -> None:
        """A PATCH that runs is ended first, and nothing reappears (T-119, T-230)."""
        path = self.server.create(9)
        sender = self.server.connect()
        sender.begin(patch(path, 0, body=b"abcdefghi")[:-3])
        self.assertEqual(self.server.ask(message(b"DELETE", path)).status, 204)
        stopped = sender.responses()[-1]
        self.assert_refused(stopped, 400, "ERR_UPLOAD_INTERRUPTED")
        sender.send(b"ghi")
        self.assertEqual(self.server.ids, [])

    def test_failure(self) -> None:
        """A store that cannot is 500, and frees the upload again (T-266)."""
        self.server = Server(store=Stubborn())
        path = self.server.create(3)
        response = self.server.ask(message(b"DELETE", path))
        self.assert_refused(response, 500, "ERR_INTERNAL_SERVER_ERROR")
        self.assertEqual(self.server.ask(patch(path, 0, body=b"abc")).status, 204)

    def test_switched_off(self) -> None:
        """Without the extension it is 405, and not advertised (T-010, T-123)."""
        self.server = Server(switched_off=[Extension.TERMINATION])
        path = self.server.create(3)
        response = self.server.ask(message(b"DELETE", path))
        self.assert_refused(response, 405, "ERR_METHOD_NOT_ALLOWED")
        self.assertNotIn(b"DELETE", response[b"Allow"] or b"")
        options = self.server.ask(message(b"OPTIONS", BASE))
        self.assertNotIn(b"termination", options[b"Tus-Extension"] or b"")
        self.assertEqual(len(self.server.ids), 1)


class CreationOffTests(TusCase):
    """A server on which nothing can be created."""

    def test_post(self) -> None:
        """POST is 405, and the extension and what needs it are not listed (T-065)."""
        self.server = Server(switched_off=[Extension.CREATION])
        response = self.server.ask(message(b"POST", BASE, b"Upload-Length: 1"))
        self.assert_refused(response, 405, "ERR_METHOD_NOT_ALLOWED")
        self.assertEqual(response[b"Allow"], b"OPTIONS")
        options = self.server.ask(message(b"OPTIONS", BASE))
        self.assertNotIn(b"creation", options[b"Tus-Extension"] or b"")
        self.assertEqual(self.server.ids, [])

    def test_nothing_offered(self) -> None:
        """Without any extension the header is absent (T-010)."""
        self.server = Server(switched_off=list(Extension))
        options = self.server.ask(message(b"OPTIONS", BASE))
        self.assertIsNone(options[b"Tus-Extension"])
