"""Searching the directory for uploads whose finish step is due."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.store.support import Recorder, StoreCase, append, intercepted, run
from tustwisted.errors import UploadNotFound
from tustwisted.protocol.upload import UploadInfo, UploadState
from tustwisted.store.durability import Durability
from tustwisted.store.file import FileStore
from tustwisted.store.files import OsFiles


class SearchCase(StoreCase):
    """Three uploads that wait for their end."""

    def make_three(self, intercept: Callable[..., Any]) -> FileStore:
        """Begin the uploads, and put something between the store and its files."""
        store = self.make()
        for upload_id in ("a", "b", "c"):
            run(store.create(UploadInfo(upload_id, 0)))
        return self.make(files=intercepted(OsFiles(), intercept))


class FreakTests(SearchCase):
    """One odd upload keeps no other one from its end."""

    def test_a_record_that_makes_no_sense(self) -> None:
        """A number that fits nowhere makes one upload not found, and only that."""
        store = self.make_three(lambda name, args, call: call())
        fields = json.loads(self.content("b.info"))
        self.put("b.info", json.dumps(fields | {"Created": 10**400}).encode())
        self.assertRaises(UploadNotFound, run, store.info("b"))
        self.assertEqual(sorted(run(store.awaiting_finish())), ["a", "c"])

    def test_any_exception(self) -> None:
        """Whatever looking at one upload raises is logged, and the search goes on."""

        def fail(name: str, args: tuple[Any, ...], call: Callable[[], Any]) -> Any:
            if name == "stat" and args[0].endswith("/b"):
                raise ZeroDivisionError
            return call()

        store = self.make_three(fail)
        self.assertEqual(sorted(run(store.awaiting_finish())), ["a", "c"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class CostTests(StoreCase):
    """What it costs to have many uploads."""

    def test_what_is_over_is_read_once(self) -> None:
        """At a start a finished upload, ours or of tusd, costs one read of a record."""
        store = self.make()
        for upload_id in ("a", "b", "c"):
            run(store.create(UploadInfo(upload_id, 0)))
            run(store.set_state(upload_id, UploadState.FINISHED))
        fields = json.loads(self.content("c.info"))
        del fields["State"]  # tusd knows none
        self.put("c.info", json.dumps(fields).encode())
        calls: list[str] = []
        store = self.make(files=intercepted(OsFiles(), Recorder(calls)))
        calls.clear()
        self.assertEqual(run(store.awaiting_finish()), [])
        self.assertEqual(calls, ["scan", "read", "read", "read"])

    def test_nothing_else_searches(self) -> None:
        """In all its life an upload makes nobody look at the others."""
        calls: list[str] = []
        files = intercepted(OsFiles(), Recorder(calls))
        store = self.make(Durability.STRICT, files)
        calls.clear()
        run(store.create(UploadInfo("u", 3)))
        append(store, "u", b"abc")
        run(store.set_state("u", UploadState.FINISHING))
        run(store.set_state("u", UploadState.FINISHED))
        run(store.open_reader("u")).close()
        run(store.remove("u"))
        self.assertIn("unlink", calls)
        self.assertNotIn("scan", calls)


class StopTests(SearchCase):
    """A stop does not wait for a search."""

    def search(self, at_first_record: Callable[[FileStore], None]) -> int:
        """Search while something happens; tell how many uploads were found."""
        reads: list[str] = []

        def intercept(name: str, args: tuple[Any, ...], call: Callable[[], Any]) -> Any:
            if name == "read":
                if not reads:
                    at_first_record(store)
                reads.append(args[0])
            return call()

        store = self.make_three(intercept)
        found = run(store.awaiting_finish())
        run(store.start())
        self.assertEqual(len(run(store.awaiting_finish())), 3)
        return len(found)

    def test_a_search_ends_early(self) -> None:
        """A search that is going on returns what it has; after a start all is found."""
        self.assertEqual(self.search(lambda store: run(store.stop())), 1)

    def test_a_search_does_not_outlive_a_restart(self) -> None:
        """A start after the stop does not set the old search going again."""

        def restart(store: FileStore) -> None:
            run(store.stop())
            run(store.start())

        self.assertEqual(self.search(restart), 1)
