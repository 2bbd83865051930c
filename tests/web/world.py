"""A server in memory, its clients and its disk, played by steps and watched at each."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import ParamSpec, TypeVar

from attrs import define, field
from twisted.internet.error import ConnectionLost

from tests.fuzz.judge import DOCUMENTED
from tests.fuzz.wire import Asked, read_requests
from tests.receive.support import HandDisk
from tests.web.hostile import Do, Step
from tests.web.tus_harness import (
    BASE,
    HOST,
    UPLOAD_BYTES,
    Client,
    Response,
    Server,
    message,
    parse,
    patch,
)

_P = ParamSpec("_P")
_T = TypeVar("_T")

FIRST = b"first"
"""What the uploads hold at the begin."""

WAIT_S = 30
"""How long a step of waiting takes."""

LEAVES_NOTHING = frozenset([403, 404, 405, 409, 410, 412, 415, 416, 417, 423, 460, 501])
"""Statuses of requests whose bodies are not stored, not even in part."""

_ERROR = re.compile(rb"ERR_[A-Z_]+: [\x20-\x7e]+\n")
_SILENCE = b"ERR_READ_TIMEOUT: "


class SlowDisk(HandDisk):
    """A disk worked by hand whose quick calls wait, too."""

    async def quick(
        self, f: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Wait for a turn."""
        return await self.write(f, *args, **kwargs)


@define(eq=False)
class Talk:
    """One connection, with all that was sent over it."""

    client: Client
    sent: bytes = b""
    is_lost: bool = False

    def lose(self) -> None:
        """End it, once."""
        if not self.is_lost:
            self.is_lost = True
            self.client.lose(ConnectionLost())

    @property
    def is_closing(self) -> bool:
        """The server has told its transport to close."""
        return bool(self.client.wire.disconnecting)

    def exchanges(self) -> list[tuple[Asked, Response | None]]:
        """Pair the requests that were sent with their answers."""
        asked = read_requests(self.sent)
        final = [each for each in self.answers() if each.status >= 200]
        assert len(final) <= len(asked), f"{len(final)} answers to {len(asked)}"
        return [
            (one, final[number] if number < len(final) else None)
            for number, one in enumerate(asked)
        ]

    def answers(self) -> list[Response]:
        """Read the answers, however bad the requests were."""
        methods = [one.method for one in read_requests(self.sent)]
        wire = self.client.wire
        return parse(wire.value(), methods, wire.disconnecting)


@define(eq=False)
class World:
    """
    Four uploads to be attacked: a plain one, one of unknown length, two finished parts.

    :param disk: worked by the steps.
    """

    disk: HandDisk
    server: Server = field(init=False)
    paths: list[bytes] = field(init=False)
    talks: dict[int, Talk] = field(init=False, factory=dict)
    _waited: bool = field(init=False, default=False)
    _known: set[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.server = Server(disk=self.disk)
        size = len(FIRST)
        self.paths = [
            self._create(b"Upload-Length: %d" % (size + 4)),
            self._create(b"Upload-Defer-Length: 1"),
            self._create(b"Upload-Length: %d" % size, b"Upload-Concat: partial"),
            self._create(b"Upload-Length: %d" % size, b"Upload-Concat: partial"),
        ]
        self._known = set(self.server.ids)

    def _create(self, *lines: bytes) -> bytes:
        client = self.server.connect()
        client.begin(message(b"POST", BASE, *lines, UPLOAD_BYTES, body=FIRST))
        self.disk.do_all()
        response = client.responses()[-1]
        if response.status == 501:
            return self._create(*lines[:-1])  # concatenation is not offered
        assert response.status == 201, response
        return (response[b"Location"] or b"").removeprefix(b"http://" + HOST)

    # -- steps -------------------------------------------------------------------------

    def play(self, step: Step) -> None:
        """Do one step, and look at the answers."""
        which, what = step
        closing = [each for each in self.talks.values() if each.is_closing]
        if isinstance(what, bytes):
            talk = self._talk(which)
            for slot, path in enumerate(self.paths):
                what = what.replace(b"{%d}" % slot, path.removeprefix(BASE))
            if not talk.is_lost:
                talk.sent += what
                talk.client.send(what)
        elif what == Do.DISK:
            if self.disk.waiting:
                self.disk.do_one()
        elif what == Do.LEAVE:
            self._talk(which).lose()
        elif what == Do.WAIT:
            self._waited = True
            self.server.clock.advance(WAIT_S)
        self._turn()
        for talk in closing:  # after others had their turn, as in a real reactor
            talk.lose()
        self.look()

    def _talk(self, which: int) -> Talk:
        if which not in self.talks:
            self.talks[which] = Talk(self.server.connect())
        return self.talks[which]

    def _turn(self) -> None:
        """Let the reactor do what it has to, as often as it takes."""
        self.server.clock.pump([0] * 3)
        for talk in self.talks.values():
            talk.client.run()

    def end(self) -> None:
        """Let all that was begun come to its end, and look at what is left."""
        for talk in self.talks.values():
            self._settle()
            talk.lose()
        self._settle()
        for _ in range(8):
            self.server.clock.advance(WAIT_S)
            self._settle()
        calls = self.server.clock.getDelayedCalls()
        assert not calls, f"still to be called: {calls}"
        self.look()
        self._look_at_store()
        self._look_at_locks()

    def _settle(self) -> None:
        self._turn()
        while self.disk.waiting:
            self.disk.do_all()
            self._turn()

    # -- what always holds -------------------------------------------------------------

    def look(self) -> None:
        """See that every answer so far is one, and is allowed."""
        for talk in self.talks.values():
            for one, response in talk.exchanges():
                if response is not None:
                    self._judge(one, response)

    def _judge(self, one: Asked, response: Response) -> None:
        status = response.status
        late = self._waited and status == 500 and response.body.startswith(_SILENCE)
        assert status in DOCUMENTED or late, response
        if response.is_from_parser or one.target == b"*":
            return
        assert response[b"Tus-Resumable"] == b"1.0.0", response
        assert response[b"X-Content-Type-Options"] == b"nosniff", response
        if status >= 400 and response.body:
            assert _ERROR.fullmatch(response.body), response
        if status in (201, 409):
            header = b"Location" if status == 201 else b"Upload-Offset"
            assert response[header] is not None, response

    def _look_at_store(self) -> None:
        """See that nothing is stored that nobody sent, and nothing exists untold."""
        bodies: list[bytes] = []
        unanswered = 0
        told: set[str] = set()
        for talk in self.talks.values():
            for one, response in talk.exchanges():
                if response is None or response.is_from_parser:
                    unanswered += 1
                elif location := response[b"Location"]:
                    told.add(location.rpartition(b"/")[2].decode())
                if response is None or response.status not in LEAVES_NOTHING:
                    bodies.append(one.body)
        for upload_id in self.server.ids:
            content = self.server.store.content(upload_id)
            assert is_made_of(content, [FIRST, FIRST, *bodies]), (content, bodies)
        untold = set(self.server.ids) - told - self._known
        assert len(untold) <= unanswered, f"nobody was told of {untold}"

    def _look_at_locks(self) -> None:
        """See that each upload tells what is stored, and that its lock is free."""
        for upload_id in self.server.ids:
            path = BASE + upload_id.encode()
            head = self.server.head(path)
            offset = int(head[b"Upload-Offset"] or -1)
            self._look_at_finish(upload_id, head[b"Upload-Length"] == b"%d" % offset)
            assert offset == len(self.server.store.content(upload_id)), head
            assert offset <= int(head[b"Upload-Length"] or offset), head
            client = self.server.connect()
            client.begin(patch(path, offset, body=b""))
            self.disk.do_all()
            response = client.responses()[-1]
            is_final = (head[b"Upload-Concat"] or b"").startswith(b"final")
            assert response.status == (403 if is_final else 204), response

    def _look_at_finish(self, upload_id: str, is_whole: bool) -> None:
        """See that whole uploads, and no others, were told to be finished, once."""
        told = [event.upload.upload_id for event in self.server.told]
        assert told.count(upload_id) == int(is_whole), (upload_id, told)


def is_made_of(content: bytes, bodies: Sequence[bytes]) -> bool:
    """Whether bytes are a row of beginnings of bodies, each body used at most once."""

    @cache
    def from_place(at: int, unused: frozenset[int]) -> bool:
        if at == len(content):
            return True
        for number in unused:
            body = bodies[number]
            size = 0
            while body[size : size + 1] == content[at + size : at + size + 1] != b"":
                size += 1
                if from_place(at + size, unused - {number}):
                    return True
        return False

    return from_place(0, frozenset(range(len(bodies))))
