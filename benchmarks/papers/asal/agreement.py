"""How often matches have the labels of the synthetic samples they were matched to (appendix C.1, figure 13).

The paper's authors labeled 1,300 synthetic samples a generator by hand. Here a convolutional classifier trained on the
whole pool does; samples on which it is nearly undecided are labeled all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.papers.asal.gaal import Oracle
from client import Acquisition, Client

PART = 100  # latents a call


def synthesize(
    client: Client, classifier: bytes, *, count: int, steps: int, step_size: float, seed: int
) -> NDArray[np.float32]:
    """Return synthetic samples of high entropy, model inputs [count, *input_shape]."""
    info = client.upload_classifier(classifier)
    parts = [
        client.synthesize_samples(
            info,
            acquisition=Acquisition.MAXIMUM_ENTROPY,
            latents=min(PART, count - start),
            steps=steps,
            step_size=step_size,
            seed=seed * 1_000_003 + start,
        ).samples
        for start in range(0, count, PART)
    ]
    return np.concatenate(parts)


def agreement(
    clients: Mapping[str, Client],  # by kind of features
    samples: NDArray[np.float32],  # [n, *input_shape]
    oracle: Oracle,
    pool_y: NDArray[np.int64],  # [N]
    classes: int,
) -> dict[str, Any]:
    """Return, for each kind of features, how often a match has its synthetic sample's label, the mean over the classes.

    Returns:
        `agreement`: that share by kind of features; `counts`: synthetic samples of each class [C], by the oracle.
    """
    told = oracle(samples)
    counts = np.bincount(told, minlength=classes)
    shares = {}
    for features, client in clients.items():
        nearest = client.search_neighbors(samples=samples, k=1).pool_ids
        matches = np.concatenate(nearest).astype(np.int64)
        right = np.bincount(told[pool_y[matches] == told], minlength=classes)
        shares[features] = float((right[counts > 0] / counts[counts > 0]).mean())
    return {"agreement": shares, "counts": counts.tolist()}
