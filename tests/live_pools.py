"""What tests of pools that change share: how one is opened, how a write is named, and what a state must answer."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from query_server.pool import (
    BUILDING,
    Addition,
    CompactedFolders,
    LivePool,
    Moment,
    Pool,
    Removal,
    compacted_folder,
    identity_of,
    write_compacted,
)

Float32 = npt.NDArray[np.float32]
DIGEST = "ab" * 32
FEATURE_DIM = 6
NEW = np.arange(30, dtype=np.uint64)
"""Ids of what the fixture `changed` adds."""


def encode(x: Float32) -> Float32:
    """A fixed linear map of the flattened input."""
    flat = x.reshape(len(x), -1)
    weights = np.random.default_rng(7).standard_normal((flat.shape[1], FEATURE_DIM)).astype(np.float32)
    features: Float32 = flat @ weights
    return features


def other_encode(x: Float32) -> Float32:
    """Another encoder."""
    return -2 * encode(x)


@dataclass(frozen=True, kw_only=True)
class Named:
    """A write's identity."""

    id: str
    method: str = "test"
    fingerprint: bytes = b""


def open_live(directory: Path, base: Pool, **changed: Any) -> LivePool:
    return LivePool.open(directory, **({"base": base, "encode": encode, "encoder": "one"} | changed))


def add(live: LivePool, values: npt.NDArray[Any], name: str, **changed: Any) -> Addition:
    arguments: dict[str, Any] = {
        "kind": "raw",
        "pool_ids": None,
        "write": Named(id=name),
        "checkpoint": lambda stage: None,
    }
    return live.add(values, **(arguments | changed))


def remove(live: LivePool, pool_ids: npt.ArrayLike, name: str) -> Removal:
    return live.remove(np.asarray(pool_ids, np.uint64), Named(id=name))


def samples(count: int, seed: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng([9, seed]).integers(0, 256, (count, 8, 8), dtype=np.uint8)


def contents(pool: Pool) -> dict[int, tuple[bytes, bytes]]:
    """Everything that can be selected: {pool id: (raw sample, features)}."""
    rows = np.flatnonzero(pool.alive())
    raw, features = pool.raw(rows), pool.features(rows)
    return {
        pool_id: (raw[i].tobytes(), features[i].tobytes())
        for i, pool_id in enumerate(pool.ids_of(rows).tolist())
    }


def raw_contents(pool: Pool) -> dict[int, bytes]:
    """Everything that can be selected, without features, which round differently from batch to batch."""
    return {pool_id: raw for pool_id, (raw, _) in contents(pool).items()}


def compact(live: LivePool, moment: Moment | None = None) -> LivePool:
    """Build the index of a moment, now unless told otherwise, and return the pool over it."""
    moment = live.moment() if moment is None else moment
    state = moment.state
    rows = np.flatnonzero(state.alive())
    write_compacted(
        state,
        live.folders.directory / BUILDING,
        queries=state.features(rows[: min(64, len(rows))]) + np.float32(1),
        threads=1,
        give_way=lambda: None,
        checkpoint=lambda: None,
    )
    folder = live.folders.publish(CompactedFolders.name_of(state.index_version))
    base = Pool.open(folder, expected_bundle_digest=DIGEST, verify=True)
    return live.compacted(base, moment, folder.name, encode=encode)


def served(directory: Path, configured: Pool) -> Pool:
    """Open what a server would that is told to serve an index."""
    folder = compacted_folder(directory, identity_of(configured.manifest))
    return configured if folder is None else Pool.open(folder, expected_bundle_digest=DIGEST, verify=True)


def of_another_encoder(pool: Pool) -> Pool:
    """The same index, of another encoder as far as the journal can tell."""
    other = copy.copy(pool)
    other.manifest = type(pool.manifest)()
    other.manifest.CopyFrom(pool.manifest)
    other.manifest.encoder_sha256 = "other"
    return other
