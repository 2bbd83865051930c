"""What is in an upload directory beside uploads."""

from __future__ import annotations

from pathlib import Path


def without_record(directory: Path) -> list[Path]:
    """
    List the files that belong to no upload: what a sweep has to remove.

    Data without a record, and records that never got their name.  What begins with a
    dot is the store's own.
    """
    files = [path for path in directory.rglob("*") if path.is_file()]
    return sorted(
        path
        for path in files
        if not path.name.startswith(".")
        and path.suffix != ".info"
        and not path.with_name(path.name + ".info").exists()
    )
