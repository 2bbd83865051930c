"""A real tus server behind proxies that each break one thing."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

from tests.certificates import Authority
from tests.checkurl.proxy import CUT, Asked, answer, replaced, with_line, without
from tests.checkurl.support import ORIGIN, CheckCase
from tustwisted.checkurl.findings import Verdict


class GoodTests(CheckCase):
    """Where nothing is broken."""

    async def test_all_is_well(self) -> None:
        """Without a proxy, and with one that does no harm, every finding is ok."""
        for proxy in (None, self.put()):
            found = await self.check(proxy, origin=ORIGIN, finishes=True)
            self.assertEqual({f.verdict for f in found.values()}, {Verdict.OK}, found)
            self.assertEqual(
                set(found),
                {
                    *("endpoint", "creation", "location", "headers", "caching"),
                    *("PATCH", "streaming", "cut", "Expect", "errors", "large chunk"),
                    *("download", "removal", "HTTP", "pace"),
                    *("CORS POST", "CORS errors", "preflight POST", "preflight PATCH"),
                },
            )
        self.assertEqual(self.uploads_left, 0)

    async def test_nothing_is_finished(self) -> None:
        """Unless it is wanted, the last byte is never sent, and no page is played."""
        proxy = self.put()
        found = await self.check(proxy)
        self.assertEqual({f.verdict for f in found.values()}, {Verdict.OK}, found)
        self.assertNotIn("download", found)
        self.assertNotIn("CORS POST", found)
        methods = [asked.method for asked in proxy.asked]
        self.assertNotIn("GET", methods)
        self.assertFalse(any(b"Origin" in asked.head for asked in proxy.asked))
        self.assertEqual(self.uploads_left, 0)


class SmallTests(CheckCase):
    """A server that takes small uploads only."""

    max_size_bytes = 5000

    async def test_is_not_asked_for_more(self) -> None:
        """What does not fit is not tried."""
        found = await self.check(None)
        self.assertEqual({f.verdict for f in found.values()}, {Verdict.OK}, found)
        self.assertNotIn("large chunk", found)
        self.assertIn("5000 bytes", found["endpoint"].seen)


class LocationTests(CheckCase):
    """Proxies that make the server tell a wrong ``Location``."""

    async def test_http_behind_https(self) -> None:
        """An http Location behind https is named, with both ways to mend it."""
        place = Path(self.mktemp())
        place.mkdir()
        authority = Authority.new()
        authority.save(place / "ca")
        proxy = self.put(tls=authority.server(place, "127.0.0.1"))
        url = "https://127.0.0.1:{port}/files/"
        with mock.patch.dict("os.environ", {"SSL_CERT_FILE": str(place / "ca")}):
            found = await self.check(proxy, url)
        self.assert_bad(found, "location")
        self.assertIn("browsers block it", found["location"].seen)
        for word in ("X-Forwarded-Proto $scheme", "--behind-proxy", "--public-url htt"):
            self.assertIn(word, found["location"].fix)
        self.assertEqual(self.uploads_left, 0, "it was found all the same")

    async def test_internal_host(self) -> None:
        """A Location of a host that is not reached from here is of no use."""
        proxy = self.put(request=replaced("Host: 127.0.0.1", "Host: 127.0.0.2"))
        found = await self.check(proxy)
        self.assert_bad(found, "location")
        self.assertIn("another host", found["location"].seen)
        self.assertIn("nobody listens on port", found["location"].seen)
        self.assertIn("Host $http_host", found["location"].fix)

    async def test_internal_port(self) -> None:
        """A Location that goes past the proxy, and can be reached, is a warning."""
        proxy = self.put()
        proxy.request = replaced(f":{proxy.port}", f":{self.target}")
        secret = (("Authorization", "Bearer hidden"),)
        found = await self.check(proxy, secrets=secret)
        self.assert_bad(found)
        self.assert_warned(found, "location")
        self.assertIn("another port", found["location"].seen)

    async def test_secrets_stay(self) -> None:
        """Credentials are not sent to where a Location of another origin leads."""
        other = self.put()
        proxy = self.put()
        proxy.request = replaced(f":{proxy.port}", f":{other.port}")
        await self.check(proxy, secrets=(("X-Secret", "hidden"),))
        self.assertTrue(other.asked)
        self.assertFalse(any(b"hidden" in asked.head for asked in other.asked))
        self.assertTrue(all(b"hidden" in asked.head for asked in proxy.asked))

    async def test_stripped_prefix(self) -> None:
        """A proxy that takes a prefix off the path makes Locations of another path."""

        def has_no_prefix(asked: Asked) -> bytes | None:
            return None if asked.path.startswith("/api/") else answer("404 Not Found")

        proxy = self.put(
            request=replaced(" /api/files/", " /files/"), answers=has_no_prefix
        )
        found = await self.check(proxy, "http://127.0.0.1:{port}/api/files/")
        self.assert_bad(found, "location")
        self.assertIn("404", found["location"].seen)
        self.assertIn("/api/files/", found["location"].seen)
        self.assertIn("--public-url", found["location"].fix)
        self.assertEqual(self.uploads_left, 0)

    async def test_removed(self) -> None:
        """An answer without Location ends the check."""
        found = await self.check(self.put(response=without("Location")))
        self.assert_bad(found, "creation")
        self.assertNotIn("location", found)

    async def test_nonsense(self) -> None:
        """A Location that is no URL ends it as well."""
        proxy = self.put(response=replaced("Location: http:", "Location: mailto:"))
        found = await self.check(proxy)
        self.assert_bad(found, "location")
        self.assertIn("is no URL", found["location"].seen)


class BodyTests(CheckCase):
    """Proxies that do something to bodies."""

    async def test_buffers(self) -> None:
        """A proxy that keeps a body back until it is complete is found out."""
        found = await self.check(self.put(buffers=True), patience_s=0.3)
        self.assert_bad(found, "streaming", "cut")
        self.assertIn("proxy_request_buffering off", found["streaming"].fix)
        self.assertIn("large chunk", found)

    async def test_limit(self) -> None:
        """A proxy's limit of 1 MiB is told apart from the server's own."""

        def limit(asked: Asked) -> bytes | None:
            is_large = asked.length > 1024 * 1024
            return answer("413 Payload Too Large") if is_large else None

        found = await self.check(self.put(answers=limit))
        self.assert_bad(found, "large chunk")
        self.assertIn("client_max_body_size", found["large chunk"].fix)

    async def test_early_answer(self) -> None:
        """An answer that comes instead of the bytes is what is told."""

        def refuse(asked: Asked) -> bytes | None:
            return answer("413 Payload Too Large") if asked.length > 9000 else None

        found = await self.check(self.put(answers=refuse))
        self.assert_bad(found, "streaming")
        self.assertIn("413", found["streaming"].seen)

    async def test_patch_blocked(self) -> None:
        """Where PATCH is blocked a POST may take its place."""

        def block(asked: Asked) -> bytes | None:
            is_patch = asked.method == "PATCH"
            return answer("405 Method Not Allowed") if is_patch else None

        found = await self.check(self.put(answers=block))
        self.assert_bad(found, "PATCH")
        self.assertIn("X-HTTP-Method-Override: PATCH gets through", found["PATCH"].seen)
        self.assertIn("large chunk", found)
        stripping = self.put(answers=block, request=without("X-HTTP-Method-Override"))
        found = await self.check(stripping)
        self.assert_bad(found, "PATCH")
        self.assertNotIn("gets through", found["PATCH"].seen)
        self.assertEqual(self.uploads_left, 0)

    async def test_cuts(self) -> None:
        """A proxy that cuts requests is told of, and what was created is removed."""

        def cut_large(asked: Asked) -> bytes | None:
            return CUT if asked.length > 1024 * 1024 else None

        def cut_all(asked: Asked) -> bytes | None:
            return CUT if asked.method == "PATCH" else None

        for cut, about in ((cut_large, "large chunk"), (cut_all, "answer")):
            found = await self.check(self.put(answers=cut))
            self.assert_bad(found, about)
            self.assertIn("connection was closed before", found[about].seen)
        self.assertEqual(self.uploads_left, 0)

    async def test_expect(self) -> None:
        """Where Expect does harm, what was kept of the request is gone on with."""

        def cut(asked: Asked) -> bytes | None:
            return CUT if b"Expect" in asked.head else None

        found = await self.check(self.put(answers=cut), patience_s=0.3)
        self.assert_bad(found)
        self.assert_warned(found, "Expect")

    async def test_compresses(self) -> None:
        """Downloads that something compresses are a warning."""
        proxy = self.put(response=with_line("Content-Encoding: gzip"))
        found = await self.check(proxy, finishes=True)
        self.assert_bad(found)
        self.assert_warned(found, "download")


class HeaderTests(CheckCase):
    """Proxies that take headers out, or change them."""

    async def test_of_answers(self) -> None:
        """What HEAD and PATCH must tell, and does not, is named."""
        found = await self.check(self.put(response=without("Upload-Length")))
        self.assert_bad(found, "headers")
        self.assertIn("without Upload-Length", found["headers"].seen)
        found = await self.check(self.put(response=without("Upload-Offset")))
        self.assert_bad(found, "location")
        self.assertIn("Upload-Offset", found["location"].fix)

    async def test_of_requests(self) -> None:
        """What the server misses of a request is named."""
        found = await self.check(self.put(request=without("Tus-Resumable")))
        self.assert_bad(found, "creation")
        self.assertIn("Tus-Resumable", found["creation"].fix)
        found = await self.check(self.put(request=without("Content-Type")))
        self.assert_bad(found, "PATCH")
        self.assertIn("Content-Type", found["PATCH"].fix)

    async def test_that_cost_comfort(self) -> None:
        """Lost metadata, a cache that may keep HEAD, and HTTP/1.0, are warnings."""
        for change, about in (
            ({"request": without("Upload-Metadata")}, "headers"),
            ({"response": without("Cache-Control")}, "caching"),
            ({"response": replaced("HTTP/1.1", "HTTP/1.0")}, "HTTP"),
        ):
            found = await self.check(self.put(**change))
            self.assert_bad(found)
            self.assert_warned(found, about)

    async def test_errors_replaced(self) -> None:
        """A proxy that makes pages of its own of errors is a warning."""
        proxy = self.put(response=replaced("409 Conflict", "500 Error"))
        found = await self.check(proxy)
        self.assert_bad(found)
        self.assert_warned(found, "errors")


class CorsTests(CheckCase):
    """Proxies that do something to what browsers want to know."""

    async def test_two_origins(self) -> None:
        """Where both add it, browsers reject it."""
        proxy = self.put(response=with_line("Access-Control-Allow-Origin: *"))
        found = await self.check(proxy, origin=ORIGIN)
        self.assert_bad(found, "CORS POST", "preflight POST", "preflight PATCH")
        self.assertIn("more than once", found["CORS POST"].seen)
        self.assert_warned(found, "CORS errors")

    async def test_nothing_to_see(self) -> None:
        """Pages cannot read what is not exposed."""
        proxy = self.put(response=without("Access-Control-Expose-Headers"))
        found = await self.check(proxy, origin=ORIGIN)
        self.assert_bad(found, "CORS POST")
        self.assertIn("Location, Upload-Offset", found["CORS POST"].seen)

    async def test_own_headers(self) -> None:
        """What is given by --header must be allowed, too."""
        secrets = (("X-Tenant", "a"), ("Authorization", "Bearer b"))
        found = await self.check(None, secrets=secrets, origin=ORIGIN)
        self.assert_bad(found, "preflight POST", "preflight PATCH")
        self.assertIn("does not have x-tenant", found["preflight POST"].seen)
        self.assertNotIn("authorization", found["preflight POST"].seen)

    async def test_own_preflight(self) -> None:
        """A proxy that answers OPTIONS itself hides what the server offers."""
        allow = "Access-Control-Allow-Origin: *"
        methods = "Access-Control-Allow-Methods: GET, POST"

        def options(asked: Asked) -> bytes | None:
            is_options = asked.method == "OPTIONS"
            return answer("204 No Content", allow, methods) if is_options else None

        found = await self.check(self.put(answers=options), origin=ORIGIN)
        self.assert_bad(found, "preflight POST", "preflight PATCH")
        self.assertIn("PATCH is not among", found["preflight PATCH"].seen)
        self.assert_warned(found, "endpoint")
        self.assertEqual(self.uploads_left, 0, "DELETE was tried")

    async def test_password_for_preflight(self) -> None:
        """A preflight has no credentials, so nobody may ask it for some."""

        def ask(asked: Asked) -> bytes | None:
            is_known = b"Authorization: Bearer right" in asked.head
            return None if is_known else answer("401 Unauthorized")

        secrets = (("Authorization", "Bearer right"),)
        found = await self.check(self.put(answers=ask), secrets=secrets, origin=ORIGIN)
        self.assert_bad(found, "preflight POST", "preflight PATCH")
        self.assertIn("without credentials", found["preflight POST"].fix)


class NoServerTests(CheckCase):
    """Where no tus server is, or lets nobody in."""

    async def only(self, seen: str, fix: str, *args: object) -> None:
        """The one problem is the endpoint."""
        proxy = self.put(answers=lambda _: answer(*map(str, args)))
        found = await self.check(proxy)
        self.assert_bad(found, "endpoint")
        self.assertIn(seen, found["endpoint"].seen)
        self.assertIn(fix, found["endpoint"].fix)

    async def test_answers_of_others(self) -> None:
        """Redirects, passwords, other applications and dead servers are told apart."""
        moved = "308 Permanent Redirect"
        await self.only("308", "https:// in", moved, "Location: https://h.example/")
        await self.only("301", "that URL", "301 Moved", "Location: /elsewhere/")
        await self.only("401 Unauthorized", "Bearer ...", "401 Unauthorized")
        await self.only("does not reach it", "server runs", "502 Bad Gateway")

    async def test_slash(self) -> None:
        """A redirect that only adds the slash is named so."""

        def add(asked: Asked) -> bytes | None:
            return answer("301 Moved", "Location: /files/")

        found = await self.check(self.put(answers=add), "http://127.0.0.1:{port}/files")
        self.assertIn("slash at the end", found["endpoint"].fix)

    async def test_other_application(self) -> None:
        """A 404 of an application that knows nothing of tus is told as that."""
        proxy = self.put(answers=lambda _: answer("404 Not Found"))
        found = await self.check(proxy)
        self.assert_bad(found, "endpoint", "creation")
        self.assertIn("no tus server is here", found["endpoint"].seen)

    async def test_nobody(self) -> None:
        """No connection, no HTTP and no TLS are sentences."""
        silent = self.put(answers=lambda _: b"")
        plain = self.put(greets=True)
        babble = self.put(answers=lambda _: b"hello\r\n\r\n")
        for proxy, url, timeout_s, seen in (
            (None, "http://127.0.0.1:1/files/", 20, "nobody listens on port 1 "),
            (plain, "https://127.0.0.1:{port}/files/", 20, "does not speak TLS"),
            (silent, "http://127.0.0.1:{port}/files/", 0.5, "not answered within 0.5"),
            (babble, "http://127.0.0.1:{port}/files/", 20, "does not speak HTTP"),
        ):
            found = await self.check(proxy, url, timeout_s=timeout_s)
            self.assert_bad(found, "endpoint")
            self.assertIn(seen, found["endpoint"].seen)

    async def test_certificates(self) -> None:
        """A certificate that nobody signed, or for others, is a sentence."""
        place = Path(self.mktemp())
        place.mkdir()
        authority = Authority.new()
        authority.save(place / "ca")
        url = "https://127.0.0.1:{port}/files/"
        right = self.put(tls=authority.server(place, "127.0.0.1"))
        found = await self.check(right, url)
        self.assertIn("is not trusted", found["endpoint"].seen)
        wrong = self.put(tls=authority.server(place, "tus.example"))
        with mock.patch.dict("os.environ", {"SSL_CERT_FILE": str(place / "ca")}):
            found = await self.check(wrong, url)
        self.assertIn("is not for 127.0.0.1", found["endpoint"].seen)
