"""
The hooks that the options of ``twistd tus`` ask for.

What nobody asks for is not imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tustwisted.hooks.named import find_hook
from tustwisted.hooks.settings import HookSettings
from tustwisted.interfaces import IHook


def make_hooks(reactor: Any, options: Mapping[str, Any]) -> list[IHook]:
    """
    Make the hooks; nothing is opened before they are started.

    They are asked in this order: by HTTP, programs, Python, the Redis stream.

    :param options: as :class:`tustwisted.hookoptions.HookOptions` has read them.
    :raises SystemExit: a hook in Python cannot be made.
    """
    events = options["hooks-enabled-events"]
    hooks: list[IHook] = []
    if options["hooks-http"]:
        from tustwisted.hooks.http import HttpHook

        rules = options["hooks-http-rules"]
        hooks += [
            HttpHook(reactor, url, events, rules) for url in options["hooks-http"]
        ]
    if options["hooks-dir"] is not None:
        from tustwisted.hooks.process import ProcessHook

        timeout_s = options["hooks-dir-timeout"]
        hooks.append(ProcessHook(reactor, options["hooks-dir"], events, timeout_s))
    hooks += [_find(reactor, name) for name in options["hooks-python"]]
    if options["hooks-redis-stream"] is not None:
        from tustwisted.hooks.redis_stream import RedisStreamHook

        url, stream = options["hooks-redis-url"], options["hooks-redis-stream"]
        length = options["hooks-redis-stream-length"]
        hooks.append(RedisStreamHook(reactor, url, stream, events, length))
    return hooks


def make_hook_settings(options: Mapping[str, Any]) -> HookSettings:
    """Tell what holds for all hooks, as the options say it."""
    return HookSettings(
        progress_interval_s=options["progress-hooks-interval"],
        progress_bytes=options["progress-hooks-bytes"],
        outbox_limit=options["hooks-outbox-limit"],
        give_up_after_s=options["hooks-give-up-after"],
        kept_headers=options["hooks-http-forward-headers"],
    )


def _find(reactor: Any, name: str) -> IHook:
    try:
        return find_hook(name, reactor)
    except ValueError as error:
        raise SystemExit(f"tustwisted: --hooks-python {name}: {error}") from error
