"""Who asks something of the core, and what the hooks let him be told."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from tustwisted.errors import UploadNotFound
from tustwisted.httpanswer import NO_CHANGE, HttpAnswer
from tustwisted.protocol.requests import RequestInfo
from tustwisted.protocol.upload import UploadInfo


@define(eq=False, repr=False)
class Caller:
    """
    On whose behalf something is asked; a program itself has none.

    :param request: what the hooks are told of him.
    :param owner: who he is; ``None``: nobody knows.
    :param peer: tells who that is on the network, when it is asked.
    """

    request: RequestInfo | None = None
    owner: str | None = None
    peer: Callable[[], str] | None = None
    response: HttpAnswer = field(init=False, default=NO_CHANGE)
    """What hooks change of the answer to him, so far."""

    def hear(self, response: HttpAnswer) -> None:
        """Add what a hook changes of the answer."""
        self.response = self.response.then(response)


def client_of(caller: Caller | None) -> str:
    """Tell, for the log, who asked for something."""
    if caller is None:
        return "the program itself"
    return (caller.peer and caller.peer()) or "an unknown client"


def require_owner(upload: UploadInfo, caller: Caller | None) -> None:
    """
    Let only its owner see an upload that has one.

    :param caller: ``None``: the program itself, which sees all.
    :raises UploadNotFound: it is somebody else's: he need not know that it is there.
    """
    if caller is None or upload.owner is None:
        return
    if upload.owner != caller.owner:
        raise UploadNotFound
