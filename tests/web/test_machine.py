"""
The protocol as a machine: any row of good and bad requests, beside a simple model.

Unlike :mod:`tests.web.test_hostile`, which knows little of what is sent, the model here
knows after each step what every upload must be like.
"""

from __future__ import annotations

from attrs import evolve
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from twisted.internet.error import ConnectionLost
from twisted.trial.unittest import SynchronousTestCase

from tests.campaign import tried
from tests.web.machine_model import (
    HAS_CONCATENATION,
    LONGEST,
    PIECES,
    Model,
    Piece,
    Sending,
)
from tests.web.tus_harness import (
    BASE,
    CHUNKED,
    HOST,
    UPLOAD_BYTES,
    Response,
    Server,
    in_chunks,
    message,
    patch,
)


class Protocol(RuleBasedStateMachine):
    """Clients that create, send, ask and remove; some do it badly."""

    uploads: Bundle[Model] = Bundle("uploads")
    sendings: Bundle[Sending] = Bundle("sendings")

    def __init__(self) -> None:
        super().__init__()
        self.server = Server(max_size_bytes=LONGEST)
        self.models: list[Model] = []
        self.running: list[Sending] = []

    # -- creation ----------------------------------------------------------------------

    @rule(
        target=uploads,
        length=st.none() | st.integers(0, LONGEST),
        is_partial=st.booleans(),
    )
    def create(self, length: int | None, is_partial: bool) -> Model:
        """Create an upload with no bytes, perhaps of unknown length."""
        line = b"Upload-Defer-Length: 1"
        if length is not None:
            line = b"Upload-Length: %d" % length
        is_partial = is_partial and HAS_CONCATENATION
        lines = [line, *([b"Upload-Concat: partial"] if is_partial else [])]
        response = self.server.ask(message(b"POST", BASE, *lines))
        return self._created(response, Model(b"", length, is_partial=is_partial))

    @rule(target=uploads, length=st.integers(0, LONGEST + 2), piece=PIECES)
    def create_with_upload(
        self, length: int, piece: Piece
    ) -> Model | MultipleResults[Model]:
        """Create an upload with its first bytes."""
        piece = evolve(piece, off=0, tells=None)
        model = Model(b"", length)
        lines = [b"Upload-Length: %d" % length, UPLOAD_BYTES, *piece.lines(model)]
        response = self.server.ask(message(b"POST", BASE, *lines, body=piece.body))
        status, _ = piece.verdict(model)
        if length > LONGEST and status != 400:
            status = 413
        if status == 204:
            model.content = piece.body
            assert response[b"Upload-Offset"] == b"%d" % model.offset, response
            return self._created(response, model)
        assert response.status == status, (response, status)
        assert response[b"Location"] is None, response
        return multiple()

    @rule(target=uploads, parts=st.lists(uploads, min_size=1, max_size=3))
    def concatenate(self, parts: list[Model]) -> Model | MultipleResults[Model]:
        """Put an upload together from others."""
        urls = b" ".join(part.path for part in parts)
        line = b"Upload-Concat: final;" + urls
        response = self.server.ask(message(b"POST", BASE, line))
        content = b"".join(part.content for part in parts)
        if not HAS_CONCATENATION:
            assert response.status == 501, response
        elif not all(p.is_partial and p.is_whole and not p.is_gone for p in parts):
            assert response.status in (400, 404), response
        elif len(content) > LONGEST:
            assert response.status == 413, response
        else:
            final = Model(b"", len(content), content, is_final=True)
            return self._created(response, final)
        return multiple()

    def _created(self, response: Response, model: Model) -> Model:
        assert response.status == 201, response
        model.path = (response[b"Location"] or b"").removeprefix(b"http://" + HOST)
        self.models.append(model)
        return model

    # -- sending -----------------------------------------------------------------------

    @rule(model=uploads, piece=PIECES, has_trailer=st.booleans())
    def send(self, model: Model, piece: Piece, has_trailer: bool) -> None:
        """Send a PATCH as a whole."""
        status, length = piece.verdict(model)
        offset, stops = piece.offset(model), piece.stops_others(model)
        lines = piece.lines(model)
        if has_trailer and piece.checksum == "right":
            trailer = lines.pop(0) + b"\r\n\r\n"
            coded = in_chunks(*filter(None, [piece.body])) + b"0\r\n" + trailer
            announced = (CHUNKED, b"Trailer: Upload-Checksum")
            wire = patch(model.path, offset, *lines, *announced) + coded
        else:
            wire = patch(model.path, offset, *lines, body=piece.body)
        response = self.server.ask(wire)
        assert response.status == status, (response, status)
        if stops:
            self._stopped(model)
        if status == 409:
            assert response[b"Upload-Offset"] == b"%d" % model.offset, response
        elif status == 204:
            model.content += piece.body
            model.length = length
            assert response[b"Upload-Offset"] == b"%d" % model.offset, response

    @rule(target=sendings, model=uploads, piece=PIECES, first=st.integers(0, 5))
    def begin(
        self, model: Model, piece: Piece, first: int
    ) -> Sending | MultipleResults[Sending]:
        """Begin a PATCH that would be accepted, if it came to its end."""
        piece = evolve(piece, off=0)
        status, length = piece.verdict(model)
        if status not in (204, 460) or not piece.body:
            return multiple()
        client = self.server.connect()
        head = patch(model.path, model.offset, *piece.lines(model), body=piece.body)
        client.begin(head.removesuffix(piece.body))
        self._stopped(model)
        checked = None if piece.checksum == "none" else piece.body
        if checked is None:
            model.length = length  # it outlives a cut (T-109)
        sending = Sending(client, model, piece.body, length, checked, status)
        self.running.append(sending)
        self._feed(sending, min(first, len(piece.body) - 1))
        return sending

    @rule(sending=sendings, size=st.integers(1, 6))
    def feed(self, sending: Sending, size: int) -> None:
        """Send more of a body, perhaps all that is left."""
        if sending.is_over:
            return
        self._feed(sending, size)
        if sending.rest:
            return
        self._over(sending)
        response = sending.client.responses()[-1]
        assert response.status == sending.status, response
        if sending.checked is not None and sending.status == 204:
            sending.model.content += sending.checked
            sending.model.length = sending.length

    @rule(sending=sendings)
    def cut(self, sending: Sending) -> None:
        """Leave in the middle of a body."""
        if not sending.is_over:
            self._over(sending)
            sending.client.lose(ConnectionLost())

    @rule(sending=sendings)
    def fall_silent(self, sending: Sending) -> None:
        """Send nothing for long; so do all others."""
        if sending.is_over:
            return
        self.server.clock.advance(61)
        self.server.clock.pump([0] * 3)
        for each in list(self.running):
            self._over(each)
            self._assert_told(each, 500, "ERR_READ_TIMEOUT")

    def _feed(self, sending: Sending, size: int) -> None:
        piece, sending.rest = sending.rest[:size], sending.rest[size:]
        sending.client.send(piece)
        if sending.checked is None:
            sending.model.content += piece

    def _stopped(self, model: Model) -> None:
        """Take note that whoever sends to an upload has been stopped."""
        for sending in [each for each in self.running if each.model is model]:
            self._over(sending)
            self._assert_told(sending, 400, "ERR_UPLOAD_INTERRUPTED")

    def _over(self, sending: Sending) -> None:
        sending.is_over = True
        self.running.remove(sending)

    def _assert_told(self, sending: Sending, status: int, code: str) -> None:
        response = sending.client.responses()[-1]
        assert (response.status, response.code) == (status, code), response

    # -- the rest ----------------------------------------------------------------------

    @rule(model=uploads)
    def remove(self, model: Model) -> None:
        """Remove an upload; who sends to it is stopped first."""
        response = self.server.ask(message(b"DELETE", model.path))
        assert response.status == (404 if model.is_gone else 204), response
        if not model.is_gone:
            self._stopped(model)
            model.is_gone = True
            self.models.remove(model)

    @invariant()
    def as_the_model_says(self) -> None:
        """Every upload is there as it must be, and no other one is."""
        there = sorted(model.upload_id for model in self.models)
        assert sorted(self.server.ids) == there
        for model in self.models:
            assert self.server.content(model.path) == model.content
            head = self.server.head(model.path)
            assert head[b"Upload-Offset"] == b"%d" % model.offset, head
            told = None if model.length is None else b"%d" % model.length
            assert head[b"Upload-Length"] == told, head
            assert head[b"Upload-Defer-Length"] == (None if told else b"1"), head

    @invariant()
    def finished_once(self) -> None:
        """Whole uploads were told to be finished, once, and no others were."""
        told = [event.upload.upload_id for event in self.server.told]
        for model in self.models:
            assert told.count(model.upload_id) == int(model.is_whole), model
        assert len(told) == len(set(told))

    @invariant()
    def others_go_on(self) -> None:
        """Nobody who sends has been answered yet."""
        assert all(each.client.responses() == [] for each in self.running)

    def teardown(self) -> None:
        """Let all clients leave: nothing stays behind."""
        for sending in list(self.running):
            self.cut(sending)
        self.as_the_model_says()


class MachineTests(SynchronousTestCase):
    """Any row of requests."""

    def test_protocol(self) -> None:
        """
        After each of any row of requests, some of them bad, some cut or stopped, every
        upload is as a simple model says (T-019, T-028, T-040, T-114, T-135, T-230).
        """
        # Without the search for a shorter row, which takes minutes when one is found.
        run_state_machine_as_test(
            Protocol,
            settings=settings(
                max_examples=tried(100, 25),
                stateful_step_count=40,
                phases=tried(tuple(Phase), (Phase.explicit, Phase.generate)),
            ),
        )
        self.assertEqual(self.flushLoggedErrors(), [])
