"""Verifies every file a server relies on against its checksums, and that they belong together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dowser.v1 import bundle_pb2, index_pb2
from query_server.campaigns.schema import APPLICATION_ID, VERSION
from query_server.errors import DowserError
from query_server.layout import CLASSIFIERS, JOURNALS, LEDGER
from query_server.maintenance.databases import SUFFIX, database_problem
from query_server.maintenance.journals import DATABASE, compacted_index, journal_problem
from query_server.maintenance.manifests import MANIFEST, bundle_manifest, encoder_sha256, index_manifest
from query_server.pool.manifest import check_bundle

_CHUNK_BYTES = 1 << 20
OnBytes = Callable[[int], None]
_ModelManifest = bundle_pb2.BundleManifest | index_pb2.IndexManifest


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found of one file.

    Attributes:
        path: The file.
        problem: What is wrong and what to do; empty where nothing is.
    """

    path: str
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problem


def check(
    *, bundle: Path, index: Path, state: Path | None = None, on_bytes: OnBytes = lambda _: None
) -> list[Finding]:
    """Check a bundle, an index and the state of a server that does not run; reads all of it.

    Args:
        bundle: Its folder.
        index: Its folder.
        state: The state directory; None leaves it out.
        on_bytes: Told of the progress.
    """
    findings = list(_check_models(bundle, index, on_bytes))
    if state is not None:
        findings += _check_state(state, on_bytes)
    return findings


def size_of(*folders: Path) -> int:
    """Return how many bytes lie in folders, for a progress bar."""
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())


def _check_models(bundle: Path, index: Path, on_bytes: OnBytes) -> Iterator[Finding]:
    manifests: list[_ModelManifest] = []
    readers: tuple[tuple[Path, Callable[[Path], _ModelManifest]], ...] = (
        (bundle, bundle_manifest),
        (index, index_manifest),
    )
    for folder, read in readers:
        yield from _check_files(folder, read, on_bytes, manifests)
    match manifests:
        case [bundle_pb2.BundleManifest() as made, index_pb2.IndexManifest() as built]:
            try:
                digest = hashlib.sha256((bundle / MANIFEST).read_bytes()).hexdigest()
                check_bundle(index, built, digest, encoder_sha256(made))
            except DowserError as error:
                yield _of(index / MANIFEST, error)


def _check_files(
    folder: Path,
    read: Callable[[Path], _ModelManifest],
    on_bytes: OnBytes,
    manifests: list[_ModelManifest],
) -> Iterator[Finding]:
    """Check a manifest, which is put on the list where it can be read, and the files that it names."""
    try:
        manifest = read(folder)
    except DowserError as error:
        yield _of(folder / MANIFEST, error)
        return
    manifests.append(manifest)
    yield Finding(path=str(folder / MANIFEST))
    if not manifest.files:
        yield Finding(path=str(folder / MANIFEST), problem="lists no files; make it again")
    for entry in manifest.files:
        yield _check_entry(folder, entry, on_bytes)


def _check_entry(folder: Path, entry: bundle_pb2.FileEntry, on_bytes: OnBytes) -> Finding:
    path = folder / entry.name
    if Path(entry.name).name != entry.name:
        return Finding(path=str(path), problem="listed outside its directory; make the manifest again")
    if not path.is_file():
        return Finding(path=str(path), problem="missing; restore it from a snapshot")
    size = path.stat().st_size
    if size != entry.size_bytes:
        problem = f"{size} bytes, the manifest says {entry.size_bytes}; restore it from a snapshot"
        return Finding(path=str(path), problem=problem)
    if _sha256(path, on_bytes) != entry.sha256:
        return Finding(path=str(path), problem="its sha256 is not the manifest's; restore it from a snapshot")
    return Finding(path=str(path))


def _check_state(state: Path, on_bytes: OnBytes) -> Iterator[Finding]:
    if not state.is_dir():
        yield Finding(path=str(state), problem="no such directory")
        return
    ledger = state / LEDGER
    if not ledger.exists():
        yield Finding(path=str(ledger), problem="missing: no server has run here, or the ledger is lost")
    for path in sorted(state.rglob(f"*{SUFFIX}")):
        try:
            known = {"application_id": APPLICATION_ID, "version": VERSION} if path == ledger else {}
            problem = database_problem(path, **known)
            if problem is None and path.name == DATABASE and path.parent.parent == state / JOURNALS:
                problem = journal_problem(path.parent)
                compacted = None if problem else compacted_index(path.parent)
                if compacted is not None:
                    yield from _check_files(compacted, index_manifest, on_bytes, [])
            yield Finding(path=str(path), problem=problem or "")
        except DowserError as error:
            yield _of(path, error)
        on_bytes(path.stat().st_size)
    for path in sorted((state / CLASSIFIERS).glob("*.onnx")):
        fine = _sha256(path, on_bytes) == path.stem
        problem = "" if fine else "its bytes are not what its name says; delete it, and upload it again"
        yield Finding(path=str(path), problem=problem)


def _of(path: Path, error: DowserError) -> Finding:
    return Finding(path=str(path), problem=error.message.removeprefix(f"{path}: "))


def _sha256(path: Path, on_bytes: OnBytes) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_CHUNK_BYTES):
            digest.update(data)
            on_bytes(len(data))
    return digest.hexdigest()
