"""Those options of ``twistd tus`` that say who may upload, and the hooks they make."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.python import usage

from tustwisted.auth.algorithms import check_algorithm, check_algorithms
from tustwisted.interfaces import IHook
from tustwisted.options import tried
from tustwisted.protocol.events import EventType

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from tustwisted.auth.bearer import IKnowsTokens
    from tustwisted.auth.watched import Look

OF_JWT = ("jwt-algorithm", "jwt-audience", "jwt-issuer", "jwt-owner-claim")
"""What means nothing without ``--jwt-key-file``."""

OWNER_CLAIM = "sub"
"""Who a JSON Web Token is about (RFC 7519, section 4.1.2)."""


class AccessOptions(usage.Options):
    """Read for :func:`make_access_hooks`."""

    optParameters = [  # noqa: RUF012 - usage.Options wants a list on the class
        [
            "auth-tokens",
            None,
            None,
            "Let in who brings a bearer token of this file, whose lines are an owner "
            "and a token.",
        ],
        [
            "jwt-key-file",
            None,
            None,
            "Let in who brings a JSON Web Token; the file holds the public key (PEM) "
            "or the secret.",
        ],
        ["jwt-audience", None, None, "Whom such a token must be meant for (aud)."],
        [
            "jwt-issuer",
            None,
            None,
            "Whom such a token must be from (iss); anybody who has the key by default.",
        ],
        [
            "jwt-owner-claim",
            None,
            None,
            f"What in such a token names its owner. [default: {OWNER_CLAIM}]",
        ],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["jwt-algorithm"] = []

    def opt_jwt_algorithm(self, name: str) -> None:
        """How such a token may be signed, such as ES256; may be repeated."""
        self["jwt-algorithm"].append(name)

    def postOptions(self) -> None:
        """
        Read these options.

        :raises UsageError: a value cannot be used, or one is missing.
        """
        super().postOptions()
        if self["jwt-key-file"] is None:
            for name in OF_JWT:
                if self[name]:
                    raise usage.UsageError(
                        f"--{name}: means nothing without --jwt-key-file: omit it"
                    )
            return
        for name in ("jwt-algorithm", "jwt-audience"):
            if not self[name]:
                raise usage.UsageError(f"--jwt-key-file: must come with --{name}")
        for name in self["jwt-algorithm"]:
            tried("jwt-algorithm", name, check_algorithm)
        try:
            check_algorithms(self["jwt-algorithm"])
        except ValueError as error:
            raise usage.UsageError(f"--jwt-algorithm: {error}") from error


def asks_who(options: usage.Options) -> bool:
    """
    Tell whether somebody is asked who may do what.

    A hook by HTTP or in Python may be; whether it refuses anybody is its own business.
    """
    if any(options[name] is not None for name in ("auth-tokens", "jwt-key-file")):
        return True
    is_asked = EventType.PRE_ACCESS in options["hooks-enabled-events"]
    return bool(options["hooks-python"] or (options["hooks-http"] and is_asked))


def make_access_hooks(reactor: Any, options: usage.Options) -> list[IHook]:
    """
    Make the hook that lets in who brings a token, if there is to be one.

    With two kinds of tokens one of them is enough.

    :param reactor: its threads look at the files.
    :raises SystemExit: what is needed for it is not installed.
    """
    from twisted.internet.threads import deferToThreadPool

    from tustwisted.auth.either import EitherToken
    from tustwisted.auth.tokens import TokenFile

    def read(look: Callable[[], Look | None]) -> Deferred[Look | None]:
        return deferToThreadPool(reactor, reactor.getThreadPool(), look)

    hooks: list[IKnowsTokens] = []
    if options["auth-tokens"] is not None:
        hooks.append(TokenFile(options["auth-tokens"], reactor, read))
    if options["jwt-key-file"] is not None:
        hooks.append(_make_jwt_access(reactor, options, read))
    return [EitherToken(hooks)] if len(hooks) > 1 else list(hooks)


def _make_jwt_access(reactor: Any, options: usage.Options, read: Any) -> IKnowsTokens:
    try:
        from tustwisted.auth.jwt import JwtAccess
    except ImportError as error:
        raise SystemExit(
            "tustwisted: --jwt-key-file needs PyJWT: pip install tustwisted[jwt]"
        ) from error
    return JwtAccess(
        options["jwt-key-file"],
        reactor,
        options["jwt-algorithm"],
        options["jwt-audience"],
        options["jwt-issuer"],
        options["jwt-owner-claim"] or OWNER_CLAIM,
        read,
    )
