"""The manifest of an index directory: read, checked against the files, written last.

A directory without a manifest is not an index: the build writes it when everything else is on disk.
"""

from pathlib import Path

from google.protobuf import json_format

from dowser.v1 import bundle_pb2, index_pb2
from query_server import errors, files
from query_server.pool.ids import IdOrder

FORMAT = 1
MANIFEST = "manifest.json"
INDEX, SAMPLES, FEATURES, POOL_IDS = "index.faiss", "samples.npy", "features.npy", "pool_ids.npy"
POOL_ID_ORDER = "pool_id_order.npy"
ID_ORDERS = {
    IdOrder.ROWS: index_pb2.ID_ORDER_ROWS,
    IdOrder.ASCENDING: index_pb2.ID_ORDER_ASCENDING,
    IdOrder.ANY: index_pb2.ID_ORDER_ANY,
}
_REMEDY = "build the index with dowser-server index build"


def files_of(*, samples: bool, id_order: IdOrder | None) -> tuple[str, ...]:
    """Name the files of an index, with or without the raw samples, whose ids lie in this order."""
    ordered = (POOL_ID_ORDER,) if id_order is IdOrder.ANY else ()
    return (INDEX, *((SAMPLES,) if samples else ()), FEATURES, POOL_IDS, *ordered)


def id_order_of(manifest: index_pb2.IndexManifest) -> IdOrder | None:
    """Return how the pool ids lie over the rows; None where an older index does not say."""
    return next((order for order, number in ID_ORDERS.items() if number == manifest.id_order), None)


def read_manifest(index_dir: Path) -> index_pb2.IndexManifest:
    """Read the manifest of an index directory.

    Raises:
        DowserError: CORRUPT_FILE if it is missing, damaged, incomplete or of an unknown format.
    """
    path = index_dir / MANIFEST
    manifest = files.read_manifest(path, index_pb2.IndexManifest(), known_format=FORMAT, remedy=_REMEDY)
    if not manifest.pool or manifest.size < 1 or manifest.feature_dim < 1:
        raise errors.corrupt_file(path, f"names no pool, size or feature dimension; {_REMEDY}")
    return manifest


def write_manifest(index_dir: Path, manifest: index_pb2.IndexManifest) -> None:
    """Write the manifest as proto JSON in snake_case."""
    text = json_format.MessageToJson(manifest, preserving_proto_field_name=True)
    (index_dir / MANIFEST).write_text(text + "\n", encoding="utf-8")


def file_entry(path: Path) -> bundle_pb2.FileEntry:
    """Return the size and hash of a file; reads it once."""
    return bundle_pb2.FileEntry(name=path.name, size_bytes=path.stat().st_size, sha256=files.sha256_of(path))


def check_files(index_dir: Path, manifest: index_pb2.IndexManifest, *, verify: bool) -> None:
    """Compare the files with the manifest: sizes always, contents where `verify`.

    Raises:
        DowserError: CORRUPT_FILE naming the file.
    """
    files.check_entries(
        index_dir / MANIFEST,
        manifest.files,
        required=files_of(samples=not manifest.without_samples, id_order=id_order_of(manifest)),
        verify=verify,
        remedy=_REMEDY,
    )


def check_bundle(
    index_dir: Path,
    manifest: index_pb2.IndexManifest,
    expected_bundle_digest: str,
    expected_encoder_sha256: str | None = None,
) -> None:
    """Refuse an index whose features were made by another encoder; a refreshed generator is no other encoder.

    Raises:
        DowserError: CORRUPT_FILE.
    """
    same_encoder = bool(manifest.encoder_sha256) and manifest.encoder_sha256 == expected_encoder_sha256
    if manifest.bundle_digest != expected_bundle_digest and not same_encoder:
        raise errors.corrupt_file(
            index_dir / MANIFEST,
            f"the index was built with the bundle {manifest.bundle_digest[:12]}, the bundle given is "
            f"{expected_bundle_digest[:12]}: their features do not match; name the bundle the index was built "
            "with, or build the index again with this one",
        )
