"""The hooks that the settings of who may upload ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tustwisted.config.settings import Settings
from tustwisted.interfaces import IHook

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from tustwisted.auth.bearer import IKnowsTokens
    from tustwisted.auth.watched import Look


def make_access_hooks(reactor: Any, settings: Settings) -> list[IHook]:
    """
    Make the hook that lets in who brings a token, if there is to be one.

    With two kinds of tokens one of them is enough.

    :param reactor: its threads look at the files.
    :raises SystemExit: what is needed for it is not installed.
    """
    if settings.auth_tokens is None and settings.jwt_key_file is None:
        return []
    from twisted.internet.threads import deferToThreadPool

    from tustwisted.auth.either import EitherToken
    from tustwisted.auth.tokens import TokenFile

    def read(look: Callable[[], Look | None]) -> Deferred[Look | None]:
        return deferToThreadPool(reactor, reactor.getThreadPool(), look)

    hooks: list[IKnowsTokens] = []
    if settings.auth_tokens is not None:
        hooks.append(TokenFile(settings.auth_tokens, reactor, read))
    if settings.jwt_key_file is not None:
        hooks.append(_make_jwt_access(reactor, settings, read))
    return [EitherToken(hooks)] if len(hooks) > 1 else list(hooks)


def _make_jwt_access(reactor: Any, settings: Settings, read: Any) -> IKnowsTokens:
    try:
        from tustwisted.auth.jwt import JwtAccess
    except ImportError as error:
        raise SystemExit(
            "tustwisted: --jwt-key-file needs PyJWT: pip install tustwisted[jwt]"
        ) from error
    assert settings.jwt_key_file is not None
    assert settings.jwt_audience is not None, "the settings were checked"
    return JwtAccess(
        settings.jwt_key_file,
        reactor,
        settings.jwt_algorithm,
        settings.jwt_audience,
        settings.jwt_issuer,
        settings.jwt_owner_claim,
        read,
    )
