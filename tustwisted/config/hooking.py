"""Those settings that say who is asked, and told, of uploads."""

from __future__ import annotations

from attrs import frozen

from tustwisted.config.forms import DIRECTORY, FILE, SIZE, TIME, Form, number_to
from tustwisted.config.setting import setting
from tustwisted.hooks.address import HookURL, parse_hook_url
from tustwisted.hooks.named import check_hook_name
from tustwisted.hooks.retry import MAX_ATTEMPTS, RetryRule
from tustwisted.hooks.rules import HttpRules, parse_events, parse_forward_headers
from tustwisted.lock.redis.url import RedisURL, parse_redis_url
from tustwisted.protocol.events import EventType

_MAX_NUMBER = 10**9


def _parse_stream(text: str) -> str:
    if not text.isprintable() or not 0 < len(text) <= 200:
        raise ValueError("must be the name of a stream, at most 200 characters")
    return text


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class HttpHooks:
    """Hooks that are called by HTTP."""

    hooks_http: tuple[HookURL, ...] = setting(
        Form("URL", parse_hook_url),
        "POST events to this URL, and do what it answers.",
        otherwise="none",
        example="http://127.0.0.1:8000/tus",
        is_many=True,
        is_secret=True,
    )
    hooks_http_forward_headers: tuple[str, ...] = setting(
        Form("NAMES", parse_forward_headers, has_commas=True),
        "Send these headers of a request on; names with commas between them.",
        otherwise="none",
        example="Authorization,Cookie",
        unset=(),
    )
    hooks_http_retry: int = setting(
        number_to(MAX_ATTEMPTS), "Make so many attempts in all.", "3"
    )
    hooks_http_backoff: float = setting(
        TIME,
        "Wait so long before the second attempt, and twice as long before each one "
        "after.",
        "1s",
    )
    hooks_http_timeout: float = setting(
        TIME, "Give up after so long, all attempts together.", "15s"
    )
    hooks_http_size_limit: int = setting(
        SIZE, "Read no longer reply than this.", "5KiB"
    )
    hooks_http_max_in_flight: int = setting(
        number_to(10_000), "Make so many calls to a URL at a time.", "64"
    )
    hooks_http_secret_file: str | None = setting(
        FILE,
        "Sign calls with the first secret of this file, one a line.",
        otherwise="they are not signed",
        example="/etc/tustwisted/hook-secret",
        is_credential=True,
    )

    @property
    def http_rules(self) -> HttpRules:
        """How hooks are called by HTTP."""
        return HttpRules(
            self.hooks_http_forward_headers,
            RetryRule(self.hooks_http_retry, self.hooks_http_backoff),
            self.hooks_http_timeout,
            self.hooks_http_size_limit,
            self.hooks_http_max_in_flight,
            self.hooks_http_secret_file,
        )


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class OtherHooks:
    """Hooks that are programs, a Redis stream, or written in Python."""

    hooks_dir: str | None = setting(
        DIRECTORY,
        "Run the program of this directory that is called as the event.",
        otherwise="none",
        example="/etc/tustwisted/hooks",
    )
    hooks_dir_timeout: float = setting(TIME, "End such a program after so long.", "15s")
    hooks_python: tuple[str, ...] = setting(
        Form("NAME", check_hook_name),
        "Ask a hook of yours: package.module:factory, or a plugin.",
        otherwise="none",
        example="mypackage.hooks:make_hook",
        is_many=True,
    )
    hooks_redis_stream: str | None = setting(
        Form("NAME", _parse_stream),
        "Add events to this stream of a Redis.",
        otherwise="none",
        example="uploads",
    )
    hooks_redis_url: RedisURL | None = setting(
        Form("URL", parse_redis_url),
        "The Redis with that stream.",
        otherwise="that of --locker",
        example="redis://localhost:6379/1",
        is_secret=True,
    )
    hooks_redis_stream_length: int = setting(
        number_to(_MAX_NUMBER), "Keep about so many events in it.", "100000"
    )


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class Hooking:
    """What hooks hear of, and what becomes of what they do not take note of."""

    hooks_enabled_events: frozenset[EventType] = setting(
        Form(
            "EVENTS",
            parse_events,
            has_commas=True,
            choices=tuple(event.value for event in EventType),
        ),
        "Hooks hear of these alone, such as pre-create,post-finish; those in Python "
        "say themselves of what.",
        otherwise="all",
        example="pre-create,post-finish",
        unset=frozenset(EventType),
    )
    progress_hooks_interval: float = setting(
        TIME, "Tell of received bytes at most every so often.", "1s"
    )
    progress_hooks_bytes: int = setting(
        SIZE, "Tell of them before that when so many have come.", "16MiB"
    )
    hooks_outbox_limit: int = setting(
        number_to(_MAX_NUMBER),
        "Create no uploads while so many events wait for delivery.",
        "100000",
    )
    hooks_give_up_after: float = setting(
        TIME, "Try to deliver an event for so long, then put it aside.", "24h"
    )
