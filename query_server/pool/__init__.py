"""The real samples: a feature index over them, their raw values, and how both are built."""

from query_server.pool.additions import SampleKind
from query_server.pool.blocks import Span, filled_block
from query_server.pool.build import build_index
from query_server.pool.compacted import BUILDING, CompactedFolders, identity_of
from query_server.pool.compaction import write_compacted
from query_server.pool.encoding import Encoded, SpanEncoder
from query_server.pool.filtered import AvailableNeighbors
from query_server.pool.gpu import GpuIndexOptions
from query_server.pool.index import Device, Flavour, detect_flavour
from query_server.pool.live import Addition, LivePool, Removal, compacted_folder
from query_server.pool.manifest import check_files, read_manifest
from query_server.pool.pool import Pool
from query_server.pool.takeover import Moment
from query_server.pool.task_features import TaskFeatures
from query_server.pool.tuning import QUERIES
from query_server.pool.workers import BuildWorkers

__all__ = [
    "BUILDING",
    "QUERIES",
    "Addition",
    "AvailableNeighbors",
    "BuildWorkers",
    "CompactedFolders",
    "Device",
    "Encoded",
    "Flavour",
    "GpuIndexOptions",
    "LivePool",
    "Moment",
    "Pool",
    "Removal",
    "SampleKind",
    "Span",
    "SpanEncoder",
    "TaskFeatures",
    "build_index",
    "check_files",
    "compacted_folder",
    "detect_flavour",
    "filled_block",
    "identity_of",
    "read_manifest",
    "write_compacted",
]
