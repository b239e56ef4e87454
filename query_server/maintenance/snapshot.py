"""A consistent copy of bundle, index and state, made while the server runs or while it does not.

Bundle, index and uploaded classifiers never change once written: they are linked where the file system can, hashed, and
held against their own manifests. Databases are copied by SQLite's backup as of one moment; they come first, and what
else lies in the state directory only grows, so that it holds everything the databases speak of.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dowser.v1 import bundle_pb2
from query_server.errors import corrupt_file, invalid_argument, snapshot_refused
from query_server.files import sha256_of
from query_server.layout import JOBS, journal_folder
from query_server.maintenance.databases import BESIDE, SUFFIX, copy_database
from query_server.maintenance.journals import journal_version
from query_server.maintenance.manifest import SnapshotFile, SnapshotManifest
from query_server.maintenance.manifests import bundle_manifest, index_manifest
from query_server.maintenance.reading import read_snapshot
from query_server.maintenance.targets import DirectoryTarget, OnBytes, Target, TarTarget, scratch_of

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_PART_MANIFEST = "manifest.json"
_COMPACTED_MANIFEST = re.compile(r"state/pools/[^/]+/index-\d+/manifest\.json")
_IMMUTABLE_STATE = re.compile(r"classifiers/.*|pools/[^/]+/index-\d+/.*")
_LEFT_OUT = (JOBS,)  # what score jobs wrote can be made again, and may be larger than all else


@dataclass(frozen=True, kw_only=True)
class SnapshotSources:
    """What is copied.

    Attributes:
        bundle: Its folder.
        index: Its folder.
        state: The state directory.
        bundle_digest: sha256 the bundle's manifest must have.
        index_digest: sha256 the index's manifest must have.
        pool: The pool's name.
        index_version: The version served.
        copies: Writes a consistent copy of what this process has open, a file or a directory, by its path in the state
            directory; any other database is opened and copied.
    """

    bundle: Path
    index: Path
    state: Path
    bundle_digest: str
    index_digest: str
    pool: str
    index_version: int
    copies: Mapping[str, Callable[[Path], None]] = field(default_factory=dict)


def offline_sources(*, bundle: Path, index: Path, state: Path) -> SnapshotSources:
    """Return the sources of a snapshot while no server runs.

    Raises:
        DowserError: CORRUPT_FILE if a manifest cannot be read or the state directory is not there.
    """
    bundle_manifest(bundle)
    manifest = index_manifest(index)
    if not state.is_dir():
        raise corrupt_file(state, "no such directory; name the state directory of the server")
    index_digest = sha256_of(index / _PART_MANIFEST)
    version = journal_version(state / journal_folder(manifest.pool))
    return SnapshotSources(
        bundle=bundle.resolve(),
        index=index.resolve(),
        state=state,
        bundle_digest=sha256_of(bundle / _PART_MANIFEST),
        index_digest=index_digest,
        pool=manifest.pool,
        index_version=int(manifest.index_version) if version is None else version,
    )


def write_snapshot(
    out: Path, sources: SnapshotSources, *, request_id: str = "", on_bytes: OnBytes = lambda _: None
) -> SnapshotManifest:
    """Copy everything into a new directory, or one tar file where the name ends in ".tar".

    Args:
        out: What to make; it appears when it is whole.
        sources: What to copy.
        request_id: Of the call that asked for it.
        on_bytes: Told of the progress.

    Raises:
        DowserError: SNAPSHOT_REFUSED if `out` exists, CORRUPT_FILE if a file is not what its manifest says,
            UNAVAILABLE if another process has a database open.
        OSError: It cannot be written.
    """
    if out.exists():
        raise snapshot_refused(out.name, "EXISTS", f"{out} exists; choose another name")
    target: Target = TarTarget(out) if out.suffix == ".tar" else DirectoryTarget(out)
    try:
        listed: dict[str, bundle_pb2.FileEntry] = {}
        entries = tuple(_add_all(target, sources, listed, scratch=scratch_of(out), on_bytes=on_bytes))
        _compare(sources, {entry.name: entry for entry in entries}, listed)
        manifest = SnapshotManifest(
            created_unix_seconds=int(time.time()),
            request_id=request_id,
            pool=sources.pool,
            index_version=sources.index_version,
            bundle_digest=sources.bundle_digest,
            index_digest=sources.index_digest,
            contents=entries,
        )
        target.finish(manifest.to_bytes())
    except BaseException:
        target.abandon()
        raise
    return manifest


class Snapshots:
    """The snapshots directory of a running server. Thread-safe; one snapshot at a time.

    Args:
        folder: The directory; None makes every request a refusal.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def take(
        self, name: str, request_id: str, sources: SnapshotSources, checkpoint: Callable[[str], None]
    ) -> SnapshotManifest:
        """Make a snapshot of that name; the same request again returns what it made.

        Raises:
            DowserError: SNAPSHOT_REFUSED, INVALID_ARGUMENT for the name, or as ``write_snapshot`` raises.
        """
        if not _NAME.fullmatch(name):
            limit = "1 to 128 of A-Z a-z 0-9 . _ -, the first a letter or digit"
            raise invalid_argument("name", name, limit)
        if self._folder is None:
            what = "the server has no directory for them; start it with --snapshots DIR"
            raise snapshot_refused(name, "NOT_CONFIGURED", what)
        out = self._folder / name
        with self._lock:
            if out.exists() and (made := _made_by(out, request_id)) is not None:
                return made
            try:
                return write_snapshot(
                    out, sources, request_id=request_id, on_bytes=lambda _: checkpoint("snapshot")
                )
            except OSError as error:
                raise snapshot_refused(name, "NOT_WRITTEN", f"it cannot be written: {error}") from error


def _made_by(out: Path, request_id: str) -> SnapshotManifest | None:
    """Return the manifest of a snapshot that a request made; None where another did."""
    manifest = read_snapshot(out)
    return manifest if manifest.request_id == request_id else None


def _add_all(
    target: Target,
    sources: SnapshotSources,
    listed: dict[str, bundle_pb2.FileEntry],
    *,
    scratch: Path,
    on_bytes: OnBytes,
) -> Iterator[SnapshotFile]:
    """Add all files; those that the manifests of compacted indexes name are put into `listed`."""
    found = [name for name, _ in _files(sources.state, but=_LEFT_OUT) if name.endswith(SUFFIX)]
    copies: dict[str, Callable[[Path], None]] = {
        **sources.copies,
        **{
            name: partial(copy_database, sources.state / name)
            for name in found
            if not _is_within(name, sources.copies)
        },
    }
    shutil.rmtree(scratch, ignore_errors=True)  # of an attempt that was killed
    scratch.mkdir(parents=True)
    try:
        for number, (name, copy) in enumerate(copies.items()):
            made = scratch / str(number)
            copy(made)
            inside = _files(made) if made.is_dir() else [("", made)]
            for below, path in inside:
                full = f"state/{name}/{below}" if below else f"state/{name}"
                listed |= _listed_beside(full, path)
                yield target.add(full, path, immutable=True, on_bytes=on_bytes)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    # Looked for only now: what the databases speak of by now is there.
    for name, path in _files(sources.state, but=_LEFT_OUT):
        if _is_within(name, copies) or name.endswith(SUFFIX):
            continue
        immutable = _IMMUTABLE_STATE.fullmatch(name) is not None
        listed |= _listed_beside(f"state/{name}", path)
        try:
            yield target.add(f"state/{name}", path, immutable=immutable, on_bytes=on_bytes)
        except FileNotFoundError:
            if not immutable:  # a classifier may be dropped for a newer one meanwhile
                raise
    for part, folder_of_part in (("bundle", sources.bundle), ("index", sources.index)):
        for name, path in _files(folder_of_part):
            yield target.add(f"{part}/{name}", path, immutable=True, on_bytes=on_bytes)


def _listed_beside(name: str, path: Path) -> dict[str, bundle_pb2.FileEntry]:
    """Return what the manifest of a compacted index lists, by name in the snapshot; nothing for other files."""
    if not _COMPACTED_MANIFEST.fullmatch(name):
        return {}
    return {f"{name.removesuffix(path.name)}{each.name}": each for each in index_manifest(path.parent).files}


def _is_within(name: str, paths: Iterable[str]) -> bool:
    return any(name == path or name.startswith(f"{path}/") for path in paths)


def _files(folder: Path, *, but: Iterable[str] = ()) -> list[tuple[str, Path]]:
    """Return (path inside, path) of the finished files of a folder, in order; directories may come and go meanwhile."""
    found = []
    for directory, below, names in os.walk(folder):
        inside = Path(directory).relative_to(folder)
        below[:] = [
            name for name in below if not name.startswith(".") and (inside / name).as_posix() not in but
        ]
        for name in names:
            path = Path(directory, name)
            if not name.startswith(".") and not name.endswith(BESIDE) and path.is_file():
                found.append(((inside / name).as_posix(), path))
    return sorted(found)


def _compare(
    sources: SnapshotSources,
    entries: Mapping[str, SnapshotFile],
    compacted: Mapping[str, bundle_pb2.FileEntry],
) -> None:
    """Hold what was copied against the manifests it came with, and those against what is served."""
    manifests = (
        ("bundle", sources.bundle, sources.bundle_digest, bundle_manifest(sources.bundle).files),
        ("index", sources.index, sources.index_digest, index_manifest(sources.index).files),
    )
    for part, folder, digest, listed in manifests:
        copied = entries.get(f"{part}/{_PART_MANIFEST}")
        if copied is None or copied.sha256 != digest:
            why = "replaced since the server opened it; reload, then take the snapshot"
            raise corrupt_file(folder / _PART_MANIFEST, why)
        for each in listed:
            _compare_file(folder / each.name, each, entries.get(f"{part}/{each.name}"))
    for name, each in compacted.items():
        _compare_file(Path(name), each, entries.get(name))


def _compare_file(path: Path, listed: bundle_pb2.FileEntry, copied: SnapshotFile | None) -> None:
    if copied is None or (copied.size_bytes, copied.sha256) != (listed.size_bytes, listed.sha256):
        raise corrupt_file(path, "not the file its manifest lists; restore it before a snapshot is taken")
