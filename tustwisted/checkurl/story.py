"""
What is asked for, in which order: the life of one small upload.

It is created, written to in several ways and removed, and not finished unless that is
wanted, so that no hook takes it for somebody's file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field

from tustwisted.checkurl.answers import Answer
from tustwisted.checkurl.asking import Asker
from tustwisted.checkurl.cors import judge_exposed, judge_preflight
from tustwisted.checkurl.endpoint import (
    judge_creation,
    judge_options,
    judge_pace,
    judge_refusal,
    judge_version,
)
from tustwisted.checkurl.findings import Finding, Verdict, problem
from tustwisted.checkurl.location import Tried, candidates, judge_location
from tustwisted.checkurl.transfer import judge_head, judge_removal
from tustwisted.checkurl.trouble import NoAnswer
from tustwisted.checkurl.urls import resolved
from tustwisted.checkurl.writing import Enough, Wanted, Writing

LENGTH = 2 * 1024 * 1024
"""Of the upload, bytes, if the server takes as much."""

PATIENCE_S = 5.0
"""For so long the server may tell an old offset; tusd's locks need some seconds."""

_METADATA = "filename Y2hlY2stdXJsLnR4dA==,filetype dGV4dC9wbGFpbg=="


@define(eq=False, repr=False)
class Check:
    """
    Finds out about one URL.

    :param report: is told each finding as soon as it is there.
    :param patience_s: how long an offset may take to be told.
    """

    _reactor: Any
    _asker: Asker
    _url: str
    _wanted: Wanted
    _report: Callable[[Finding], None]
    _patience_s: float = PATIENCE_S

    _options: Answer | None = field(init=False, default=None)
    _upload: str | None = field(init=False, default=None)
    _content: bytes = field(init=False, default=b"")
    _has_problem: bool = field(init=False, default=False)

    async def run(self) -> bool:
        """
        Find out all there is.

        :returns: whether there is no problem.
        """
        for steps in ((self._begin, self._write), (self._ask_as_page,), (self._end,)):
            try:
                for step in steps:
                    await step()
            except Enough:
                pass
            except NoAnswer as error:
                fix = "see the logs of the proxy and the server"
                self._tell(problem("answer", str(error), fix))
        if self._asker.answers:
            self._tell(judge_version(self._asker.answers))
            self._tell(judge_pace(self._asker.answers))
        return not self._has_problem

    def _tell(self, *findings: Finding) -> bool:
        """Report; return whether none of this is a problem."""
        for finding in findings:
            self._report(finding)
        is_bad = any(finding.verdict is Verdict.PROBLEM for finding in findings)
        self._has_problem = self._has_problem or is_bad
        return not is_bad

    # -- until there is an upload ------------------------------------------------------

    async def _begin(self) -> None:
        try:
            self._options = await self._asker.ask("OPTIONS", self._url)
        except NoAnswer as error:
            fix = "check the URL, and that the server and its proxy run"
            self._tell(problem("endpoint", str(error), fix))
            raise Enough from None
        self._expect_no_refusal(self._options)
        created = await self._create()
        self._tell(judge_options(self._options, created))
        self._expect_no_refusal(created)
        self._tell(judge_creation(created))
        location = created.value("Location")
        if created.status != 201 or not location:
            raise Enough
        if self._wanted.origin is not None:
            self._tell(judge_exposed(created, self._wanted.origin))
        await self._find(location)

    def _expect_no_refusal(self, answer: Answer) -> None:
        refusal = judge_refusal(answer, bool(self._wanted.header_names))
        if refusal is not None:
            self._tell(refusal)
            raise Enough

    async def _create(self) -> Answer:
        length, most = LENGTH, (self._options or _NONE).value("Tus-Max-Size") or ""
        if most.isascii() and most.isdigit() and 0 < int(most[:18]) < length:
            length = int(most)
        self._content = make_content(length)
        headers = {"Upload-Length": str(length), "Upload-Metadata": _METADATA}
        return await self._asker.ask("POST", self._url, headers)

    async def _find(self, location: str) -> None:
        there = resolved(self._url, location)
        if there is None:
            fix = "see which program changes the server's Location"
            self._tell(problem("location", "the Location is no URL", fix))
            raise Enough
        tried = []
        for url in candidates(self._url, there):
            tried.append(await self._try(url))
            if tried[-1].is_upload:
                break
        self._tell(judge_location(self._url, there, tried))
        answer = tried[-1].answer
        if answer is None or not tried[-1].is_upload:
            raise Enough
        self._upload = tried[-1].url
        self._tell(*judge_head(answer, len(self._content), _METADATA))

    async def _try(self, url: str) -> Tried:
        try:
            return Tried(url, await self._asker.ask("HEAD", url))
        except NoAnswer as error:
            return Tried(url, None, str(error))

    async def _write(self) -> None:
        if self._upload is not None:
            writing = Writing(
                self._reactor,
                self._asker,
                self._upload,
                self._content,
                self._wanted,
                self._tell,
                self._patience_s,
            )
            await writing.run()

    # -- the rest ----------------------------------------------------------------------

    async def _ask_as_page(self) -> None:
        origin = self._wanted.origin
        if origin is None or self._options is None or self._options.is_redirect:
            return
        asked = [(self._url, "POST", ["upload-length", "upload-metadata"])]
        if self._upload is not None:
            asked.append((self._upload, "PATCH", ["content-type", "upload-offset"]))
        own = [name.lower() for name in self._wanted.header_names]
        for url, method, needed in asked:
            names = sorted({"tus-resumable", *needed, *own})
            answer = await self._asker.preflight(url, method, names)
            self._tell(judge_preflight(answer, origin, method, names))

    async def _end(self) -> None:
        if self._upload is None or self._options is None:
            return
        extensions = self._options.words("Tus-Extension")
        is_offered = "termination" in extensions
        answer = None
        try:
            if is_offered or not extensions:
                answer = await self._asker.ask("DELETE", self._upload)
        finally:
            self._tell(judge_removal(answer, self._upload, is_offered))


def make_content(length: int) -> bytes:
    """Make text that tells of each block where it belongs."""
    lines = (b"%015d\n" % at * 64 for at in range(0, length, 1024))
    return b"".join(lines)[:length]


_NONE = Answer("OPTIONS", "", 0)
