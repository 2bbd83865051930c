"""What systemd should have opened, and did not: a sentence that says what to change."""

from __future__ import annotations

import os
import socket

from twisted.internet import reactor
from twisted.internet.endpoints import _SystemdParser
from twisted.logger import capturedLogs
from twisted.python.systemd import ListenFDs
from twisted.trial.unittest import SynchronousTestCase

from tustwisted.activation import check_activation, warn_of_unused


class CheckTests(SynchronousTestCase):
    """Real sockets, under the names that a systemd could have given them."""

    def give(self, **sockets: socket.socket) -> None:
        """Let systemd have opened these."""
        self.give_named(list(sockets.items()))

    def give_named(self, sockets: list[tuple[str, socket.socket]]) -> None:
        """Let systemd have opened these, whose names need not differ."""
        for _, given in sockets:
            self.addCleanup(given.close)
        fds = [given.fileno() for _, given in sockets]
        names = [name for name, _ in sockets]
        # Twisted reads the environment once, when its endpoints are imported.
        self.patch(_SystemdParser, "_sddaemon", ListenFDs(fds, names))

    def listening(self, family: int = socket.AF_INET) -> socket.socket:
        """Open a socket that listens, at an address that the kernel chooses."""
        made = socket.socket(family)
        if family == socket.AF_UNIX:
            made.bind("")
        made.listen()
        return made

    def problem(self, port: str) -> str:
        """Tell what is said of a port that cannot be used."""
        return str(self.assertRaises(ValueError, check_activation, reactor, port))

    def test_is_there(self) -> None:
        """A port that systemd opened, of the family that is asked for, is fine."""
        self.give(
            tus=self.listening(),
            tus6=self.listening(socket.AF_INET6),
            local=self.listening(socket.AF_UNIX),
        )
        for port in (
            "systemd:domain=INET:name=tus",
            "systemd:name=tus6:domain=INET6",
            "systemd:domain=UNIX:name=local",
            "systemd:domain=INET:index=0",
            "haproxy:systemd:domain=INET:name=tus",
            "haproxy:systemd\\:domain=INET:name=tus",
        ):
            check_activation(reactor, port)

    def test_other_ports(self) -> None:
        """What asks for none of systemd's sockets is not looked at."""
        for port in ("tcp:1080", "unix:/run/systemd:mode=660", "nonsense"):
            check_activation(reactor, port)

    def test_none_was_given(self) -> None:
        """Not by systemd, or without LISTEN_FDNAMES: how to start it is said."""
        self.give()
        for port in (
            "systemd:domain=INET:name=tus",
            "haproxy:systemd:domain=INET:name=tus",
        ):
            problem = self.problem(port)
            self.assertIn("no socket with a name", problem)
            self.assertIn("systemd-socket-activate --fdname=tus", problem)
            self.assertIn("FileDescriptorName=tus", problem)

    def test_meant_for_another_process(self) -> None:
        """A program between systemd and the daemon is the reason, and is said to be."""
        self.give()
        self.patch(os, "environ", {"LISTEN_PID": "7", "LISTEN_FDS": "1"})
        problem = self.problem("systemd:domain=INET:name=tus")
        self.assertIn(f"for process 7, and this is {os.getpid()}: ", problem)
        self.assertIn("exec", problem)

    def test_other_name(self) -> None:
        """The line of the socket unit that gives the name is said."""
        self.give(http=self.listening())
        problem = self.problem("systemd:domain=INET:name=tus")
        self.assertIn("no socket of that name: ", problem)
        self.assertIn("FileDescriptorName=tus", problem)

    def test_no_name(self) -> None:
        """Without a name, or with an index beyond the last, a name is asked for."""
        self.give(tus=self.listening())
        for rest in ("", ":index=1"):
            problem = self.problem(f"systemd:domain=INET{rest}")
            self.assertIn("must have the name= ", problem)

    def test_domain(self) -> None:
        """A domain that is none, or that of another socket, is named with the right."""
        self.give(tus=self.listening(socket.AF_INET6))
        self.assertEqual(
            self.problem("systemd:domain=INET:name=tus"),
            "the socket that systemd gave is INET6: write domain=INET6",
        )
        for domain in ("domain=IPV4:", "domain=NETLINK:", ""):
            self.assertEqual(
                self.problem(f"systemd:{domain}name=tus"),
                "domain= must be INET, INET6 or UNIX",
            )

    def test_no_listening_socket(self) -> None:
        """A connection, or a socket for datagrams, is no port."""
        one, other = socket.socketpair()
        self.give(one=one, other=other, udp=socket.socket(type=socket.SOCK_DGRAM))
        for port in (
            "systemd:domain=UNIX:name=one",
            "systemd:domain=INET:name=udp",
        ):
            self.assertIn("ListenStream= and Accept=no", self.problem(port))

    def unused(self, *ports: str) -> list[int]:
        """Tell how many are said to be served by nobody."""
        with capturedLogs() as events:
            warn_of_unused(reactor, ports)
        return [event["unused"] for event in events]

    def test_unused(self) -> None:
        """A socket that no port names is warned of, for who connects would wait."""
        self.give(tus=self.listening(), other=self.listening())
        tus, other = (f"systemd:domain=INET:name={name}" for name in ("tus", "other"))
        self.assertEqual(self.unused("tcp:1080", tus, f"haproxy:{other}"), [])
        self.assertEqual(self.unused("tcp:1080", other), [1])
        self.assertEqual(self.unused("tcp:1080"), [2])

    def test_two_of_one_name(self) -> None:
        """Two sockets of one unit have one name, which means one of them."""
        pair = [self.listening() for _ in range(2)]
        self.give_named([("tus", listening) for listening in pair])
        self.assertEqual(self.unused("systemd:domain=INET:name=tus"), [1])

    def test_nothing_is_taken(self) -> None:
        """A check leaves the socket open, for who serves it."""
        listening = self.listening()
        self.give(tus=listening)
        check_activation(reactor, "systemd:domain=INET:name=tus")
        self.assertEqual(
            listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN), 1
        )
