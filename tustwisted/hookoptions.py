"""Those options of ``twistd tus`` that say who is asked, and told, of uploads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from twisted.python import usage

from tustwisted.config import parse_size, parse_time
from tustwisted.hooks.address import HookURL, parse_hook_url
from tustwisted.hooks.named import check_hook_name
from tustwisted.hooks.retry import ATTEMPTS, BACKOFF_S, MAX_ATTEMPTS, RetryRule
from tustwisted.hooks.rules import (
    MAX_IN_FLIGHT,
    REPLY_LIMIT_BYTES,
    TIMEOUT_S,
    HttpRules,
    parse_events,
    parse_forward_headers,
)
from tustwisted.hooks.settings import HookSettings
from tustwisted.lock.redis.url import RedisURL, parse_redis_url
from tustwisted.options import tried
from tustwisted.protocol.events import EventType

_T = TypeVar("_T")

DIR_TIMEOUT_S = 15.0

STREAM_LENGTH = 100_000

DEFAULT = HookSettings()

_MAX_NUMBER = 10**9

_OF_HTTP = ("forward-headers", "retry", "backoff", "timeout", "size-limit")

_NEEDS = {
    **{f"hooks-http-{name}": ("hooks-http",) for name in _OF_HTTP},
    "hooks-http-max-in-flight": ("hooks-http",),
    "hooks-http-secret-file": ("hooks-http",),
    "hooks-dir-timeout": ("hooks-dir",),
    "hooks-redis-url": ("hooks-redis-stream",),
    "hooks-redis-stream-length": ("hooks-redis-stream",),
    # Hooks in Python say themselves what they want to hear of.
    "hooks-enabled-events": ("hooks-http", "hooks-dir", "hooks-redis-stream"),
    **dict.fromkeys(
        (
            "progress-hooks-interval",
            "progress-hooks-bytes",
            "hooks-outbox-limit",
            "hooks-give-up-after",
        ),
        ("hooks-http", "hooks-dir", "hooks-redis-stream", "hooks-python"),
    ),
}
"""Options that mean nothing without one of others."""


class HookOptions(usage.Options):
    """
    Read into values; needs ``self["locker"]``.

    ``self["hooks-http"]`` is a list of :class:`~tustwisted.hooks.address.HookURL`,
    ``self["hooks-http-rules"]`` an :class:`~tustwisted.hooks.rules.HttpRules`, and
    ``self["hooks-redis-url"]`` a :class:`~tustwisted.lock.redis.url.RedisURL`.
    """

    optParameters = [  # noqa: RUF012 - usage.Options wants a list on the class
        [
            "hooks-http-forward-headers",
            None,
            None,
            "Send these headers of a request on; names with commas between them.",
        ],
        [
            "hooks-http-retry",
            None,
            None,
            f"Make so many attempts in all. [default: {ATTEMPTS}]",
        ],
        [
            "hooks-http-backoff",
            None,
            None,
            "Wait so long before the second attempt, and twice as long before each "
            f"one after. [default: {BACKOFF_S:g}s]",
        ],
        [
            "hooks-http-timeout",
            None,
            None,
            f"Give up after so long, all attempts together. [default: {TIMEOUT_S:g}s]",
        ],
        [
            "hooks-http-size-limit",
            None,
            None,
            f"Read no longer reply than this. [default: {REPLY_LIMIT_BYTES}]",
        ],
        [
            "hooks-http-max-in-flight",
            None,
            None,
            f"Make so many calls to a URL at a time. [default: {MAX_IN_FLIGHT}]",
        ],
        [
            "hooks-http-secret-file",
            None,
            None,
            "Sign calls with the first secret of this file, one a line.",
        ],
        [
            "hooks-dir",
            None,
            None,
            "Run the program of this directory that is called as the event.",
        ],
        [
            "hooks-dir-timeout",
            None,
            None,
            f"End such a program after so long. [default: {DIR_TIMEOUT_S:g}s]",
        ],
        ["hooks-redis-stream", None, None, "Add events to this stream of a Redis."],
        [
            "hooks-redis-url",
            None,
            None,
            "The Redis with that stream. [default: that of --locker]",
        ],
        [
            "hooks-redis-stream-length",
            None,
            None,
            f"Keep about so many events in it. [default: {STREAM_LENGTH}]",
        ],
        [
            "hooks-enabled-events",
            None,
            None,
            "Hooks hear of these alone, such as pre-create,post-finish; those in "
            "Python say themselves of what. [default: all]",
        ],
        [
            "progress-hooks-interval",
            None,
            None,
            "Tell of received bytes at most every so often. "
            f"[default: {DEFAULT.progress_interval_s:g}s]",
        ],
        [
            "progress-hooks-bytes",
            None,
            None,
            "Tell of them before that when so many have come. [default: 16MiB]",
        ],
        [
            "hooks-outbox-limit",
            None,
            None,
            "Create no uploads while so many events wait for delivery. "
            f"[default: {DEFAULT.outbox_limit}]",
        ],
        [
            "hooks-give-up-after",
            None,
            None,
            "Try to deliver an event for so long, then put it aside. [default: 24h]",
        ],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["hooks-http"] = []
        self["hooks-python"] = []

    def opt_hooks_http(self, url: str) -> None:
        """POST events to this URL, and do what it answers; may be repeated."""
        self["hooks-http"].append(url)

    def opt_hooks_python(self, name: str) -> None:
        """Ask a hook of yours: package.module:factory, or a plugin; may be repeated."""
        self["hooks-python"].append(name)

    def postOptions(self) -> None:
        """
        Read these options.

        :raises UsageError: a value cannot be used, or means nothing.
        """
        super().postOptions()
        for name, needed in _NEEDS.items():
            if self[name] is not None and not any(self[other] for other in needed):
                wanted = " or ".join(f"--{other}" for other in needed)
                raise usage.UsageError(
                    f"--{name}: means nothing without {wanted}: omit it"
                )
        self["hooks-http"] = self._hook_urls()
        self["hooks-http-rules"] = self._http_rules()
        self["hooks-python"] = [
            tried("hooks-python", name, check_hook_name)
            for name in _once("hooks-python", self["hooks-python"])
        ]
        self._read_redis()
        self._read_or("hooks-dir-timeout", parse_time, DIR_TIMEOUT_S)
        self._read_or("hooks-enabled-events", parse_events, frozenset(EventType))
        self._read_or(
            "progress-hooks-interval", parse_time, DEFAULT.progress_interval_s
        )
        self._read_or("progress-hooks-bytes", parse_size, DEFAULT.progress_bytes)
        self._read_or(
            "hooks-outbox-limit", _number_to(_MAX_NUMBER), DEFAULT.outbox_limit
        )
        self._read_or("hooks-give-up-after", parse_time, DEFAULT.give_up_after_s)

    def _read_or(self, name: str, parse: Callable[[str], _T], default: _T) -> None:
        text = self[name]
        self[name] = default if text is None else tried(name, text, parse)

    def _hook_urls(self) -> list[HookURL]:
        urls = [
            tried("hooks-http", text, parse_hook_url, shows=False)
            for text in self["hooks-http"]
        ]
        _once("hooks-http", [url.name for url in urls], shows=False)
        return urls

    def _http_rules(self) -> HttpRules:
        none: tuple[str, ...] = ()
        self._read_or("hooks-http-forward-headers", parse_forward_headers, none)
        self._read_or("hooks-http-retry", _number_to(MAX_ATTEMPTS), ATTEMPTS)
        self._read_or("hooks-http-backoff", parse_time, BACKOFF_S)
        self._read_or("hooks-http-timeout", parse_time, TIMEOUT_S)
        self._read_or("hooks-http-size-limit", parse_size, REPLY_LIMIT_BYTES)
        self._read_or("hooks-http-max-in-flight", _number_to(10_000), MAX_IN_FLIGHT)
        return HttpRules(
            self["hooks-http-forward-headers"],
            RetryRule(self["hooks-http-retry"], self["hooks-http-backoff"]),
            self["hooks-http-timeout"],
            self["hooks-http-size-limit"],
            self["hooks-http-max-in-flight"],
            self["hooks-http-secret-file"],
        )

    def _read_redis(self) -> None:
        self._read_or(
            "hooks-redis-stream-length", _number_to(_MAX_NUMBER), STREAM_LENGTH
        )
        stream = self["hooks-redis-stream"]
        if stream is None:
            return
        tried("hooks-redis-stream", stream, _parse_stream)
        if self["hooks-redis-url"] is not None:
            self["hooks-redis-url"] = tried(
                "hooks-redis-url", self["hooks-redis-url"], parse_redis_url, shows=False
            )
        elif isinstance(self["locker"], RedisURL):
            self["hooks-redis-url"] = self["locker"]
        else:
            raise usage.UsageError(
                "--hooks-redis-stream: must come with --hooks-redis-url redis://..., "
                "or with --locker redis://..."
            )


def _parse_stream(text: str) -> str:
    if not text.isprintable() or not 0 < len(text) <= 200:
        raise ValueError("must be the name of a stream, at most 200 characters")
    return text


def _number_to(most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if text.isascii() and text.isdigit() and len(text) <= 10:
            number = int(text)
            if 1 <= number <= most:
                return number
        raise ValueError(f"must be a number from 1 to {most}")

    return parse


def _once(option: str, values: Sequence[str], shows: bool = True) -> Sequence[str]:
    for value in values:
        if values.count(value) > 1:
            shown = f"--{option} {value}" if shows else f"--{option}"
            raise usage.UsageError(f"{shown}: must not be given twice")
    return values
