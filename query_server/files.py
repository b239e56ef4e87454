"""Files the server relies on: written so that they are whole or not there, and checked against their manifests."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from google.protobuf import json_format

from dowser.v1 import bundle_pb2, index_pb2
from query_server.errors import corrupt_file, storage_full

_WRITING = ".writing-"
_MINE = f"{_WRITING}{secrets.token_hex(4)}-"  # tells what this process is writing from what a crash left
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
_NO_WRITE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}
_Manifest = TypeVar("_Manifest", bundle_pb2.BundleManifest, index_pb2.IndexManifest)


def read_manifest(path: Path, message: _Manifest, *, known_format: int, remedy: str) -> _Manifest:
    """Parse a manifest into ``message``; fields of newer versions are ignored.

    Args:
        path: The JSON file.
        message: Filled and returned.
        known_format: The format number this server reads.
        remedy: What to do when the file is no use, for the error.

    Raises:
        DowserError: CORRUPT_FILE if it is missing, damaged or of another format.
    """
    try:
        json_format.Parse(path.read_text(encoding="utf-8"), message, ignore_unknown_fields=True)
    except FileNotFoundError as error:
        raise corrupt_file(path, f"missing, so nothing finished is here; {remedy}") from error
    except (OSError, UnicodeDecodeError, json_format.ParseError) as error:
        raise corrupt_file(path, f"not a readable manifest ({error}); {remedy}") from error
    if message.format != known_format:
        what = f"format {message.format}, this server knows {known_format}"
        raise corrupt_file(path, f"{what}; {remedy}, or upgrade the server")
    return message


def check_entries(
    manifest: Path,
    entries: Iterable[bundle_pb2.FileEntry],
    *,
    required: Iterable[str],
    verify: bool,
    remedy: str,
) -> None:
    """Compare the files beside a manifest with its list: sizes always, contents where ``verify``.

    Raises:
        DowserError: CORRUPT_FILE naming the file.
    """
    listed = {entry.name: entry for entry in entries}
    if missing := sorted(set(required) - set(listed)):
        raise corrupt_file(manifest, f"lists no {', '.join(missing)}; {remedy}")
    for name, entry in listed.items():
        if Path(name).name != name:
            raise corrupt_file(manifest, f"lists the file {name!r} outside its directory; {remedy}")
        path = manifest.parent / name
        if not path.is_file():
            raise corrupt_file(path, f"missing; {remedy}")
        if path.stat().st_size != entry.size_bytes:
            sizes = f"{path.stat().st_size} bytes, the manifest says {entry.size_bytes}"
            raise corrupt_file(path, f"{sizes}; {remedy}")
        if verify and sha256_of(path) != entry.sha256:
            raise corrupt_file(path, f"its sha256 is not the manifest's; {remedy}")


def file_name(name: str) -> str:
    """Return a file name for any name, a different one for each: what is safe of it, and a hash where not all is."""
    kept = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64]
    return kept if kept == name else f"{kept}.{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def sha256_of(path: Path) -> str:
    """Return the hexadecimal sha256 of a file; reads it once."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_durably(path: Path, data: bytes) -> None:
    """Write a file so that after a crash it is whole and on disk, or not there.

    Raises:
        DowserError: STORAGE_FULL if the disk is full; nothing is left behind.
    """
    with refusing_failed_writes(path.name):
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=_MINE, delete=False) as file:
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                Path(file.name).unlink()
                raise
        Path(file.name).replace(path)
        sync(path.parent)


@contextmanager
def refusing_failed_writes(name: str) -> Iterator[None]:
    """Turn what a full or failing disk makes of a write to a file or database into a domain error.

    Raises:
        DowserError: STORAGE_FULL.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _NO_WRITE:  # the primary code of an extended one
            raise
        raise storage_full(name, str(error)) from error
    except OSError as error:
        if error.errno not in _NO_SPACE:
            raise
        raise storage_full(name, str(error.strerror)) from error


def remove_unfinished(folder: Path) -> None:
    """Remove what a crash in the middle of ``write_durably`` left in a folder; spares what is being written now."""
    for path in folder.glob(f"{_WRITING}*"):
        if not path.name.startswith(_MINE):
            path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file or a directory's entries are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
