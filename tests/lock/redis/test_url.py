"""Where a Redis is, as a user writes it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.lock.redis.url import RedisURL, parse_redis_url

GOOD = [
    ("redis://h", RedisURL("h")),
    ("redis://h/", RedisURL("h")),
    ("redis://h:1/2", RedisURL("h", 1, db=2)),
    ("REDIS://H.Example", RedisURL("h.example")),
    ("redis://bücher.example.", RedisURL("bücher.example.")),
    ("redis://[::1]", RedisURL("::1")),
    ("redis://[::1]:7/3", RedisURL("::1", 7, db=3)),
    ("redis://u:p@h", RedisURL("h", user="u", password="p")),
    ("redis://:p@h", RedisURL("h", password="p")),
    ("redis://u%40x:%2F%3a%23%20@h", RedisURL("h", user="u@x", password="/:# ")),
    ("rediss://h/1", RedisURL("h", db=1, is_tls=True)),
    ("unix:/run/redis.sock", RedisURL(path="/run/redis.sock")),
    ("unix:///run/redis.sock", RedisURL(path="/run/redis.sock")),
    ("unix:/a%20b?db=4", RedisURL(path="/a b", db=4)),
    ("unix://u:p@/s", RedisURL(path="/s", user="u", password="p")),
]

BAD = [
    ("", "redis://"),
    ("h:6379", "redis://"),
    ("http://h", "redis://"),
    ("redis+unix:/s", "redis://"),
    ("redis://", "host is missing"),
    ("redis:///1", "host is missing"),
    ("redis://:secret@", "host is missing"),
    ("redis://secret@h", "password is missing"),
    ("redis://u:@h", "password is missing"),
    ("redis://h:x", "port"),
    ("redis://h:0", "port"),
    ("redis://h:65536", "port"),
    ("redis://:sec/ret@h", "%2F"),
    ("redis://:sec#ret@h", "%23"),
    ("redis://:sec?ret@h", "%3F"),
    ("redis://h/x", "/0"),
    ("redis://h/1/2", "/0"),
    ("redis://h/-1", "/0"),
    ("redis://h/²", "/0"),
    ("redis://h?db=1", "/db"),
    ("redis://[::1", "brackets"),
    ("redis://my_redis", "letters"),
    ("redis://a..b", "letters"),
    ("redis://-a", "letters"),
    ("redis://a b", "letters"),
    (f"redis://{'x' * 64}.example", "letters"),
    ("redis://[::g]", ""),
    ("unix:s", "begin with /"),
    ("unix:", "begin with /"),
    ("unix://host/s", "without a host"),
    ("unix:/s?db=x", "number"),
    ("unix:/s?db=", "number"),
    ("unix:/s?db=1&db=2", "db=N"),
    ("unix:/s?secret=1", "db=N"),
    (f"unix:/{'s' * 107}", "107"),
    ("unix:/s%00", "107"),
]


class RedisURLTests(SynchronousTestCase):
    """Reading, and showing again."""

    def test_good(self) -> None:
        """Every form is read, decoded."""
        for text, url in GOOD:
            with self.subTest(text):
                self.assertEqual(parse_redis_url(text), url)

    def test_bad(self) -> None:
        """What cannot be meant is refused with what to change, and without secrets."""
        for text, word in BAD:
            with self.subTest(text):
                error = self.assertRaises(ValueError, parse_redis_url, text)
                self.assertIn(word, str(error))
                self.assertNotIn("sec", str(error).replace("second", ""))
                self.assertNotIn("\n", str(error))
                self.assertIsNone(error.__cause__)

    def test_shown_without_password(self) -> None:
        """Neither form shows the password, which may end up in a log."""
        for text in ("rediss://u:secret@h:1/2", "unix://:secret@/s?db=2"):
            url = parse_redis_url(text)
            self.assertNotIn("secret", f"{url} {url!r} {url.address}")

    def test_shown(self) -> None:
        """What is shown can be read again."""
        for text, url in GOOD:
            if url.password is None:
                with self.subTest(text):
                    self.assertEqual(parse_redis_url(str(url)), url)

    def test_address(self) -> None:
        """People see host and port, or the path."""
        addresses = [url.address for _, url in GOOD]
        self.assertEqual(addresses[5:7], ["[::1]:6379", "[::1]:7"])
        self.assertEqual(addresses[11], "/run/redis.sock")
