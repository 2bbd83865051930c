"""Requests as a client makes them: each has an end, and some pause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import treq
from attrs import define, field, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IConsumer
from twisted.python.failure import Failure
from twisted.web.client import Agent
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from tustwisted.checkurl.answers import Answer
from tustwisted.checkurl.trouble import NoAnswer, explain
from tustwisted.checkurl.urls import origin_of

KEPT_BYTES = 4 * 1024 * 1024
"""As much of a body is kept; what is longer is read to its end, and forgotten."""

VERSION = "1.0.0"


@frozen
class Secrets:
    """Headers of which nobody but the server hears."""

    headers: Sequence[tuple[str, str]] = ()

    def hidden(self, text: str) -> str:
        """Take them out of a text, for the server may have told them."""
        for _, value in self.headers:
            for secret in (value, value.rpartition(" ")[2]):
                text = text.replace(secret, "***") if secret else text
        return text


@define(eq=False, repr=False)
class Asker:
    """
    Asks one server.

    :param url: the secrets go where it leads, and nowhere else.
    :param origin: the page that asks, if a browser is to be played.
    :param timeout_s: how long an answer may take.

    :ivar answers: all that came so far.
    :ivar overrides: PATCH is sent as POST, with the method in a header.
    """

    _reactor: Any
    _url: str
    _secrets: Secrets
    _origin: str | None
    timeout_s: float
    answers: list[Answer] = field(init=False, factory=list)
    overrides: bool = field(init=False, default=False)
    _agent: IAgent = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._agent = Agent(self._reactor, connectTimeout=self.timeout_s)

    async def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """
        Make a request of the protocol.

        :raises NoAnswer: there is none.
        """
        sending = self.begin(method, url, headers or {}, len(body), body)
        return await sending.answer

    async def preflight(self, url: str, method: str, headers: Sequence[str]) -> Answer:
        """
        Ask what a browser asks before a request: without secrets, and not as tus.

        :raises NoAnswer: there is none.
        """
        asked = Headers(
            {
                "Origin": [self._origin or "null"],
                "Access-Control-Request-Method": [method],
                "Access-Control-Request-Headers": [",".join(headers)],
            }
        )
        return await self._send("OPTIONS", url, asked, None)

    def begin(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        length: int,
        start: bytes,
    ) -> Sending:
        """
        Make a request, and send the begin of its body.

        :param length: of all the body; it ends when the answer came, or is cut.
        """
        asked = Headers({"Tus-Resumable": [VERSION]})
        if method == "PATCH" and self.overrides:
            asked.addRawHeader("X-HTTP-Method-Override", method)
            method = "POST"
        for name, value in headers.items():
            asked.setRawHeaders(name, [value])
        if self._origin is not None:
            asked.addRawHeader("Origin", self._origin)
        if origin_of(url) == origin_of(self._url):
            for name, value in self._secrets.headers:
                asked.addRawHeader(name, value)
        body = _PausingBody(length, start) if length else None
        return Sending(self._send(method, url, asked, body))

    def _send(
        self, method: str, url: str, headers: Headers, body: IBodyProducer | None
    ) -> Deferred[Answer]:
        answer: Deferred[Answer] = Deferred.fromCoroutine(
            self._answered(method, url, headers, body)
        )

        def too_late(result: Any, limit_s: float) -> Any:
            if isinstance(result, Failure):
                raise NoAnswer(f"{method} is not answered within {limit_s:g} s")
            return result

        return answer.addTimeout(self.timeout_s, self._reactor, too_late)

    async def _answered(
        self, method: str, url: str, headers: Headers, body: IBodyProducer | None
    ) -> Answer:
        began_s = self._reactor.seconds()
        kept = bytearray()

        def keep(piece: bytes) -> None:
            kept.extend(piece[: KEPT_BYTES - len(kept)])

        try:
            response: IResponse = await self._agent.request(
                method.encode(), url.encode(), headers, body
            )
            took_s = self._reactor.seconds() - began_s
            await treq.collect(response, keep)
        except CancelledError:
            raise
        except Exception as error:
            raise NoAnswer(explain(url, Failure(error))) from error
        answer = Answer(
            method,
            url,
            response.code,
            tuple(_pairs(response.headers)),
            bytes(kept),
            took_s,
            "{}.{}".format(*response.version[1:]),
        )
        self.answers.append(answer)
        return answer


@define(eq=False, repr=False)
class Sending:
    """
    A request whose body may not be complete.

    :ivar answer: fires with the :class:`Answer`, or fails with :class:`NoAnswer`.
    :ivar came: what came before the request was cut, if anything.
    """

    answer: Deferred[Answer]
    came: Answer | None = None

    def __attrs_post_init__(self) -> None:
        self.answer.addCallback(self._note)  # type: ignore[unused-awaitable]

    def _note(self, answer: Answer) -> Answer:
        self.came = answer
        return answer

    def cut(self) -> None:
        """End its connection, unless the answer came already."""
        self.answer.addErrback(_forget)  # type: ignore[unused-awaitable]
        self.answer.cancel()


def _forget(failure: Failure) -> None:
    failure.trap(NoAnswer, CancelledError)


def _pairs(headers: Headers) -> list[tuple[str, str]]:
    return [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, values in headers.getAllRawHeaders()
        for value in values
    ]


@implementer(IBodyProducer)
class _PausingBody:
    """The begin of a body, and then nothing more, if that is not all of it."""

    def __init__(self, length: int, start: bytes) -> None:
        self.length = length
        self._start = start

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Send what there is."""
        consumer.write(self._start)
        done: Deferred[None] = Deferred()
        if len(self._start) == self.length:
            done.callback(None)
        return done

    def pauseProducing(self) -> None:
        """Do nothing: all has been handed over."""

    def resumeProducing(self) -> None:
        """Do nothing."""

    def stopProducing(self) -> None:
        """Do nothing."""
