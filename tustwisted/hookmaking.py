"""
The hooks that the settings ask for.

What nobody asks for is not imported.
"""

from __future__ import annotations

from typing import Any

from tustwisted.config.settings import Settings
from tustwisted.hooks.named import find_hook
from tustwisted.interfaces import IHook


def make_hooks(reactor: Any, settings: Settings) -> list[IHook]:
    """
    Make the hooks; nothing is opened before they are started.

    They are asked in this order: by HTTP, programs, Python, the Redis stream.

    :raises SystemExit: a hook in Python cannot be made.
    """
    events = settings.hooks_enabled_events
    hooks: list[IHook] = []
    if settings.hooks_http:
        from tustwisted.hooks.http import HttpHook

        rules = settings.http_rules
        hooks += [HttpHook(reactor, url, events, rules) for url in settings.hooks_http]
    if settings.hooks_dir is not None:
        from tustwisted.hooks.process import ProcessHook

        timeout_s = settings.hooks_dir_timeout
        hooks.append(ProcessHook(reactor, settings.hooks_dir, events, timeout_s))
    hooks += [_find(reactor, name) for name in settings.hooks_python]
    if settings.hooks_redis_stream is not None:
        from tustwisted.hooks.redis_stream import RedisStreamHook

        url, stream = settings.redis_of_hooks, settings.hooks_redis_stream
        assert url is not None, "the settings were checked"
        length = settings.hooks_redis_stream_length
        hooks.append(RedisStreamHook(reactor, url, stream, events, length))
    return hooks


def _find(reactor: Any, name: str) -> IHook:
    try:
        return find_hook(name, reactor)
    except ValueError as error:
        raise SystemExit(f"tustwisted: --hooks-python {name}: {error}") from error
