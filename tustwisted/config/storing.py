"""Those settings that say where and how uploads are kept, and how long."""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from tustwisted.config.forms import DIRECTORY, MODE, SIZE, TIME, Form, one_of
from tustwisted.config.setting import setting, switch
from tustwisted.named import check_name
from tustwisted.protocol.extensions import Extension
from tustwisted.protocol.filenames import FileNameTemplate, Placing
from tustwisted.store.durability import Durability


class By(Enum):
    """How a finished file gets its name."""

    LINK = "link"
    MOVE = "move"


def _parse_template(text: str) -> str:
    FileNameTemplate(text)
    return text


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class Storing:
    """Where uploads are kept, how large they may be, and how long they stay."""

    upload_dir: str = setting(
        DIRECTORY, "Directory of the uploads; made if missing.", "uploads", short="d"
    )
    max_size: int | None = setting(
        SIZE,
        "Longest upload, such as 10GiB.",
        otherwise="no limit",
        example="10GiB",
        reloads=True,
    )
    durability: Durability = setting(
        one_of(Durability),
        "What survives a power loss: none, finish (finished uploads) or strict (every "
        "acknowledged byte).",
        "finish",
    )
    expire_after: float | None = setting(
        TIME,
        "Remove an unfinished upload so long after its last byte, such as 24h.",
        otherwise="never",
        example="24h",
        reloads=True,
    )
    expire_finished_after: float | None = setting(
        TIME,
        "Remove a finished one, too, such as 30d.",
        otherwise="never",
        example="30d",
        reloads=True,
    )
    file_mode: int = setting(MODE, "Permissions of new files, less the umask.", "664")
    dir_mode: int = setting(
        MODE, "Permissions of new directories, less the umask.", "775"
    )
    store: str | None = setting(
        Form("NAME", check_name),
        "Keep uploads in a store of your own: package.module:factory, which is called "
        "with the upload directory and an IDisk.",
        otherwise="files in the upload directory",
        example="mypackage.stores:make_store",
    )
    disable: tuple[Extension, ...] = setting(
        one_of(Extension),
        "Do not offer this extension of tus, such as termination.",
        otherwise="all are offered",
        example="termination",
        is_many=True,
    )


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class Finishing:
    """What becomes of the files of finished uploads."""

    finished_dir: str | None = setting(
        DIRECTORY,
        "Give the files of finished uploads names in this directory, which lies beside "
        "--upload-dir on the same file system; made if missing.",
        otherwise="they stay where they are",
        example="finished",
    )
    finished_name: str = setting(
        Form("TEMPLATE", _parse_template),
        "What they are called there, such as {yyyy}/{mm}/{dd}/{owner}/{filename}; {id} "
        "too. A name that is taken gets a number.",
        "{filename}",
    )
    finished_by: By = setting(
        one_of(By),
        "link: they have both names, and terminating an upload leaves that one; move: "
        "only that one.",
        By.LINK.value,
    )
    drop_records: bool = switch(
        "Once its file has that name, forget a finished upload: its URL is gone."
    )

    @property
    def placing(self) -> Placing | None:
        """How they get their names there; ``None``: they get none."""
        if self.finished_dir is None:
            return None
        # What is dropped loses its first name in the end: as good as a move.
        moves = self.finished_by is By.MOVE and not self.drop_records
        template = FileNameTemplate(self.finished_name)
        return Placing(template, moves, self.drop_records)
