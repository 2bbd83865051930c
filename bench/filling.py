"""Directories that hold many uploads before a server starts."""

from __future__ import annotations

import json
import os
from pathlib import Path


def name_of(number: int) -> str:
    """The id of an upload: 32 hexadecimal digits."""
    return f"{number:032x}"


def fill(directory: Path, count: int) -> None:
    """
    Make uploads of 64 KiB that have not begun, as tusd leaves them.

    Our daemon and tusd both read them; other servers have records of their own.
    """
    directory.mkdir(exist_ok=True)
    for number in range(count):
        name = name_of(number)
        path = str(directory / name)
        record = {
            "ID": name,
            "Size": 65536,
            "SizeIsDeferred": False,
            "Offset": 0,
            "MetaData": {"filename": "hello.txt"},
            "IsPartial": False,
            "IsFinal": False,
            "PartialUploads": None,
            "Storage": {"InfoPath": f"{path}.info", "Path": path, "Type": "filestore"},
        }
        for file, content in ((path, b""), (f"{path}.info", json.dumps(record))):
            fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o664)
            if content:
                os.write(fd, str(content).encode())
            os.close(fd)
