"""Tests for :mod:`tustwisted.lock.link`."""

from __future__ import annotations

from attrs import define, field
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tustwisted.lock.link import MAX_WISHES, ILinked, Link
from tustwisted.lock.peers import Peers

OWN = "0" * 32
PEER = "f" * 32


@implementer(ILinked)
@define(eq=False)
class Heard:
    """Writes down what a link tells."""

    events: list[tuple[object, ...]] = field(factory=list)

    def link_made(self, link: Link) -> None:
        """See :class:`ILinked`."""
        self.events.append(("made", link.peer_name))

    def link_met(self, link: Link) -> None:
        """See :class:`ILinked`."""
        self.events.append(("met", link.peer_name, link.is_wanted(7)))

    def link_lost(self, link: Link) -> None:
        """See :class:`ILinked`."""
        self.events.append(("lost", link.peer_name))

    def wish_heard(self, link: Link, byte: int) -> None:
        """See :class:`ILinked`."""
        self.events.append(("wish", byte))

    def free_heard(self, byte: int) -> None:
        """See :class:`ILinked`."""
        self.events.append(("free", byte))


class LinkCase(SynchronousTestCase):
    """Has a link, and plays the other side by hand."""

    peer_name: str | None = None

    def setUp(self) -> None:
        """Connect a link that waits for two bytes."""
        self.heard = Heard()
        self.clock = Clock()
        self.standing = {1: 5.0, 2: 0.5}
        self.link = Link(self.heard, self.clock, OWN, self.standing, self.peer_name)
        self.transport = StringTransport()
        self.link.makeConnection(self.transport)
        self.greeting = self.said()
        self.heard.events.clear()

    def said(self) -> list[bytes]:
        """Tell what the link has said since this was asked last."""
        lines: list[bytes] = self.transport.value().splitlines()
        self.transport.clear()
        return lines

    def hear(self, *lines: str) -> None:
        """Have the other side say some lines at once."""
        self.link.dataReceived("".join(f"{line}\n" for line in lines).encode())

    def end(self) -> None:
        """End the connection."""
        self.link.connectionLost(Failure(ConnectionError()))


class LinkTests(LinkCase):
    """What is said and heard."""

    def test_interfaces(self) -> None:
        """What links speak to is what they are made for."""
        verifyObject(ILinked, self.heard)
        self.assertTrue(ILinked.implementedBy(Peers))

    def test_greeting(self) -> None:
        """It tells all that is waited for, and then who it is."""
        self.assertEqual(set(self.greeting[:2]), {b"want 1 5000", b"want 2 500"})
        self.assertEqual(self.greeting[2:], [b"hello " + OWN.encode()])

    def test_meets(self) -> None:
        """It has met the other side once that has said who it is."""
        self.assertFalse(self.link.has_met)
        self.hear(f"hello {PEER}")
        self.assertTrue(self.link.has_met)
        self.assertEqual(self.heard.events, [("met", PEER, False)])

    def test_wish(self) -> None:
        """A wish is heard, and stands until it is taken back."""
        self.hear("want 7 5000")
        self.assertEqual(self.heard.events, [("wish", 7)])
        self.assertTrue(self.link.is_wanted(7))
        self.hear("unwant 7")
        self.assertFalse(self.link.is_wanted(7))

    def test_wish_ends_with_its_time(self) -> None:
        """A wish that is not taken back in time disturbs nobody, but is still told."""
        self.hear("want 7 5000")
        self.clock.advance(4.9)
        self.assertTrue(self.link.is_wanted(7))
        self.clock.advance(0.2)
        self.assertFalse(self.link.is_wanted(7))
        self.link.free(7)
        self.assertEqual(self.said(), [b"free 7"])

    def test_wish_taken_back_at_once(self) -> None:
        """A wish that is taken back in the same bytes was none."""
        self.hear("want 7 5000", "want 8 5000", "unwant 7")
        self.assertEqual(self.heard.events, [("wish", 8)])

    def test_wish_made_anew_at_once(self) -> None:
        """One that is made again in the same bytes is one."""
        self.hear("want 7 5000", "unwant 7", "want 7 5000")
        self.assertEqual(self.heard.events, [("wish", 7)])

    def test_wishes_come_before_the_name(self) -> None:
        """What was wanted before the name stands when it is met."""
        self.hear("want 7 5000", f"hello {PEER}")
        self.assertEqual(self.heard.events, [("met", PEER, True), ("wish", 7)])

    def test_free(self) -> None:
        """That a byte is free is heard."""
        self.hear("free 7")
        self.assertEqual(self.heard.events, [("free", 7)])

    def test_free_is_told_to_who_wants_it(self) -> None:
        """That a byte is free is told as long as the wish stands, each time."""
        self.link.free(7)
        self.assertEqual(self.said(), [])
        self.hear("want 7 5000")
        self.link.free(7)
        self.link.free(7)
        self.assertEqual(self.said(), [b"free 7", b"free 7"])
        self.hear("unwant 7")
        self.link.free(7)
        self.assertEqual(self.said(), [])

    def test_own_wishes(self) -> None:
        """A wish is told once, and taken back once."""
        self.clock.advance(4)
        self.standing[3] = 9.0
        self.link.want(3)
        self.assertEqual(self.said(), [b"want 3 5000"])
        self.standing.pop(3)
        self.link.unwant(3)
        self.link.unwant(3)
        self.assertEqual(self.said(), [b"unwant 3"])

    def test_lines_in_pieces(self) -> None:
        """Lines may be cut anywhere."""
        for byte in b"want 7 5000\nfree 8\n":
            self.link.dataReceived(bytes([byte]))
        self.assertEqual(self.heard.events, [("wish", 7), ("free", 8)])

    def test_end(self) -> None:
        """Who is gone waits for nothing."""
        self.hear(f"hello {PEER}", "want 7 5000")
        self.end()
        self.assertFalse(self.link.is_wanted(7))
        self.assertEqual(self.heard.events[-1], ("lost", PEER))


class FrozenTests(LinkCase):
    """The other side takes no more bytes."""

    def setUp(self) -> None:
        """Let it want two bytes, and freeze."""
        super().setUp()
        self.hear("want 7 5000", "want 8 5000")
        self.link.pauseProducing()

    def test_nothing_is_kept(self) -> None:
        """However much happens, nothing is said."""
        for _ in range(1000):
            self.standing[3] = 9.0
            self.link.want(3)
            self.standing.pop(3)
            self.link.unwant(3)
            self.link.free(7)
        self.assertEqual(self.said(), [])

    def test_catches_up(self) -> None:
        """When it is thawed it is told what is different, and nothing else."""
        self.standing[3] = 9.0
        self.link.want(3)
        self.standing.pop(1)
        self.link.unwant(1)
        self.link.free(7)
        self.link.resumeProducing()
        self.assertEqual(sorted(self.said()), [b"free 7", b"unwant 1", b"want 3 9000"])
        self.link.pauseProducing()
        self.link.resumeProducing()
        self.assertEqual(self.said(), [])

    def test_taken_back_meanwhile(self) -> None:
        """What it does not want any more when it is thawed is not told."""
        self.link.free(7)
        self.link.free(8)
        self.hear("unwant 7")
        self.link.resumeProducing()
        self.assertEqual(self.said(), [b"free 8"])

    def test_end(self) -> None:
        """It may die while it is frozen."""
        self.end()
        self.link.stopProducing()


class NonsenseTests(LinkCase):
    """The other side is not one of us, or it is broken."""

    peer_name = PEER

    def assert_hangs_up(self, said: bytes) -> None:
        """One warning, the end of the connection, and nothing else is heard."""
        with capturedLogs() as events:
            self.link.dataReceived(said)
            self.link.dataReceived(b"free 9\n" + said)
        self.assertEqual(len(events), 1, said)
        self.assertEqual(events[0]["log_level"].name, "warn")
        self.assertTrue(self.transport.disconnected)
        self.assertNotIn(("free", 9), self.heard.events)

    def test_no_sense(self) -> None:
        """A line that is none of the four ends the connection."""
        for line in (
            "",
            "want",
            "want ",
            "want -1",
            "want 7",
            "want 7 8 9",
            "want 7 -1",
            "want 7 1234567890",
            "want 7 1\r",
            "Want 7 1",
            "want 12345678901234567890 1",
            "want \N{SUPERSCRIPT TWO} 1",
            "hello",
            "hello 7",
            "hello ../../../../../../etc/passwd",
            f"hello {'F' * 32}",
            f"hello {'0' * 32}",
            "GET / HTTP/1.1",
            "\0",
        ):
            self.setUp()
            self.assert_hangs_up(f"{line}\nfree 9\n".encode())

    def test_second_name(self) -> None:
        """Nobody introduces himself twice."""
        self.hear(f"hello {PEER}")
        self.assert_hangs_up(f"hello {PEER}\n".encode())

    def test_no_end(self) -> None:
        """A line that is too long ends the connection, whether it ends or not."""
        for said in (b"want 7 " + b"7" * 100, b"want 7 " + b"7" * 100 + b"\n"):
            self.setUp()
            self.assert_hangs_up(said)

    def test_too_many_wishes(self) -> None:
        """So does who wants more than anybody can."""
        self.hear(*(f"want {byte} 1" for byte in range(MAX_WISHES)))
        self.assertFalse(self.transport.disconnected)
        self.assert_hangs_up(b"want 123456 1\n")

    def test_wishes_before_nonsense(self) -> None:
        """Who is hung up on wants nothing, whatever it wanted before."""
        self.hear("want 7 5000")
        self.heard.events.clear()
        self.hear("want 8 5000", "nonsense")
        self.assertFalse(self.link.is_wanted(7))
        self.assertEqual(self.heard.events, [])
