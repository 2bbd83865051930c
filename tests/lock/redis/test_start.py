"""What keeps the locks from starting, in one sentence each; and what does not."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.logger import capturedLogs

from tests.certificates import Authority
from tests.integration.daemon import free_port
from tests.lock.redis.real import RealCase, passes, until
from tests.valkey import Valkey
from tustwisted.errors import CannotStart
from tustwisted.lock.redis import scripts
from tustwisted.lock.redis.leases import RedisUnusable

SECRET = "s3cr3t/:@"
QUOTED = "s3cr3t%2F%3A%40"


class StartCase(RealCase):
    """Locks that are asked to start."""

    async def assert_refused(self, url: str, *words: str) -> None:
        """The start fails with one sentence, with these words and no password."""
        locks = self.locks(url)
        try:
            await locks.start(lambda _: None)
        except RedisUnusable as error:
            self.assertIsInstance(error, CannotStart)
            sentence = str(error)
        else:
            self.fail("it has started")
        for word in words:
            self.assertIn(word, sentence)
        for secret in (SECRET, QUOTED, "wrong"):
            self.assertNotIn(secret, sentence)
        self.assertNotIn("\n", sentence)

    async def assert_works(self, url: str) -> None:
        """The locks start, and a lock can be had."""
        locks, _ = await self.process(url)
        (await locks.take("x", 3.0)).release()


class RefusedTests(StartCase):
    """Addresses that lead nowhere."""

    ttl_s = 0.5

    async def test_nobody_listens(self) -> None:
        """A port without a server."""
        port = free_port()
        address = f"127.0.0.1:{port}"
        await self.assert_refused(f"redis://{address}", address, "nobody listens")

    async def test_no_socket(self) -> None:
        """A socket that is not there."""
        await self.assert_refused("unix:/nowhere/socket", "/nowhere/socket", "start it")

    async def test_unknown_host(self) -> None:
        """A name that nobody has."""
        await self.assert_refused("redis://redis.invalid", "redis.invalid:6379", "host")

    async def test_wrong_password(self) -> None:
        """A password that is not the right one."""
        url = self.serve(password="right").url.replace("right", "wrong")
        await self.assert_refused(url, "password", "correct")

    async def test_wrong_user(self) -> None:
        """A user that is not known."""
        url = self.serve().url.replace("//", "//bob:wrong@")
        await self.assert_refused(url, "user", "correct")

    async def test_missing_password(self) -> None:
        """No password where one is needed."""
        valkey = self.serve(password="right")
        await self.assert_refused(f"redis://127.0.0.1:{valkey.port}", "asks for")

    async def test_needless_password(self) -> None:
        """A password where there is none."""
        url = self.serve().url.replace("//", f"//:{QUOTED}@")
        await self.assert_refused(url, "no password")

    async def test_no_such_database(self) -> None:
        """A database that the server does not have."""
        await self.assert_refused(self.serve().url + "/99", "no database 99")

    async def test_no_permission(self) -> None:
        """A user who may not do what locks need."""
        valkey = self.serve(users=["ann on >right +ping +info ~* &*"])
        url = valkey.url.replace("//", "//ann:right@")
        await self.assert_refused(url, "may not", "eval")

    async def test_no_channel(self) -> None:
        """A user who may not listen."""
        valkey = self.serve(users=["ann on >right +@all ~* resetchannels"])
        url = valkey.url.replace("//", "//ann:right@")
        await self.assert_refused(url, "may not", "channels")

    async def test_replica(self) -> None:
        """A replica, which takes no writes."""
        valkey = self.serve()
        valkey.command("REPLICAOF", "127.0.0.1", str(free_port()))
        await self.assert_refused(valkey.url, "replica", "primary")

    async def test_frozen(self) -> None:
        """A server that says nothing; that is known within seconds."""
        valkey = self.serve()
        valkey.freeze()
        await self.assert_refused(valkey.url, "does not answer")

    async def test_closing(self) -> None:
        """Something that closes every connection, until there is no time left."""
        proxy = self.proxy(self.serve())
        proxy.cuts_at_first_byte = True
        await self.assert_refused(f"redis://127.0.0.1:{proxy.port}", "closes", "rediss")

    async def test_nothing_stays(self) -> None:
        """After a start that failed there is no connection."""
        valkey = self.serve(users=["ann on >right +@all ~* resetchannels"])
        await self.assert_refused(valkey.url.replace("//", "//ann:right@"), "may not")
        await until(lambda: clients(valkey) == 1, "only the one who asks is there")


class AcceptedTests(StartCase):
    """Addresses that lead to a Redis."""

    ttl_s = 0.3

    async def test_password(self) -> None:
        """The default user with a password, and another database."""
        await self.assert_works(self.serve(password="right").url + "/3")

    async def test_user(self) -> None:
        """A user who may do just what the sentence says."""
        allowed = (
            "+eval +evalsha +get +set +append +pttl +pexpire +del +ping +select "
            "+publish +subscribe +info ~tustwisted:* &tustwisted:*"
        )
        valkey = self.serve(users=[f"ann on >{SECRET} {allowed}"])
        await self.assert_works(valkey.url.replace("//", f"//ann:{QUOTED}@") + "/2")

    async def test_user_without_info(self) -> None:
        """Without INFO only an empty Redis is noticed; users may be mixed."""
        user = "ann on >right +@all -info ~* &*"
        valkey = self.serve(users=[user])
        url = valkey.url.replace("//", "//ann:right@")
        await self.assert_works(valkey.url)
        await self.assert_works(url)
        locks, _ = await self.process(valkey.url)
        other, _ = await self.process(url)
        for number in range(3):
            (await locks.take(f"x{number}", 0.0)).release()
            (await other.take(f"y{number}", 0.0)).release()

    async def test_unix_socket(self) -> None:
        """A Unix socket, with a password and a database."""
        url = self.serve(is_unix=True, password="right").url
        await self.assert_works(f"{url}?db=5")

    async def test_databases_are_apart(self) -> None:
        """In another database the same upload is another one, messages included."""
        valkey = self.serve()
        first, wishes = await self.process(valkey.url)
        second, _ = await self.process(valkey.url + "/1")
        await first.take("x", 1.0)
        await second.take("x", 1.0)
        await passes(0.05)
        self.assertEqual(wishes, [])

    async def test_may_forget(self) -> None:
        """A server that drops keys when it is full may be used, with one warning."""
        valkey = self.serve()
        with capturedLogs() as events:
            await self.process(valkey.url)
            valkey.command("CONFIG", "SET", "maxmemory", "100mb")
            await self.process(valkey.url)
            valkey.command("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
            await self.process(valkey.url)
        policies = [event["policy"] for event in events if "policy" in event]
        self.assertEqual(policies, ["volatile-lru"])

    async def test_keys(self) -> None:
        """All keys have the prefix, and none but the epoch stays."""
        valkey = self.serve()
        locks, _ = await self.process(valkey.url)
        await locks.take("x", 1.0)
        keys = valkey.command("KEYS", "*")
        assert isinstance(keys, list)
        self.assertEqual({*keys}, {scripts.EPOCH_KEYS[0], scripts.lock_key("x")})
        await locks.stop()
        self.assertEqual(valkey.command("KEYS", "*"), [scripts.EPOCH_KEYS[0]])


class TLSTests(StartCase):
    """TLS, which the server that the tests install does not speak: a proxy does."""

    ttl_s = 0.3

    def setUp(self) -> None:
        """Make an authority that is not trusted yet."""
        self.authority = Authority.new()
        self.certificate = Path(self.mktemp())
        self.authority.save(self.certificate)

    def trust(self) -> None:
        """Trust it, as a user would."""
        self.addCleanup(_set_trusted, os.environ.get("SSL_CERT_FILE"))
        _set_trusted(str(self.certificate))

    def url(self, *hosts: str, host: str = "127.0.0.1") -> str:
        """Start a server whose certificate is for some hosts."""
        valkey = self.serve()
        tls = self.authority.server(valkey.place, *hosts)
        proxy = self.proxy(valkey, tls=tls)
        return f"rediss://{host}:{proxy.port}"

    async def test_trusted(self) -> None:
        """A certificate of a private authority works when SSL_CERT_FILE names that."""
        self.trust()
        await self.assert_works(self.url("127.0.0.1"))

    async def test_trusted_name(self) -> None:
        """So does one for a name."""
        self.trust()
        await self.assert_works(self.url("localhost", host="localhost"))

    async def test_not_trusted(self) -> None:
        """Without that it is refused."""
        await self.assert_refused(self.url("127.0.0.1"), "certificate", "SSL_CERT_FILE")

    async def test_other_host(self) -> None:
        """A trusted certificate for another host is refused."""
        self.trust()
        await self.assert_refused(self.url("redis.example"), "another host")

    async def test_no_tls(self) -> None:
        """A server that speaks no TLS is refused."""
        port = self.serve().port
        await self.assert_refused(f"rediss://127.0.0.1:{port}", "redis://")


def clients(valkey: Valkey) -> int:
    """Count the connections of a server, that of this question too."""
    listed = valkey.command("CLIENT", "LIST")
    assert isinstance(listed, bytes)
    return len(listed.splitlines())


def _set_trusted(path: str | None) -> None:
    if path is None:
        del os.environ["SSL_CERT_FILE"]
    else:
        os.environ["SSL_CERT_FILE"] = path
