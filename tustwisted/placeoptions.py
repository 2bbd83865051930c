"""Those options of ``twistd tus`` that say what becomes of finished files."""

from __future__ import annotations

from twisted.python import usage

from tustwisted.options import tried
from tustwisted.protocol.filenames import FileNameTemplate, Placing

DEFAULT_NAME = "{filename}"


class PlaceOptions(usage.Options):
    """Read into ``self["finished-dir"]`` and ``["placing"]``; both may be ``None``."""

    optParameters = [  # noqa: RUF012 - usage.Options wants a list on the class
        [
            "finished-dir",
            None,
            None,
            "Give the files of finished uploads names in this directory, which lies "
            "beside --upload-dir on the same file system; made if missing.",
        ],
        [
            "finished-name",
            None,
            None,
            "What they are called there, such as {yyyy}/{mm}/{dd}/{owner}/{filename}; "
            "{id} too. A name that is taken gets a number. [default: {filename}]",
        ],
        [
            "finished-by",
            None,
            None,
            "link: they have both names, and terminating an upload leaves that one; "
            "move: only that one. [default: link]",
        ],
    ]

    optFlags = [  # noqa: RUF012 - as before
        [
            "drop-records",
            None,
            "Once its file has that name, forget a finished upload: its URL is gone.",
        ],
    ]

    def postOptions(self) -> None:
        """
        Read these options.

        :raises UsageError: a value cannot be used.
        """
        super().postOptions()
        self["placing"] = self._placing()

    def _placing(self) -> Placing | None:
        name, by, drops = (
            self[option] for option in ("finished-name", "finished-by", "drop-records")
        )
        if self["finished-dir"] is None:
            for option in ("finished-name", "finished-by", "drop-records"):
                if self[option]:
                    raise usage.UsageError(
                        f"--{option}: means nothing without --finished-dir: omit it"
                    )
            return None
        if not self["finished-dir"]:
            raise usage.UsageError("--finished-dir: must name a directory")
        if self["store"] is not None:
            raise usage.UsageError("--finished-dir means nothing to --store: omit it")
        template = tried("finished-name", name or DEFAULT_NAME, FileNameTemplate)
        moves = by is not None and tried("finished-by", by, _parse_by)
        # What is dropped loses its first name in the end: as good as a move.
        return Placing(template, moves and not drops, bool(drops))


def _parse_by(text: str) -> bool:
    """Tell whether files are moved."""
    if text not in ("link", "move"):
        raise ValueError("must be link or move")
    return text == "move"
