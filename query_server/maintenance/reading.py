"""A snapshot read back, whichever form it has: its manifest, and its files one after the other."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from query_server.errors import corrupt_file
from query_server.maintenance.manifest import MANIFEST, SnapshotManifest, check_name

_REMEDY = "take another snapshot, or use an older one"
_MAX_MANIFEST_BYTES = 256 << 20


def read_snapshot(source: Path) -> SnapshotManifest:
    """Read the manifest of a snapshot.

    Raises:
        DowserError: CORRUPT_FILE.
    """
    if source.is_dir():
        try:
            return SnapshotManifest.from_bytes((source / MANIFEST).read_bytes(), where=source / MANIFEST)
        except OSError as error:
            raise corrupt_file(source / MANIFEST, f"not readable ({error}); {_REMEDY}") from error
    try:
        with tarfile.open(source, "r:") as tar:
            member = tar.getmember(MANIFEST)
            file = tar.extractfile(member) if member.size <= _MAX_MANIFEST_BYTES else None
            if file is None:
                raise corrupt_file(source, f"its {MANIFEST} is no file of a snapshot; {_REMEDY}")
            return SnapshotManifest.from_bytes(file.read(), where=source)
    except (OSError, tarfile.TarError, KeyError) as error:
        raise corrupt_file(source, f"not a readable snapshot ({error}); {_REMEDY}") from error


def snapshot_files(source: Path, manifest: SnapshotManifest) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield (name, opened file) of every file of a snapshot; each is closed when the next is asked for.

    Raises:
        DowserError: CORRUPT_FILE for a file that is missing, not listed or no plain file.
    """
    if source.is_dir():
        for entry in manifest.contents:
            path = source / entry.name
            if not path.is_file():
                raise corrupt_file(path, f"missing; {_REMEDY}")
            with path.open("rb") as file:
                yield entry.name, file
        return
    missing = set(manifest.entries())
    try:
        with tarfile.open(source, "r:") as tar:
            for member in tar:
                if member.name == MANIFEST:
                    continue
                check_name(member.name, where=source)
                if not member.isreg() or member.name not in missing:
                    raise corrupt_file(source, f"holds {member.name!r}, which it does not list; {_REMEDY}")
                missing.discard(member.name)
                opened = tar.extractfile(member)
                assert opened is not None  # it is a regular file
                with opened:
                    yield member.name, opened
    except tarfile.TarError as error:
        raise corrupt_file(source, f"not a readable snapshot ({error}); {_REMEDY}") from error
    if missing:
        raise corrupt_file(source, f"lacks {min(missing)!r}; {_REMEDY}")
