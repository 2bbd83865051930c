"""What a hook may know of the request that something was asked by."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen


@frozen
class RequestInfo:
    """
    A request, without its body.

    It may hold secrets, such as ``Authorization``: never to be logged.
    """

    method: str
    """The method that counts, after ``X-HTTP-Method-Override``."""

    uri: str
    """The request target as it was sent: path and query."""

    remote_addr: str
    """Who is at the other end of the connection, such as ``192.0.2.7:49152``."""

    headers: Mapping[str, tuple[str, ...]]
    """All headers, by their usual spelling, each with its lines in order."""

    def header(self, name: str) -> str | None:
        """
        Tell the only line of a header.

        :param name: in any case.
        :returns: ``None``: there is none, or more than one.
        """
        lines = [
            line
            for key, values in self.headers.items()
            if key.lower() == name.lower()
            for line in values
        ]
        return lines[0] if len(lines) == 1 else None
