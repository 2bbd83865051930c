"""Tokens that stand in a file, each with its owner."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from hashlib import sha256
from hmac import compare_digest
from typing import Final, TypeAlias

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from tustwisted.auth.bearer import ASKED, IKnowsTokens, is_token, judge
from tustwisted.auth.watched import Look, WatchedFile, in_place
from tustwisted.interfaces import IRereads
from tustwisted.protocol.answers import Answer
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.upload import is_owner

log = Logger()

MIN_TOKEN_CHARACTERS: Final = 16
"""A shorter one could be guessed."""

_HASHED: Final = "sha256:"
_DIGEST: Final = re.compile(r"[0-9A-Fa-f]{64}")

Tokens: TypeAlias = dict[bytes, str]
"""The owners, by the SHA-256 digests of their tokens."""


@implementer(IKnowsTokens, IRereads)
@define(eq=False, repr=False)
class TokenFile:
    """
    Lets in who brings a token that stands in a file, as its owner.

    A change of the file counts after about a second.  A file that cannot be read any
    more changes nothing; to let nobody in, empty it.

    :param path: of lines as :func:`parse_tokens` takes them.
    :param clock: says when to look whether the file has changed.
    :param read: runs what looks at it, perhaps in a thread; in place by default.
    """

    _path: str
    _clock: IReactorTime
    _read: Callable[[Callable[[], Look | None]], Awaitable[Look | None]] = in_place
    name: str = field(init=False, default="tokens")
    events: frozenset[EventType] = field(init=False, default=ASKED)
    _file: WatchedFile[Tokens] = field(init=False)

    def __attrs_post_init__(self) -> None:
        option = f"--auth-tokens {self._path}"
        self._file = WatchedFile(
            self._path, option, self._clock, parse_tokens, self._read
        )

    async def start(self) -> None:
        """
        Read the file.

        :raises HookUnusable: it cannot be read, or has a wrong line.
        """
        self._file.start()
        if not self._file.meaning:
            log.warn("{path} holds no token: nobody is let in", path=self._path)

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
        """
        See :meth:`tustwisted.auth.bearer.IKnowsTokens.owner_of`.

        How long it takes tells nothing of the tokens but how many there are.
        """
        sent = sha256(token.encode()).digest()
        owner = None
        for digest, known in (self._file.meaning or {}).items():
            if compare_digest(digest, sent):
                owner = known
        return owner


def parse_tokens(content: bytes) -> Tokens:
    """
    Read lines of an owner and a token of his, or ``sha256:`` and its digest in hex.

    Empty lines, and those that begin with ``#``, say nothing.  An owner may have
    several tokens.

    :raises ValueError: a line is wrong; it is named by its number, never shown.
    """
    tokens: Tokens = {}
    lines_of: dict[bytes, int] = {}
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise ValueError("the file is no text in UTF-8") from None
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            digest, owner = _parse_line(words)
            if digest in tokens:
                raise ValueError(f"has the token of line {lines_of[digest]} again")
        except ValueError as error:
            raise ValueError(f"line {number} of the file {error}") from None
        tokens[digest], lines_of[digest] = owner, number
    return tokens


def _parse_line(words: list[str]) -> tuple[bytes, str]:
    if len(words) != 2:
        raise ValueError("must be an owner and a token, and nothing else")
    owner, token = words
    if not is_owner(owner):
        raise ValueError("has an owner that is longer than 200 characters, or odd")
    if token.startswith(_HASHED):
        digest = token.removeprefix(_HASHED)
        if _DIGEST.fullmatch(digest) is None:
            raise ValueError("must have 64 hexadecimal digits after sha256:")
        return bytes.fromhex(digest), owner
    if len(token) < MIN_TOKEN_CHARACTERS:
        raise ValueError(f"has a token of less than {MIN_TOKEN_CHARACTERS} characters")
    if not is_token(token):
        raise ValueError("has a token with characters that no bearer token can have")
    return sha256(token.encode()).digest(), owner
