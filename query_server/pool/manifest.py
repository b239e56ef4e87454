"""The manifest of an index directory: read, checked against the files, written last.

A directory without a manifest is not an index: the build writes it when everything else is on disk.
"""

import hashlib
from pathlib import Path

from google.protobuf import json_format

from dowser.v1 import bundle_pb2, index_pb2
from query_server import errors

FORMAT = 1
MANIFEST = "manifest.json"
INDEX, SAMPLES, FEATURES, POOL_IDS = "index.faiss", "samples.npy", "features.npy", "pool_ids.npy"
FILES = (INDEX, SAMPLES, FEATURES, POOL_IDS)


def read_manifest(index_dir: Path) -> index_pb2.IndexManifest:
    """Read the manifest of an index directory.

    Raises:
        DowserError: CORRUPT_FILE if it is missing, damaged, incomplete or of an unknown format.
    """
    path = index_dir / MANIFEST
    try:
        manifest = json_format.Parse(
            path.read_text(encoding="utf-8"), index_pb2.IndexManifest(), ignore_unknown_fields=True
        )
    except FileNotFoundError as error:
        raise errors.corrupt_file(
            path, "missing, so this is no finished index; build it with dowser-server index build"
        ) from error
    except (OSError, UnicodeDecodeError, json_format.ParseError) as error:
        raise errors.corrupt_file(
            path, f"not a readable manifest ({error}); build the index again"
        ) from error
    if manifest.format != FORMAT:
        raise errors.corrupt_file(
            path,
            f"format {manifest.format}, this server knows {FORMAT}; build the index again or upgrade the server",
        )
    if not manifest.pool or manifest.size < 1 or manifest.feature_dim < 1:
        raise errors.corrupt_file(path, "names no pool, size or feature dimension; build the index again")
    missing = set(FILES) - {entry.name for entry in manifest.files}
    if missing:
        raise errors.corrupt_file(path, f"lists no {', '.join(sorted(missing))}; build the index again")
    return manifest


def write_manifest(index_dir: Path, manifest: index_pb2.IndexManifest) -> None:
    """Write the manifest as proto JSON in snake_case."""
    text = json_format.MessageToJson(manifest, preserving_proto_field_name=True)
    (index_dir / MANIFEST).write_text(text + "\n", encoding="utf-8")


def file_entry(path: Path) -> bundle_pb2.FileEntry:
    """Return the size and hash of a file; reads it once."""
    return bundle_pb2.FileEntry(name=path.name, size_bytes=path.stat().st_size, sha256=_sha256(path))


def check_files(index_dir: Path, manifest: index_pb2.IndexManifest, *, verify: bool) -> None:
    """Compare the files with the manifest: sizes always, contents where `verify`.

    Raises:
        DowserError: CORRUPT_FILE naming the file.
    """
    for entry in manifest.files:
        if Path(entry.name).name != entry.name:
            raise errors.corrupt_file(
                index_dir / MANIFEST,
                f"lists the file {entry.name!r} outside its directory; build the index again",
            )
        path = index_dir / entry.name
        if not path.is_file():
            raise errors.corrupt_file(path, "missing; build the index again")
        size_bytes = path.stat().st_size
        if size_bytes != entry.size_bytes:
            raise errors.corrupt_file(
                path, f"{size_bytes} bytes, the manifest says {entry.size_bytes}; build the index again"
            )
        if verify and _sha256(path) != entry.sha256:
            raise errors.corrupt_file(path, "its sha256 is not the manifest's; build the index again")


def check_bundle(index_dir: Path, manifest: index_pb2.IndexManifest, expected_bundle_digest: str) -> None:
    """Refuse an index whose features were made by another bundle's encoder.

    Raises:
        DowserError: CORRUPT_FILE.
    """
    if manifest.bundle_digest != expected_bundle_digest:
        raise errors.corrupt_file(
            index_dir / MANIFEST,
            f"the index was built with the bundle {manifest.bundle_digest[:12]}, the bundle given is "
            f"{expected_bundle_digest[:12]}: their features do not match; name the bundle the index was built "
            "with, or build the index again with this one",
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
