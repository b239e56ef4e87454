"""Files that are there in full or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from client.errors import InputError


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside its name, onto the disk, and rename it; one that is there is replaced.

    Raises:
        InputError: It cannot be written.
    """
    beside = path.with_name(f".{path.name}.partial")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise InputError(f"cannot write {path}: {error}") from error
