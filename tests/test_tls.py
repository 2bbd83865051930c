"""Ports that speak TLS."""

from __future__ import annotations

import socket
import ssl
import warnings
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.integration.certificate import write_certificate
from tests.integration.raw import LIMIT_S
from tustwisted.making import make_endpoint

OLD = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
GOOD = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


class VersionTests(TestCase):
    """What clients may speak."""

    async def test_versions(self) -> None:
        """TLS 1.2 and 1.3 are spoken, and nothing older."""
        file = Path(self.mktemp())
        write_certificate(file)
        described = f"ssl:0:privateKey={file}:interface=127.0.0.1"
        scheme, endpoint = make_endpoint(reactor, described)
        self.assertEqual(scheme, "https")
        port = await endpoint.listen(Factory.forProtocol(Protocol))
        self.addCleanup(port.stopListening)
        host: Any = port.getHost()
        for version in GOOD:
            self.assertIsNone(await deferToThread(_refusal, host.port, version))
        for version in OLD:
            refusal = await deferToThread(_refusal, host.port, version)
            self.assertIn("ALERT_PROTOCOL_VERSION", refusal)


def _refusal(port: int, version: ssl.TLSVersion) -> str | None:
    """Try to speak one version; return why the server will not, if it will not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # or this side would refuse by itself
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port), LIMIT_S) as plain:
        try:
            context.wrap_socket(plain).close()
        except ssl.SSLError as error:
            return error.reason
    return None
