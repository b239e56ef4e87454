"""The manifests of a bundle and of an index, read for what they list."""

from pathlib import Path

from dowser.v1 import bundle_pb2
from query_server.files import read_manifest
from query_server.models.bundle import ENCODER, FORMAT, MANIFEST
from query_server.pool import read_manifest as index_manifest

__all__ = ["MANIFEST", "bundle_manifest", "encoder_sha256", "index_manifest"]


def bundle_manifest(bundle: Path) -> bundle_pb2.BundleManifest:
    """Read a bundle's manifest.

    Raises:
        DowserError: CORRUPT_FILE.
    """
    remedy = "restore the bundle or export it again with dowser-trainer"
    return read_manifest(bundle / MANIFEST, bundle_pb2.BundleManifest(), known_format=FORMAT, remedy=remedy)


def encoder_sha256(manifest: bundle_pb2.BundleManifest) -> str:
    """Return the hash of the bundle's encoder, empty where the manifest lists none."""
    return next((entry.sha256 for entry in manifest.files if entry.name == ENCODER), "")
