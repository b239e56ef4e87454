"""The real samples: a feature index over them, their raw values, and how both are built."""

from query_server.pool.blocks import Span, filled_block
from query_server.pool.build import build_index
from query_server.pool.encoding import Encoded, SpanEncoder
from query_server.pool.filtered import AvailableNeighbors
from query_server.pool.gpu import GpuIndexOptions
from query_server.pool.index import Device, Flavour, detect_flavour
from query_server.pool.live import Addition, LivePool, Removal, SampleKind
from query_server.pool.manifest import read_manifest
from query_server.pool.pool import Pool
from query_server.pool.task_features import TaskFeatures
from query_server.pool.workers import BuildWorkers

__all__ = [
    "Addition",
    "AvailableNeighbors",
    "BuildWorkers",
    "Device",
    "Encoded",
    "Flavour",
    "GpuIndexOptions",
    "LivePool",
    "Pool",
    "Removal",
    "SampleKind",
    "Span",
    "SpanEncoder",
    "TaskFeatures",
    "build_index",
    "detect_flavour",
    "filled_block",
    "read_manifest",
]
