"""
Hooks that the daemon is told by name (``--hooks-python``).

``package.module:factory`` names what makes one.  A name without a colon is that of a
plugin, so that a package brings a hook along and its users need not know where in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from attrs import field, frozen
from twisted.plugin import IPlugin, getPlugins
from zope.interface import Attribute, Interface, implementer

from tustwisted.interfaces import IHook
from tustwisted.named import check_name, make_named

HookFactory = Callable[[Any], IHook]
"""
Makes a hook, and opens nothing.

It is given the reactor.  The hook is started, and stopped, by whoever has it made.
"""

_PLUGIN_NAME = re.compile(r"[A-Za-z0-9_.-]+")


class IHookPlugin(Interface):
    """
    Says where a hook is; looked for by Twisted in all directories ``twisted/plugins``.

    All modules there are imported whenever one of them is new, so a plugin imports
    neither a reactor nor the hook itself.
    """

    name: str = Attribute("""What users call the hook: ``[A-Za-z0-9_.-]``.""")

    factory: str = Attribute("""``package.module:factory`` of a :data:`HookFactory`.""")


@implementer(IPlugin, IHookPlugin)
@frozen
class HookPlugin:
    """
    A plugin, for a module in ``twisted/plugins`` to hold.

    :param name: what users call the hook.
    :param factory: ``package.module:factory``.
    """

    name: str
    factory: str = field(validator=lambda _, __, factory: check_name(factory))


def check_hook_name(name: str) -> str:
    """
    See that a string may name a hook; imports nothing.

    :returns: the string.
    :raises ValueError: it may not; the message says what does.
    """
    if _PLUGIN_NAME.fullmatch(name) is not None:
        return name
    try:
        return check_name(name)
    except ValueError as error:
        raise ValueError(f"{error}, or the name of a plugin") from None


def find_hook(name: str, reactor: Any) -> IHook:
    """
    Find what makes a hook, and have it make one.

    :param name: ``package.module:factory``, or the name of a plugin.
    :param reactor: what the factory is given.
    :raises ValueError: that cannot be done; the message is one line that says why.
    """
    factory = name if ":" in check_hook_name(name) else _of_plugin(name)
    hook: IHook = make_named(factory, IHook, reactor)
    return hook


def _of_plugin(name: str) -> str:
    plugins = list(getPlugins(IHookPlugin))
    found = {plugin.factory for plugin in plugins if plugin.name == name}
    if len(found) == 1:
        return found.pop()
    if found:
        raise ValueError(
            f"several plugins are called so: write one of {', '.join(sorted(found))}"
        )
    there = ", ".join(sorted({plugin.name for plugin in plugins})) or "none at all"
    raise ValueError(
        f"there is no plugin of this name in twisted/plugins on Python's path, "
        f"but {there}; a factory is written package.module:factory"
    )
