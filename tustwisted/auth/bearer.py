"""
Tokens that a request brings in ``Authorization``, and the answer without a good one.

Spec: RFC 6750, sections 2.1 and 3.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tustwisted.httpanswer import HttpAnswer
from tustwisted.interfaces import IHook
from tustwisted.protocol.answers import Answer
from tustwisted.protocol.events import EventType
from tustwisted.protocol.requests import RequestInfo

ASKED = frozenset({EventType.PRE_ACCESS})
"""What a hook of this room wants to be asked."""

_CHALLENGE = 'Bearer realm="tus"'
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_BEARER = re.compile(rf"bearer +({_TOKEN.pattern})", re.IGNORECASE)


class IKnowsTokens(IHook):
    """A hook that knows whose a token is."""

    def owner_of(token: str) -> str | None:  # noqa: N805
        """
        Tell whose a token is; at once.

        :param token: what a client sent, of the form that RFC 6750 gives it.
        :returns: ``None``: it is no good.
        """


def is_token(text: str) -> bool:
    """Tell whether a text is of the form that can be sent as a token."""
    return _TOKEN.fullmatch(text) is not None


def judge(request: RequestInfo | None, owner_of: Callable[[str], str | None]) -> Answer:
    """
    Let in who brings a good token.

    :param owner_of: see :meth:`IKnowsTokens.owner_of`.
    :returns: with the owner of the token, or a refusal that asks for one.
    """
    sent = [] if request is None else _credentials(request)
    if len(sent) == 1:
        bearer = _BEARER.fullmatch(sent[0])
        owner = None if bearer is None else owner_of(bearer[1])
        if owner is not None:
            return Answer(owner=owner)
    if any(line.lower().startswith("bearer ") for line in sent):
        return _refusal(f'{_CHALLENGE}, error="invalid_token"')
    return _refusal(_CHALLENGE)


def _credentials(request: RequestInfo) -> list[str]:
    """List what was sent, one for each line."""
    return [
        line.strip(" \t")
        for name, lines in request.headers.items()
        if name.lower() == "authorization"
        for line in lines
    ]


def _refusal(challenge: str) -> Answer:
    response = HttpAnswer(401, {"WWW-Authenticate": challenge})
    return Answer(reject=True, response=response)
