"""What settings must come with, and what they cannot go with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from attrs import frozen

from tustwisted.auth.algorithms import check_algorithms
from tustwisted.config.origins import ConfigurationError, Given
from tustwisted.config.serving import NO_CORS
from tustwisted.config.settings import SETTINGS, Settings
from tustwisted.lock.directory import LockerKind
from tustwisted.lock.redis.url import RedisURL
from tustwisted.protocol.cors import ANY_ORIGIN

_ANY_HOOK = ("hooks-http", "hooks-dir", "hooks-redis-stream", "hooks-python")

NEEDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            "hooks-http-forward-headers",
            "hooks-http-retry",
            "hooks-http-backoff",
            "hooks-http-timeout",
            "hooks-http-size-limit",
            "hooks-http-max-in-flight",
            "hooks-http-secret-file",
        ),
        ("hooks-http",),
    ),
    "hooks-dir-timeout": ("hooks-dir",),
    "hooks-redis-url": ("hooks-redis-stream",),
    "hooks-redis-stream-length": ("hooks-redis-stream",),
    # Hooks in Python say themselves what they want to hear of.
    "hooks-enabled-events": _ANY_HOOK[:3],
    **dict.fromkeys(
        (
            "progress-hooks-interval",
            "progress-hooks-bytes",
            "hooks-outbox-limit",
            "hooks-give-up-after",
        ),
        _ANY_HOOK,
    ),
    **dict.fromkeys(
        ("jwt-algorithm", "jwt-audience", "jwt-issuer", "jwt-owner-claim"),
        ("jwt-key-file",),
    ),
    **dict.fromkeys(
        ("finished-name", "finished-by", "drop-records"), ("finished-dir",)
    ),
}
"""Settings that mean nothing without one of others."""

OF_FILE_STORE = ("durability", "file-mode", "dir-mode", "finished-dir")
"""What the store of files alone understands."""


@frozen(eq=False, repr=False)
class Checks:
    """
    Settings that were read, and what was given of them.

    Each check raises :class:`~tustwisted.config.origins.ConfigurationError`.
    """

    settings: Settings
    given: Mapping[str, Given]

    def check(self) -> None:
        """Check all of it."""
        self._needs()
        self._store()
        self._locks()
        self._tokens()
        self._hooks()
        self._web()

    def _refuse(self, name: str, why: str, text: str | None = None) -> None:
        given = self.given[name]
        named = given.named if text is None else given.names(text)
        raise ConfigurationError(f"{named}: {why}")

    def _spelled(self, like: str, *names: str) -> str:
        """Write names as one that was given, for a sentence."""
        origin = self.given[like].origin
        return " or ".join(origin.spells(name) for name in names)

    def _is_on(self, name: str) -> bool:
        setting = SETTINGS[name]
        is_off = setting.is_switch and not getattr(self.settings, setting.attribute)
        return name in self.given and not is_off

    def _needs(self) -> None:
        for name, others in NEEDS.items():
            if self._is_on(name) and not self.given.keys() & set(others):
                wanted = self._spelled(name, *others)
                self._refuse(name, f"means nothing without {wanted}: omit it")

    def _store(self) -> None:
        for name in OF_FILE_STORE:
            if self.settings.store is not None and name in self.given:
                store = self._spelled(name, "store")
                self._refuse(name, f"means nothing to {store}: omit it")

    def _locks(self) -> None:
        settings = self.settings
        if "lock-ttl" in self.given and not isinstance(settings.locker, RedisURL):
            wanted = f"{self._spelled('lock-ttl', 'locker')} redis://..."
            self._refuse("lock-ttl", f"means nothing without {wanted}: omit it")
        if settings.workers > 1 and settings.chosen_locker is LockerKind.MEMORY:
            locker = self._spelled("workers", "locker")
            self._refuse(
                "workers",
                f"several processes cannot share the locks of {locker} memory: choose "
                f"{locker} file",
                str(settings.workers),
            )

    def _tokens(self) -> None:
        if self.settings.jwt_key_file is None:
            return
        for name in ("jwt-algorithm", "jwt-audience"):
            if name not in self.given:
                wanted = self._spelled("jwt-key-file", name)
                self._refuse("jwt-key-file", f"must come with {wanted}")
        try:
            check_algorithms(self.settings.jwt_algorithm)
        except ValueError as error:
            self._refuse("jwt-algorithm", str(error))

    def _hooks(self) -> None:
        self._once("hooks-http", [url.name for url in self.settings.hooks_http])
        self._once("hooks-python", self.settings.hooks_python)
        stream = "hooks-redis-stream"
        if stream in self.given and self.settings.redis_of_hooks is None:
            url, locker = (
                f"{self._spelled(stream, name)} redis://..."
                for name in ("hooks-redis-url", "locker")
            )
            self._refuse(stream, f"must come with {url}, or with {locker}")

    def _once(self, name: str, values: list[str] | tuple[str, ...]) -> None:
        for value, times in Counter(values).items():
            if times > 1:
                text = self.given[name].texts[values.index(value)]
                self._refuse(name, "must not be given twice", text)

    def _web(self) -> None:
        settings = self.settings
        if settings.public_url is not None and settings.relative_location:
            wanted = self._spelled("relative-location", "public-url")
            self._refuse("relative-location", f"must not come with {wanted}")
        if settings.cors_credentials and not settings.cors_origin:
            # Any page on the web could act in its visitor's name: not by oversight.
            origin = self._spelled("cors-credentials", "cors-origin")
            self._refuse(
                "cors-credentials",
                f"must come with {origin} and the origins that may, or * for any page "
                "on the web",
            )
        for alone in (ANY_ORIGIN, NO_CORS):
            if alone in settings.cors_origin and len(settings.cors_origin) > 1:
                self._refuse("cors-origin", "must be the only one", alone)
