"""Compares what the receiver has heard with what the clients were told."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from tests.events.clients import Ledger
from tests.events.world import Noted, World


def judge(world: World, ledger: Ledger) -> list[str]:
    """List all that must not be, each in a sentence."""
    told = {kind: _ids(world.noted, kind) for kind in ("create", "finish", "terminate")}
    told["expire"] = _ids(world.noted, "expire")
    stored = world.stored()
    finished = {upload_id for upload_id in stored if _is_finished(world, upload_id)}
    ended = told["terminate"] | told["expire"]
    unknown = told["create"] - ledger.created
    return [
        *ledger.problems,
        *world.log_faults(),
        *_each("in the outbox at the end", world.waiting()),
        *_each("created, and not told", ledger.created - told["create"]),
        *_each("created for nobody, and gone", unknown - stored - ended),
        *_each("finished, and not told", ledger.finished - told["finish"]),
        *_each("stored as finished, and not told", finished - told["finish"]),
        # Of a creation with content the answer may be lost, and nobody knows it.
        *_each(
            "told to be finished, and not known",
            told["finish"] - ledger.finished - (finished & unknown),
        ),
        *_each("terminated, and not told", ledger.terminated - told["terminate"]),
        *_each("told to be terminated", told["terminate"] - ledger.terminated),
        *_each("told to be gone, and stored", ended & stored),
        *_each("expired though finished", told["expire"] & told["finish"]),
        *_each("gone without a word", ledger.created - stored - ended),
        *_each("left alone, and neither stored nor expired", ledger.left - ended),
        *_order(world.noted),
    ]


def _ids(noted: Iterable[Noted], kind: str) -> set[str]:
    return {each.upload_id for each in noted if each.type == f"post-{kind}"}


def _is_finished(world: World, upload_id: str) -> bool:
    record = json.loads((world.uploads / f"{upload_id}.info").read_text())
    return bool(record["State"] == "finished")


def _each(what: str, found: Iterable[str]) -> Iterator[str]:
    for each in sorted(found):
        yield f"{what}: {each}"


def _order(noted: Iterable[Noted]) -> Iterator[str]:
    """See that first arrivals are 1, 2, 3, and that an event has one id."""
    first: dict[str, list[Noted]] = {}
    seen: set[str] = set()
    for each in noted:
        if each.event_id not in seen:
            seen.add(each.event_id)
            first.setdefault(each.upload_id, []).append(each)
    for upload_id, events in first.items():
        numbers = [event.sequence for event in events]
        if numbers != list(range(1, len(events) + 1)):
            yield f"{upload_id} was told in the order {numbers}"
        if len({event.type for event in events}) != len(events):
            yield f"{upload_id} has two ids for one event"
        for event in events:
            if not event.event_id.startswith(f"{upload_id}@"):
                yield f"{upload_id} has an event with the id {event.event_id}"
