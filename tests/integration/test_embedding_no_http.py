"""A program that has uploads without HTTP: the documented example."""

from __future__ import annotations

import json
import socket
import struct
from hashlib import sha256
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.content import MIB, make_bytes
from tests.integration.daemon import GRACE_S, twistd_program, until
from tests.integration.examples import EXAMPLES
from tests.integration.raw import LIMIT_S


class NoHttpTests(SynchronousTestCase):
    """``no_http.py``: a port whose connections become uploads."""

    def setUp(self) -> None:
        """Start it; there is no question that it would answer."""
        self.program = twistd_program(self, EXAMPLES / "no_http.py")
        self.program.launch()
        until(lambda: "IntakeFactory starting" in self.program.log, "it listens")

    def connect(self) -> socket.socket:
        """Connect to it."""
        address = ("127.0.0.1", self.program.port)
        connection = socket.create_connection(address, LIMIT_S)
        self.addCleanup(connection.close)
        return connection

    def finish(self, connection: socket.socket) -> str:
        """Say that this was all, and return the id of the upload."""
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("r") as answer:
            return answer.readline().strip()

    def assert_hashed(self, upload_id: str, content: bytes) -> None:
        """The program has read all of an upload."""
        line = f"{sha256(content).hexdigest()}  {upload_id}"
        until(lambda: line in self.program.log, "the hash is told")

    def records(self) -> list[Path]:
        """List the records of uploads."""
        return list(self.program.directory.glob("*.info"))

    def test_large(self) -> None:
        """It keeps what comes, in bounded memory, and reads it back."""
        self.program.forget_peak()
        idle = self.program.memory("VmRSS")
        content = make_bytes(32 * MIB, seed=11)
        connection = self.connect()
        connection.sendall(content)
        upload_id = self.finish(connection)
        stored = self.program.directory / upload_id
        self.assertEqual(stored.read_bytes(), content)
        self.assert_hashed(upload_id, content)
        self.assertLess(self.program.memory("VmHWM") - idle, 16 * MIB)

    def test_at_once(self) -> None:
        """Several connections are uploads of their own; one may be empty."""
        contents = [b"", b"a", make_bytes(MIB, seed=12)]
        connections = [self.connect() for _ in contents]
        for connection, content in zip(connections, contents, strict=True):
            connection.sendall(content)
        for connection, content in zip(connections, contents, strict=True):
            self.assert_hashed(self.finish(connection), content)
        self.assertNotIn("Traceback", self.program.log)

    def test_cut(self) -> None:
        """What came of a connection that broke is kept, and is not finished."""
        connection = self.connect()
        connection.sendall(b"abc")
        until(lambda: self.stored() == [b"abc"], "the bytes are stored")
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.close()
        until(lambda: "was not taken" in self.program.log, "it is noticed")
        (record,) = self.records()
        self.assertTrue(json.loads(record.read_bytes())["SizeIsDeferred"])
        self.assertEqual(self.stored(), [b"abc"])

    def stored(self) -> list[bytes]:
        """Read what is stored of each upload."""
        files = [record.with_suffix("") for record in self.records()]
        return [file.read_bytes() for file in files if file.exists()]

    def test_stopped(self) -> None:
        """It stops while something comes, and keeps that."""
        connection = self.connect()
        connection.sendall(b"abc")
        until(lambda: self.stored() == [b"abc"], "the bytes are stored")
        self.assertLess(self.program.stop().took_s, GRACE_S)
        self.assertEqual(self.stored(), [b"abc"])
