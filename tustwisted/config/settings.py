"""The schema: all that can be configured."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import frozen

from tustwisted.config.admitting import Admitting
from tustwisted.config.hooking import Hooking, HttpHooks, OtherHooks
from tustwisted.config.locking import Locking
from tustwisted.config.serving import Addresses, Listening
from tustwisted.config.setting import Setting, settings_of
from tustwisted.config.storing import Finishing, Storing
from tustwisted.hooks.settings import HookSettings
from tustwisted.lock.directory import LockerKind
from tustwisted.lock.redis.url import RedisURL
from tustwisted.lockers import LockerChoice, default_locker
from tustwisted.protocol.events import EventType

PARTS: Final = (
    Listening,
    Addresses,
    Storing,
    Finishing,
    Locking,
    Admitting,
    HttpHooks,
    OtherHooks,
    Hooking,
)
"""
The parts of the schema, in the order in which they are told.

Nobody makes or compares one of them alone, so they have no methods for that.
"""


@frozen(kw_only=True, slots=False)
class Settings(
    Hooking,
    OtherHooks,
    HttpHooks,
    Admitting,
    Locking,
    Finishing,
    Storing,
    Addresses,
    Listening,
):
    """
    All settings of a daemon, or of what an application mounts.

    :func:`tustwisted.config.reading.read_settings` makes them of what somebody has
    written, and checks that they go together.
    """

    @property
    def chosen_locker(self) -> LockerChoice:
        """What keeps writers apart."""
        if self.locker is not None:
            return self.locker
        # Nobody knows whether somebody's own store bears a second process.
        return default_locker() if self.store is None else LockerKind.MEMORY

    @property
    def redis_of_hooks(self) -> RedisURL | None:
        """The Redis of the hooks' stream, if there is one."""
        if self.hooks_redis_url is not None:
            return self.hooks_redis_url
        return self.locker if isinstance(self.locker, RedisURL) else None

    @property
    def hooks(self) -> HookSettings:
        """What holds for all hooks."""
        return HookSettings(
            progress_interval_s=self.progress_hooks_interval,
            progress_bytes=self.progress_hooks_bytes,
            outbox_limit=self.hooks_outbox_limit,
            give_up_after_s=self.hooks_give_up_after,
            kept_headers=self.hooks_http_forward_headers,
        )

    @property
    def asks_who(self) -> bool:
        """
        Whether somebody is asked who may do what.

        A hook by HTTP or in Python may be; if it refuses anybody is its own business.
        """
        if self.auth_tokens is not None or self.jwt_key_file is not None:
            return True
        is_asked = EventType.PRE_ACCESS in self.hooks_enabled_events
        return bool(self.hooks_python or (self.hooks_http and is_asked))


SETTINGS: Final[Mapping[str, Setting]] = MappingProxyType(
    {setting.name: setting for part in PARTS for setting in settings_of(part)}
)
"""All settings by their names."""
