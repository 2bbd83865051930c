"""
What is said, and what is switched off, where an extra is not installed.

The modules are really not there, as after ``pip install tustwisted``. Those of ``tls``
are brought along by other dependencies: only who installs without these lacks them.
"""

from __future__ import annotations

import socket
import ssl

from tests.integration.certificate import write_certificate
from tests.integration.commands import InPlace
from tests.integration.daemon import free_port
from tests.integration.raw import LIMIT_S
from tests.packaging.environments import ROOT, Environment

OF_EXTRAS = {"google_crc32c", "h2", "jwt", "priority"}

OF_TLS = {"OpenSSL", "service_identity"}

JWT = ("--jwt-key-file=key", "--jwt-algorithm=HS256", "--jwt-audience=files")


class ExtraTests(InPlace):
    """The real daemon in an environment that lacks something."""

    def tus(self, without: set[str]) -> tuple[str, ...]:
        """Make such an environment, and tell how its daemon is run."""
        environment = Environment(self.place, without)
        environment.add(ROOT)
        return (*environment.command("twistd"), "-n", "--pidfile=", "tus")

    def assert_names(self, extra: str, *command: str) -> None:
        """A command ends with one sentence, which says what to install."""
        status, said = self.run_to_end(*command)
        self.assertEqual(status, 1, said)
        self.assertRegex(
            said, rf"\Atustwisted: .+: pip install tustwisted\[{extra}\]\n\Z"
        )

    def test_jwt(self) -> None:
        """JSON Web Tokens need ``jwt``, and the daemon says so."""
        (self.place / "key").write_text("k" * 32)
        self.assert_names("jwt", *self.tus(OF_EXTRAS), *JWT)

    def test_tls(self) -> None:
        """Ports with TLS need ``tls``, and the daemon says so."""
        write_certificate(self.place / "server.pem")
        tus = self.tus(OF_TLS)
        for port in ("ssl:0:privateKey=server.pem", "tls:.:0"):
            self.assert_names("tls", *tus, "--port", port)

    def test_what_is_switched_off(self) -> None:
        """Without ``http2`` and ``crc32c`` neither is offered, and nothing is said."""
        write_certificate(self.place / "server.pem")
        secure = free_port()
        tls = f"ssl:{secure}:privateKey=server.pem:interface=127.0.0.1"
        ports = (f"--port={self.port}", f"--port={tls}")
        daemon = self.daemon(*self.tus(OF_EXTRAS), *ports)
        daemon.start()
        offer = daemon.client().request("OPTIONS", "/files/").headers
        self.assertEqual(offer["tus-checksum-algorithm"].count("crc32c"), 0)
        self.assertEqual(_negotiated(secure), "http/1.1")
        self.assertNotRegex(daemon.log, "h2|crc32c|[Ww]arn|Error")


def _negotiated(port: int) -> str | None:
    """Ask a port for HTTP/2, or for HTTP/1.1 if there is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", port), LIMIT_S) as plain,
        context.wrap_socket(plain) as secure,
    ):
        return secure.selected_alpn_protocol()
