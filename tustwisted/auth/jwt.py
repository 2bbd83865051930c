"""
JSON Web Tokens that somebody else has signed.

Needs PyJWT, which the extra ``jwt`` installs.

Spec: RFC 7519, with the cautions of RFC 8725.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import jwt
from attrs import Attribute, define, field
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from tustwisted.auth.algorithms import check_algorithms
from tustwisted.auth.bearer import ASKED, IKnowsTokens, judge
from tustwisted.auth.watched import Look, WatchedFile, in_place
from tustwisted.interfaces import IRereads
from tustwisted.protocol.answers import Answer
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.upload import is_owner

if TYPE_CHECKING:
    from jwt.algorithms import AllowedPublicKeys

    Key: TypeAlias = AllowedPublicKeys | bytes

log = Logger()

LEEWAY_S: Final = 10
"""How far the clocks of two machines may be apart."""

MIN_RSA_BITS: Final = 2048
"""RFC 7518, section 3.3."""

_SECRET_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
"""How long the secret must be at least: as the hash (RFC 7518, section 3.2)."""


def _check(_: object, __: Attribute[Sequence[str]], names: Sequence[str]) -> None:
    check_algorithms(names)


@implementer(IKnowsTokens, IRereads)
@define(eq=False, repr=False)
class JwtAccess:
    """
    Lets in who brings a JSON Web Token that is signed, in time, and for this server.

    Its owner is told by a claim.  A change of the key file counts after about a second.

    :param key_file: the path of a public key in PEM or, for HS256 and the like, of the
        secret, where a line end at the end of a text does not count.
    :param clock: says when to look whether the file has changed.
    :param algorithms: those that may be used, whatever the token says; see
        :func:`tustwisted.auth.algorithms.check_algorithms`.
    :param audience: must be among those that the token names in ``aud``.
    :param issuer: what the token must say in ``iss``; ``None``: that is not looked at.
    :param owner_claim: a text of 1 to 200 printable characters, in each token.
    :param read: runs what looks at the file, perhaps in a thread; in place by default.
    :raises ValueError: these algorithms cannot be used.
    """

    _key_file: str
    _clock: IReactorTime
    _algorithms: Sequence[str] = field(validator=_check)
    _audience: str
    _issuer: str | None = None
    _owner_claim: str = "sub"
    _read: Callable[[Callable[[], Look | None]], Awaitable[Look | None]] = in_place
    name: str = field(init=False, default="jwt")
    events: frozenset[EventType] = field(init=False, default=ASKED)
    _file: WatchedFile[Key] = field(init=False)

    def __attrs_post_init__(self) -> None:
        option = f"--jwt-key-file {self._key_file}"
        self._file = WatchedFile(
            self._key_file, option, self._clock, self._parse_key, self._read
        )

    async def start(self) -> None:
        """
        Read the key.

        :raises HookUnusable: it cannot be read, or is not one for the algorithms.
        """
        self._file.start()

    async def stop(self) -> None:
        """See :meth:`tustwisted.interfaces.IHook.stop`."""
        self._file.stop()

    async def reread(self) -> None:
        """See :meth:`tustwisted.interfaces.IRereads.reread`."""
        await self._file.reread()

    async def ask(self, event: Event) -> Answer:
        """See :meth:`tustwisted.interfaces.IHook.ask`."""
        return judge(event.request, self.owner_of)

    async def tell(self, event: Event) -> None:
        """Take note of nothing: it wants to be told nothing."""

    def owner_of(self, token: str) -> str | None:
        """See :meth:`tustwisted.auth.bearer.IKnowsTokens.owner_of`."""
        key = self._file.meaning
        if key is None:
            return None
        required = ["exp", "aud", self._owner_claim]
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=list(self._algorithms),
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={
                    "require": required if self._issuer is None else [*required, "iss"]
                },
            )
        except jwt.InvalidTokenError as error:
            log.debug("a JSON Web Token is refused: {why}", why=type(error).__name__)
            return None
        owner = claims[self._owner_claim]
        return owner if isinstance(owner, str) and is_owner(owner) else None

    def _parse_key(self, content: bytes) -> Key:
        if self._algorithms[0] in _SECRET_BYTES:
            return _parse_secret(content, self._algorithms)
        return _parse_public_key(content, self._algorithms)


def _parse_secret(content: bytes, algorithms: Sequence[str]) -> bytes:
    text = content.removesuffix(b"\n").removesuffix(b"\r")
    if text.isascii() and text.decode("ascii").isprintable():
        content = text  # else these bytes may well be random, too
    least = max(_SECRET_BYTES[name] for name in algorithms)
    if len(content) < least:
        raise ValueError(f"the secret in the file has less than {least} bytes")
    try:
        jwt.get_algorithm_by_name(algorithms[0]).prepare_key(content)
    except jwt.InvalidKeyError:
        raise ValueError("the file holds a key of another kind, no secret") from None
    return content


def _parse_public_key(content: bytes, algorithms: Sequence[str]) -> AllowedPublicKeys:
    if b"PRIVATE KEY" in content:
        raise ValueError("the file holds a private key: only the public one is needed")
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("the file holds no public key in PEM") from None
    if isinstance(key, RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        raise ValueError(f"the key in the file has less than {MIN_RSA_BITS} bits")
    for name in algorithms:
        try:
            jwt.get_algorithm_by_name(name).prepare_key(content)
        except (jwt.InvalidKeyError, TypeError, ValueError):
            raise ValueError(f"the key in the file is none for {name}") from None
    return cast("AllowedPublicKeys", key)  # or there is no algorithm for it
