"""Upkeep of what a server relies on: checked, copied away and put back, whole or not at all."""

from query_server.maintenance.check import Finding, check, size_of
from query_server.maintenance.manifest import SnapshotManifest
from query_server.maintenance.reading import read_snapshot
from query_server.maintenance.restore import restore
from query_server.maintenance.snapshot import Snapshots, SnapshotSources, offline_sources, write_snapshot

__all__ = [
    "Finding",
    "SnapshotManifest",
    "SnapshotSources",
    "Snapshots",
    "check",
    "offline_sources",
    "read_snapshot",
    "restore",
    "size_of",
    "write_snapshot",
]
