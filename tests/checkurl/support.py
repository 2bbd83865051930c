"""A real site, proxies before it, and what is found out about them."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor as _reactor

from tests.checkurl.proxy import Proxy
from tests.web.sockets import SocketCase
from tustwisted.checkurl.asking import Asker, Secrets
from tustwisted.checkurl.findings import Finding, Verdict
from tustwisted.checkurl.story import Check
from tustwisted.checkurl.writing import Wanted
from tustwisted.lock.memory import MemoryLocker
from tustwisted.store.memory import MemoryStore
from tustwisted.testing import ImmediateDisk
from tustwisted.uploads.uploads import Uploads
from tustwisted.web.resource import TusResource, below
from tustwisted.web.settings import WebSettings

reactor: Any = _reactor

ORIGIN = "https://app.example"


class CheckCase(SocketCase):
    """Has a site, in front of which proxies can be put."""

    settings = WebSettings()
    max_size_bytes: int | None = None

    async def setUp(self) -> None:  # type: ignore[override] # trial waits
        """Serve uploads that are kept in memory."""
        self.store = MemoryStore()
        uploads = Uploads(
            self.store,
            MemoryLocker(reactor),
            ImmediateDisk(),
            reactor,
            self.max_size_bytes,
        )
        await uploads.start()
        resource = TusResource(uploads, self.settings)
        self.target = self.serve(below("/files/", resource, self.settings.cors))

    def put(self, **broken: Any) -> Proxy:
        """Put a proxy in front."""
        proxy = Proxy(reactor, self.target, **broken)
        proxy.start()
        self.addCleanup(proxy.stop)
        return proxy

    async def check(
        self,
        proxy: Proxy | None,
        url: str = "http://127.0.0.1:{port}/files/",
        secrets: tuple[tuple[str, str], ...] = (),
        timeout_s: float = 20.0,
        patience_s: float = 10.0,
        **wanted: Any,
    ) -> dict[str, Finding]:
        """
        Find out about a proxy, or the site itself.

        :param patience_s: is waited for only where something is kept back.
        :returns: the findings by what they are about, in order.
        """
        url = url.format(port=self.target if proxy is None else proxy.port)
        wanted["header_names"] = tuple(name for name, _ in secrets)
        asker = Asker(reactor, url, Secrets(secrets), wanted.get("origin"), timeout_s)
        found: list[Finding] = []
        check = Check(reactor, asker, url, Wanted(**wanted), found.append, patience_s)
        is_good = await check.run()
        by_about = {finding.about: finding for finding in found}
        self.assertEqual(len(by_about), len(found), found)
        problems = [f for f in found if f.verdict is Verdict.PROBLEM]
        self.assertEqual(is_good, not problems)
        return by_about

    def assert_bad(self, found: dict[str, Finding], *bad: str) -> None:
        """These are problems, and nothing else is wrong, but for warnings."""
        problems = {k for k, f in found.items() if f.verdict is Verdict.PROBLEM}
        self.assertEqual(problems, set(bad), list(found.values()))
        self.assertTrue(all(found[about].fix for about in bad), found)

    def assert_warned(self, found: dict[str, Finding], *about: str) -> None:
        """These are warnings, and nothing else is one."""
        warnings = {k for k, f in found.items() if f.verdict is Verdict.WARNING}
        self.assertEqual(warnings, set(about), list(found.values()))

    @property
    def uploads_left(self) -> int:
        """How many uploads there are."""
        return len(self.store._uploads)
