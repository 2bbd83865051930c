"""
Write the records of a directory that ``FileStore`` of ``@tus/file-store`` has kept.

Run it with ``python from_tus_node.py DIRECTORY`` while no server uses the directory.
For each ``<id>.json`` it writes ``<id>.info``.  It removes nothing.
"""

import json
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any


def record_of(upload: dict[str, Any]) -> dict[str, Any]:
    """Say in the fields of a record what ``FileStore`` says."""
    length = upload.get("size")
    created = datetime.fromisoformat(upload["creation_date"])
    return {
        "ID": upload["id"],
        "Size": length or 0,
        "SizeIsDeferred": length is None,
        "Offset": 0,  # the size of the file tells
        "MetaData": {
            key: value or "" for key, value in (upload.get("metadata") or {}).items()
        },
        "IsPartial": False,
        "IsFinal": False,
        "PartialUploads": None,
        "Created": created.timestamp(),
    }


def convert(source: Path, upload_id: str) -> str:
    """Write one record; return what became of it."""
    bytes_file, record_file = source.with_suffix(""), source.with_suffix(".info")
    if record_file.exists():
        return "has a record"
    try:
        record = record_of(json.loads(source.read_bytes()))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "makes no sense"
    if record["ID"] != upload_id or not bytes_file.is_file():
        return "has no bytes"
    half = source.with_suffix(".tmp")
    half.write_text(json.dumps(record))
    os.replace(half, record_file)
    return "converted"


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    for path in sorted(directory.rglob("*.json")):
        name = path.relative_to(directory).with_suffix("").as_posix()
        print(name, convert(path, name))  # noqa: T201 - for whoever runs it
