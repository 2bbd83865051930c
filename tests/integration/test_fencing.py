"""A daemon that was frozen for longer than its lease can do no harm (D6)."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.content import MIB, make_bytes
from tests.integration.daemon import Daemon, twistd_program, twistd_tus, until
from tests.integration.raw import Client, Response
from tests.valkey import Valkey

TTL_S = 1.0

SIZE = 4 * MIB
HALF = SIZE // 2

FREEZING = Path(__file__).with_name("freezing.py")


class FrozenTests(SynchronousTestCase):
    """Two daemons with one directory and one Redis; the first one is frozen."""

    def setUp(self) -> None:
        """Start a Redis."""
        self.redis = Valkey(self)
        self.redis.start()
        self.redis.age()
        self.content = make_bytes(SIZE, seed=12)
        self.other = make_bytes(SIZE, seed=13)

    def start_second(self, first: Daemon) -> Daemon:
        """Start a plain daemon on the directory of another one."""
        options = ("--locker", self.redis.url, "--lock-ttl", f"{TTL_S:g}s")
        second = twistd_tus(self, *options, "--upload-dir", str(first.directory))
        second.directory = first.directory
        return second

    def start_freezing(self, where: str) -> Daemon:
        """Start a daemon that freezes at a call on a file, once it is armed."""
        first = twistd_program(self, FREEZING)
        first.variables |= {"REDIS": self.redis.url, "FREEZE": where}
        first.start()
        return first

    def arm(self, first: Daemon) -> None:
        """From now on calls are counted."""
        (first.directory.parent / "armed").touch()

    def freeze(self, first: Daemon) -> None:
        """Stop the process, and wait until its lease is over."""
        first.process.send_signal(signal.SIGSTOP)
        self.until_frozen(first)

    def until_frozen(self, first: Daemon) -> None:
        """Wait until the process stands still, and then until its lease is over."""
        stat = Path(f"/proc/{first.pid}/stat")
        until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "frozen")
        time.sleep(TTL_S * 1.1)

    def begin(self, first: Daemon) -> tuple[str, Client]:
        """Send half of an upload to the first daemon, and wait until it is there."""
        path = first.create(SIZE)
        holder = first.client()
        holder.begin_patch(path, 0, SIZE)
        holder.send(self.content[:HALF])
        first.until_offset(path, HALF)
        return path, holder

    def freeze_at(
        self, where: str, content: bytes
    ) -> tuple[Daemon, Daemon, str, Client]:
        """Have the first daemon freeze while it gets the other half of an upload."""
        first = self.start_freezing(where)
        second = self.start_second(first)
        path, holder = self.begin(first)
        self.arm(first)
        holder.send(content[HALF:])
        self.until_frozen(first)
        return first, second, path, holder

    def thaw(self, first: Daemon) -> None:
        """Let the process go on."""
        first.process.send_signal(signal.SIGCONT)

    def assert_refused(self, holder: Client) -> None:
        """The holder got an error, or its connection was just closed."""
        try:
            response: Response = holder.response()
        except ConnectionError:
            return
        self.assertEqual(response.status, 500)
        self.assertEqual(response.headers["connection"], "close")

    def assert_whole(self, second: Daemon, path: str, content: bytes) -> None:
        """The upload is finished, and has these bytes, for a client and in the file."""
        client = second.client()
        self.assertEqual(client.head(path), SIZE)
        self.assertEqual(client.request("GET", path).body, content)
        self.assertEqual(second.content(path).read_bytes(), content)

    def test_in_mid_body(self) -> None:
        """
        The second daemon takes over after the lease and finishes.  The first, thawed
        with more bytes of its client, tells an error and changes nothing (T-235).
        """
        options = ("--locker", self.redis.url, "--lock-ttl", f"{TTL_S:g}s")
        first = twistd_tus(self, *options)
        second = self.start_second(first)
        path, holder = self.begin(first)
        self.freeze(first)
        holder.send(self.other[HALF : HALF + MIB])
        offset = second.offset(path)
        self.assertEqual(offset, HALF)
        response = second.client().patch(path, HALF, self.content[HALF:])
        self.assertEqual(response.status, 204)
        self.thaw(first)
        holder.send(self.other[HALF + MIB :])
        self.assert_refused(holder)
        self.assert_whole(second, path, self.content)
        self.assertEqual(first.offset(path), SIZE)

    def test_before_a_write(self) -> None:
        """Frozen between its last check and its write, it writes to no upload."""
        first, second, path, holder = self.freeze_at("splice:1", self.other)
        response = second.client().patch(path, HALF, self.content[HALF:])
        self.assertEqual(response.status, 204)
        self.thaw(first)
        self.assert_refused(holder)
        self.assert_whole(second, path, self.content)

    def test_before_a_write_beside_a_writer(self) -> None:
        """The same while the second is in the middle of its body."""
        first, second, path, holder = self.freeze_at("splice:1", self.other)
        newcomer = second.client()
        newcomer.begin_patch(path, HALF, HALF)
        newcomer.send(self.content[HALF : HALF + MIB])
        second.until_offset(path, HALF + MIB)
        self.thaw(first)
        self.assert_refused(holder)
        self.assertEqual(second.offset(path), HALF + MIB)
        newcomer.send(self.content[HALF + MIB :])
        self.assertEqual(newcomer.response().status, 204)
        self.assert_whole(second, path, self.content)

    def test_before_its_last_check(self) -> None:
        """Frozen with all bytes written, it does not call them stored when thawed."""
        first, second, path, holder = self.freeze_at("fdatasync:1", self.content)
        offset = second.offset(path)
        self.assertEqual(offset, SIZE)
        self.assertEqual(second.client().patch(path, SIZE, b"").status, 204)
        self.thaw(first)
        self.assert_refused(holder)
        self.assert_whole(second, path, self.content)

    def test_before_a_record(self) -> None:
        """Frozen before it replaces the record, it replaces none when thawed."""
        first, second, path, holder = self.freeze_at("replace:1", self.content)
        gone = second.client()
        self.assertEqual(gone.request("DELETE", path).status, 204)
        self.thaw(first)
        self.assert_refused(holder)
        self.assertEqual(second.client().request("HEAD", path).status, 404)
        left = [each.name for each in second.directory.rglob("*") if each.is_file()]
        self.assertEqual([name for name in left if not name.startswith(".")], [])
