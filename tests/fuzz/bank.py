"""The uploads that are attacked: a bounded number, put right between attacks."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Collection
from pathlib import Path

from attrs import define, field

from tests.fuzz.corpus import (
    BASE,
    DEFERRED,
    FINAL,
    FINISHED,
    OCTETS,
    PARTIAL,
    SLOTS,
    request,
    sized,
)
from tests.integration.raw import LIMIT_S, Client, Response

MOST_BYTES = 4 * 1024 * 1024
"""An upload that has got longer is replaced, so that the store stays small."""

_ATTEMPTS = 20
"""How often an upload is made anew when attacks take it away meanwhile."""

_HOSTILE = base64.b64encode(b'../"a\\b\r\nX-Injected: 1\0' + "é".encode())


@define
class Attacked:
    """One upload of the bank, as the server last told of it."""

    upload_id: bytes
    content: bytes | None
    """What a finished one holds, and will always hold."""
    offset: int = 0


@define(eq=False)
class Bank:
    """
    Makes uploads of every kind with a plain client, and looks after them.

    :param address: of the daemon.
    :param store: where it keeps its uploads.
    """

    address: tuple[str, int]
    store: Path
    _slots: dict[int, Attacked] = field(init=False, factory=dict)
    _lock: threading.Lock = field(init=False, factory=threading.Lock)
    _client: Client = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._client = Client(self.address)

    def take(self, slots: Collection[int]) -> dict[int, tuple[bytes, int]]:
        """Return id and offset of some uploads, each made anew if it has to be."""
        with self._lock:
            return {slot: self._take(slot) for slot in slots}

    def fill(self) -> None:
        """Make all uploads."""
        self.take(range(SLOTS))

    def remove_others(self, ids: Collection[bytes]) -> None:
        """Remove the uploads that attacks have made."""
        kept = {attacked.upload_id for attacked in self._slots.values()}
        for upload_id in set(ids) - kept:
            response = self._ask(sized(b"DELETE", BASE + upload_id))
            if response.status != 204:
                raise AssertionError(f"{upload_id!r} cannot be removed: {response}")

    def faults(self) -> list[str]:
        """
        Compare what is stored with what is told and, of finished uploads, with what
        was sent; while nobody writes.
        """
        found = []
        for slot in range(SLOTS):
            self.take([slot])
            attacked = self._slots[slot]
            stored = (self.store / attacked.upload_id.decode()).read_bytes()
            if len(stored) != attacked.offset:
                found.append(
                    f"{attacked.upload_id!r} has {len(stored)} bytes, "
                    f"and {attacked.offset} are told"
                )
            if attacked.content is not None and stored != attacked.content:
                found.append(f"{attacked.upload_id!r} was changed")
        return found

    def close(self) -> None:
        """Close the plain client's connection."""
        self._client.close()

    # -- inside ------------------------------------------------------------------------

    def _take(self, slot: int) -> tuple[bytes, int]:
        for _ in range(_ATTEMPTS):
            attacked = self._slots.get(slot)
            if attacked is not None and self._refresh(slot, attacked):
                return attacked.upload_id, attacked.offset
            self._slots.pop(slot, None)
            made = self._make(slot)
            if made is not None:
                self._slots[slot] = made
        raise AssertionError(f"the upload of slot {slot} cannot be made")

    def _refresh(self, slot: int, attacked: Attacked) -> bool:
        """Ask for the offset; false if the upload is of no use any more."""
        path = BASE + attacked.upload_id
        response = self._ask(request(b"HEAD", path), has_body=False)
        if response.status in (404, 410):
            return False
        if response.status != 200:
            raise AssertionError(f"an upload's offset is not told: {response}")
        attacked.offset = int(response.headers["upload-offset"])
        length = response.headers.get("upload-length")
        is_whole = length is not None and int(length) == attacked.offset
        if attacked.content is not None:
            return True
        if is_whole or attacked.offset > MOST_BYTES:
            self._ask(sized(b"DELETE", path))
            return False
        return (slot in DEFERRED) == (length is None)

    def _make(self, slot: int) -> Attacked | None:
        if slot in FINAL and (final := self._make_final()) is not None:
            return final
        finished = slot in (*FINISHED, *PARTIAL, *FINAL)
        content = bytes(range(256)) + b"%d" % slot if finished else b"abc"
        lines = [OCTETS, b"Upload-Length: %d" % len(content)]
        if slot in PARTIAL:
            lines.append(b"Upload-Concat: partial")
        elif slot in DEFERRED:
            lines[1] = b"Upload-Defer-Length: 1"
        elif not finished:
            lines[1] = b"Upload-Length: %d" % (5000 if slot < SLOTS - 2 else 2**40)
        kind = [b"dGV4dC9wbGFpbg==", b"dGV4dC9odG1s", _HOSTILE][slot % 3]
        lines.append(b"Upload-Metadata: filename " + _HOSTILE + b",filetype " + kind)
        response = self._ask(sized(b"POST", BASE, *lines, body=content))
        if response.status == 501 and slot in PARTIAL:
            del lines[2]  # concatenation is not offered
            response = self._ask(sized(b"POST", BASE, *lines, body=content))
        return _made(response, content if finished else None)

    def _make_final(self) -> Attacked | None:
        parts = [self._take(slot)[0] for slot in PARTIAL[:2]]
        content = b"".join(self._slots[slot].content or b"" for slot in PARTIAL[:2])
        urls = b" ".join(BASE + part for part in parts)
        line = b"Upload-Concat: final;" + urls
        response = self._ask(sized(b"POST", BASE, line))
        if response.status in (404, 410, 501):
            return None  # an attack was quicker, or it is not offered
        return _made(response, content)

    def _ask(self, sent: bytes, has_body: bool = True) -> Response:
        try:
            self._client.send(sent)
            return self._client.response(LIMIT_S, has_body)
        except ConnectionError:  # it was idle for too long, or was closed by an answer
            self._client.close()
            self._client = Client(self.address)
            self._client.send(sent)
            return self._client.response(LIMIT_S, has_body)


def _made(response: Response, content: bytes | None) -> Attacked:
    if response.status != 201:
        raise AssertionError(f"an upload was not created: {response}")
    path = re.sub("^https?://[^/]+", "", response.headers["location"])
    return Attacked(path.removeprefix(BASE.decode()).encode(), content)
