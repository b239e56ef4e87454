"""A snapshot's list of contents: every file with its hash, and what of a pool they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath

from query_server.errors import corrupt_file

FORMAT = 1
MANIFEST = "snapshot.json"
PARTS = ("bundle", "index", "state")
_REMEDY = "take another snapshot, or use an older one"


@dataclass(frozen=True, kw_only=True)
class SnapshotFile:
    """One file: its path inside the snapshot with forward slashes, the first part one of ``PARTS``."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class SnapshotManifest:
    """What a snapshot holds.

    Attributes:
        created_unix_seconds: When it was made.
        request_id: The call that made it; empty where a command did.
        pool: The pool's name.
        index_version: The version served when it was made.
        bundle_digest: sha256 of the bundle's manifest.
        index_digest: sha256 of the index's manifest.
        contents: Its files.
    """

    created_unix_seconds: int
    request_id: str
    pool: str
    index_version: int
    bundle_digest: str
    index_digest: str
    contents: tuple[SnapshotFile, ...]

    @property
    def files(self) -> int:
        """How many files it has."""
        return len(self.contents)

    @property
    def size_bytes(self) -> int:
        """Their bytes together."""
        return sum(each.size_bytes for each in self.contents)

    def to_bytes(self) -> bytes:
        """Write the manifest as JSON."""
        return (json.dumps({"format": FORMAT, **asdict(self)}, indent=2) + "\n").encode()

    @classmethod
    def from_bytes(cls, written: bytes, *, where: object) -> SnapshotManifest:
        """Read a manifest.

        Raises:
            DowserError: CORRUPT_FILE naming `where` if it is damaged, of another format or lists a file outside.
        """
        try:
            values = json.loads(written)
            found = values.pop("format")
            if found != FORMAT:
                why = f"format {found}, this server knows {FORMAT}; upgrade the server"
                raise corrupt_file(where, why)
            contents = tuple(SnapshotFile(**each) for each in values.pop("contents"))
            manifest = cls(contents=contents, **values)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise corrupt_file(where, f"not a snapshot's list ({error!r}); {_REMEDY}") from error
        for each in contents:
            check_name(each.name, where=where)
        return manifest

    def entries(self) -> Mapping[str, SnapshotFile]:
        """Return its files by name."""
        return {each.name: each for each in self.contents}


def check_name(name: str, *, where: object) -> None:
    """Refuse a path that leaves the snapshot's parts.

    Raises:
        DowserError: CORRUPT_FILE.
    """
    parts = PurePosixPath(name).parts
    if len(parts) < 2 or parts[0] not in PARTS or ".." in parts or "/".join(parts) != name:
        raise corrupt_file(where, f"names the file {name!r} outside {', '.join(PARTS)}; {_REMEDY}")
