"""A directory as tusd leaves it is gone on with."""

from __future__ import annotations

import json
import os

from tests.store.support import StoreCase, append, run
from tustwisted.errors import UploadNotFound
from tustwisted.protocol.upload import UploadState
from tustwisted.store.durability import Durability


class TusdDirectoryTests(StoreCase):
    """Files as tusd 2 writes them, started with ``-upload-dir ./data``."""

    def setUp(self) -> None:
        """Leave some uploads."""
        super().setUp()
        os.mkdir(self.directory)
        self.leave("begun", 10, b"abcd")
        self.leave("whole", 4, b"abcd", {"filename": "caf\u00e9.txt", "x": ""})
        self.leave("deferred", 0, b"abc", SizeIsDeferred=True)
        self.leave("part1", 2, b"ab", IsPartial=True)
        self.leave("part2", 2, b"cd", IsPartial=True)
        self.leave(
            "final",
            4,
            b"abcd",
            IsFinal=True,
            PartialUploads=["part1", "part2"],
        )
        self.put("torn.info", b"")
        self.put("torn", b"")
        self.put("begun.lock", b"4711\n")
        self.put("begun.stop", b"")

    def leave(
        self,
        upload_id: str,
        size: int,
        content: bytes,
        metadata: dict[str, str] | None = None,
        **changes: object,
    ) -> None:
        """Write an upload as tusd's filestore does (Go's encoding/json, no blanks)."""
        fields = {
            "ID": upload_id,
            "Size": size,
            "SizeIsDeferred": False,
            "Offset": 0,
            "MetaData": metadata or {},
            "IsPartial": False,
            "IsFinal": False,
            "PartialUploads": None,
            "Storage": {
                "InfoPath": f"data/{upload_id}.info",
                "Path": f"data/{upload_id}",
                "Type": "filestore",
            },
        }
        text = json.dumps(fields | changes, separators=(",", ":"), ensure_ascii=False)
        self.put(f"{upload_id}.info", text.encode())
        self.put(upload_id, content)

    def test_what_is_told(self) -> None:
        """Offset, length, state and kind of each upload are told."""
        store = self.make()
        for upload_id, offset, length, state in (
            ("begun", 4, 10, UploadState.RECEIVING),
            ("whole", 4, 4, UploadState.FINISHED),
            ("deferred", 3, None, UploadState.RECEIVING),
            ("part1", 2, 2, UploadState.FINISHED),
            ("final", 4, 4, UploadState.FINISHED),
        ):
            info = run(store.info(upload_id))
            self.assertEqual(
                (info.offset, info.length, info.state), (offset, length, state)
            )
        self.assertTrue(run(store.info("part1")).is_partial)
        final = run(store.info("final"))
        self.assertTrue(final.is_final)
        self.assertEqual(final.partial_uploads, ("part1", "part2"))

    def test_metadata(self) -> None:
        """Metadata is encoded again as a client would send it."""
        metadata = run(self.make().info("whole")).metadata
        self.assertEqual(
            metadata.pairs, {"filename": "caf\u00e9.txt".encode(), "x": b""}
        )
        self.assertEqual(metadata.header, "filename Y2Fmw6kudHh0,x")

    def test_nothing_is_finished_again(self) -> None:
        """tusd has run its hooks for what is whole: no finish step is due."""
        self.assertEqual(run(self.make().awaiting_finish()), [])

    def test_looking_changes_nothing(self) -> None:
        """To read a directory writes nothing into it."""
        before = {name: self.content(name) for name in os.listdir(self.directory)}
        store = self.make()
        for upload_id in ("begun", "whole", "deferred", "final"):
            run(store.info(upload_id))
        run(store.awaiting_finish())
        run(store.open_writer("whole", 4)).close()
        after = {name: self.content(name) for name in os.listdir(self.directory)}
        self.assertEqual(after, before)

    def test_going_on(self) -> None:
        """An upload that tusd began is finished here, hooks included."""
        for durability in Durability:
            self.leave("begun", 10, b"abcd", {"k": "v"}, Future=[1])
            store = self.make(durability)
            self.assertEqual(append(store, "begun", b"efgh"), 8)
            self.assertEqual(append(store, "begun", b"ij"), 10)
            info = run(store.info("begun"))
            self.assertEqual((info.offset, info.state), (10, UploadState.RECEIVING))
            self.assertTrue(info.awaits_finish)
            run(store.set_state("begun", UploadState.FINISHED))
            self.assertEqual(self.content("begun"), b"abcdefghij")
            fields = json.loads(self.content("begun.info"))
            self.assertEqual(fields["Future"], [1])
            self.assertEqual(fields["MetaData"], {"k": "v"})
            self.assertEqual(fields["Storage"]["Path"], "data/begun")

    def test_its_failings(self) -> None:
        """Where tusd gives up, an upload can be told of, repaired or removed."""
        store = self.make()
        self.leave("long", 5, b"abcdefg")  # tusd: offset 7 of 5, for ever
        self.assertEqual(run(store.info("long")).offset, 5)
        os.unlink(self.path("whole"))  # tusd: 404, DELETE too
        self.assertRaises(UploadNotFound, run, store.info("whole"))
        for upload_id in ("whole", "torn"):  # tusd: 500 for a torn one
            run(store.remove(upload_id))
            self.assertFalse(os.path.exists(self.path(f"{upload_id}.info")))

    def test_a_place_that_a_hook_chose(self) -> None:
        """A path that a hook has given is followed, if it is in the directory."""
        os.mkdir(self.path("by-name"))
        self.put("by-name/My file.txt", b"abcd")
        path = os.path.abspath(self.path("by-name/My file.txt"))
        self.leave("chosen", 8, b"", Storage={"Type": "filestore", "Path": path})
        os.unlink(self.path("chosen"))
        store = self.make()
        self.assertEqual(run(store.info("chosen")).offset, 4)
        append(store, "chosen", b"efgh")
        self.assertEqual(self.content("by-name/My file.txt"), b"abcdefgh")
        run(store.set_state("chosen", UploadState.FINISHED))
        run(store.remove("chosen"))
        self.assertEqual(os.listdir(self.path("by-name")), [])
