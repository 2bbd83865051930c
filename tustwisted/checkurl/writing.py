"""
The bytes of the small upload: in small and large chunks, with a pause, cut and wrong.
"""

from __future__ import annotations

from typing import Any, Protocol

from attrs import define, field, frozen
from twisted.internet.task import deferLater

from tustwisted.checkurl.answers import Answer
from tustwisted.checkurl.asking import Asker, Sending
from tustwisted.checkurl.cors import judge_error
from tustwisted.checkurl.findings import Finding
from tustwisted.checkurl.transfer import (
    Streamed,
    is_blocked,
    judge_blocked,
    judge_conflict,
    judge_download,
    judge_expect,
    judge_large,
    judge_patch,
    judge_streamed,
)
from tustwisted.checkurl.trouble import NoAnswer

SMALL = 1000
"""A chunk that nobody can object to, bytes."""

STREAMED = 256 * 1024
"""What is sent before the pause: more than proxies hold back for their own sake."""

LARGE = 1024 * 1024
"""What nginx refuses, unless it is told otherwise, is larger than this."""

_PAUSE_S = 0.1
_BYTES = {"Content-Type": "application/offset+octet-stream"}


@frozen
class Wanted:
    """
    What is looked at beside the rest.

    :param origin: of pages that may use the server.
    :param header_names: of headers that are sent beside those of the protocol.
    :param finishes: the upload is finished, and read back.
    """

    origin: str | None = None
    header_names: tuple[str, ...] = ()
    finishes: bool = False


class Enough(Exception):
    """Nothing more can be found out."""


class Tells(Protocol):
    """Tells findings."""

    def __call__(self, *findings: Finding) -> bool:
        """Return whether none of them is a problem."""


@define(eq=False, repr=False)
class Writing:
    """
    Writes to one upload, which is empty.

    :param url: of the upload.
    :param content: all of it.
    :param patience_s: how long an offset may take to be told.
    """

    _reactor: Any
    _asker: Asker
    _url: str
    _content: bytes
    _wanted: Wanted
    _tell: Tells
    _patience_s: float
    _offset: int = field(init=False, default=0)

    async def run(self) -> None:
        """
        Write in all ways, but for the last byte, and go on after each.

        :raises Enough: no PATCH gets through.
        :raises NoAnswer: one has none.
        """
        small = min(SMALL, max(1, len(self._content) // 8))
        if not await self._write_first(small):
            raise Enough
        await self._stream()
        await self._write_expecting(small)
        await self._write_wrongly()
        await self._write_large()
        if self._wanted.finishes and self._offset == len(self._content):
            await self._read_back()

    async def _patch(self, size: int, **more: str) -> Answer:
        """Send some of what is missing."""
        body = self._content[self._offset : self._offset + size]
        headers = {**_BYTES, "Upload-Offset": str(self._offset), **more}
        answer = await self._asker.ask("PATCH", self._url, headers, body)
        if answer.is_good:
            self._offset = answer.offset or self._offset + len(body)
        return answer

    async def _write_first(self, size: int) -> bool:
        answer = await self._patch(size)
        if not is_blocked(answer):
            return self._tell(judge_patch(answer, size))
        self._asker.overrides = True
        override: Answer | None = None
        try:
            override = await self._patch(size)
        finally:
            self._tell(judge_blocked(answer, override, size))
        return override.is_good

    async def _stream(self) -> None:
        size = min(STREAMED, (len(self._content) - self._offset) // 4)
        began_s = self._reactor.seconds()
        start = self._content[self._offset : self._offset + size]
        headers = {**_BYTES, "Upload-Offset": str(self._offset)}
        sending = self._asker.begin("PATCH", self._url, headers, 2 * size, start)
        noticed_s = None
        if await self._is_noticed(sending):
            noticed_s = self._reactor.seconds() - began_s
        early = sending.came
        sending.cut()
        if early is not None and not early.is_good and noticed_s is None:
            self._tell(judge_patch(early, self._offset, "streaming"))
            raise Enough
        before, now = self._offset, await self._offset_after(self._offset + size)
        if now is not None:
            self._offset = now
        waited_s = self._reactor.seconds() - began_s
        kept = None if now is None else now - before
        self._tell(*judge_streamed(Streamed(size, noticed_s, kept, waited_s)))
        if now is None:
            raise Enough

    async def _is_noticed(self, sending: Sending) -> bool:
        """Wait until the server tells that it has bytes of a body that goes on."""
        until_s = self._reactor.seconds() + self._patience_s
        while self._reactor.seconds() < until_s:
            answer = await self._asker.ask("HEAD", self._url)
            # 423: the request has got there, and holds the lock.
            if (answer.offset or 0) > self._offset or answer.status == 423:
                return True
            if sending.came is not None:
                return False
            await deferLater(self._reactor, _PAUSE_S)
        return False

    async def _offset_after(self, expected: int) -> int | None:
        """Ask for the offset until it is what it may be, or does not change."""
        until_s = self._reactor.seconds() + self._patience_s
        told = None
        while told != expected and self._reactor.seconds() < until_s:
            answer = await self._asker.ask("HEAD", self._url)
            if answer.is_good and answer.offset is not None:
                told = answer.offset
            await deferLater(self._reactor, _PAUSE_S)
        return told

    async def _write_expecting(self, size: int) -> None:
        try:
            answer = await self._patch(size, Expect="100-continue")
        except NoAnswer as error:
            self._tell(judge_expect(None, str(error)))
            self._offset = await self._offset_after(self._offset + size) or self._offset
        else:
            self._tell(judge_expect(answer))

    async def _write_wrongly(self) -> None:
        headers = {**_BYTES, "Upload-Offset": str(self._offset - 1)}
        answer = await self._asker.ask("PATCH", self._url, headers, b"?")
        self._tell(judge_conflict(answer))
        if self._wanted.origin is not None:
            self._tell(judge_error(answer, self._wanted.origin))

    async def _write_large(self) -> None:
        size = len(self._content) - self._offset - (not self._wanted.finishes)
        if size <= LARGE and not self._wanted.finishes:
            return
        try:
            self._tell(judge_large(await self._patch(size), size))
        except NoAnswer as error:
            self._tell(judge_large(None, size, str(error)))

    async def _read_back(self) -> None:
        headers = {"Accept-Encoding": "gzip"}
        answer = await self._asker.ask("GET", self._url, headers)
        self._tell(judge_download(answer, self._content))
