"""The highest scores of a whole pool under one classifier, computed once and kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from benchmarks.common.classifiers import entropies

CHUNK = 10_000
#: Samples whose scores are computed again in float32, where the first pass is in bfloat16: many times more than batch
#: and labels together, so that none of the best is lost to rounding.
SHORTLIST = 10_000


class TopScores:
    """The best of a pool.

    Args:
        ids: Pool ids int64 [M], the highest score first.
        scores: Theirs float64 [M], nats.
    """

    def __init__(self, ids: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        self.ids, self.scores = ids, scores

    def mean_of_best(self, count: int, *, without: NDArray[np.int64]) -> float:
        """Return the mean score of the best `count` samples that are not among some."""
        left = self.scores[~np.isin(self.ids, without)]
        if len(left) < count:
            raise ValueError(f"{len(left)} scores are left of {len(self.ids)}, {count} were asked for")
        return float(left[:count].mean())


def top_scores(
    module: nn.Module,
    pool_raw: NDArray[Any],
    to_inputs: Callable[[NDArray[Any]], NDArray[np.float32]],
    path: Path,
    *,
    bfloat16: bool,
) -> TopScores:
    """Return the pool's highest entropies under a classifier.

    Args:
        module: The classifier.
        pool_raw: [N, *raw_shape].
        to_inputs: Turns raw samples into model inputs.
        path: The .npz they are kept in; named by the classifier's digest.
        bfloat16: Find the shortlist in bfloat16 before it is scored in float32.
    """
    if path.exists():
        with np.load(path) as file:
            return TopScores(file["ids"], file["scores"])
    starts = range(0, len(pool_raw), CHUNK)
    rough = np.concatenate(
        [
            entropies(module, to_inputs(np.asarray(pool_raw[start : start + CHUNK])), bfloat16=bfloat16)
            for start in starts
        ]
    )
    ids = np.argsort(-rough, kind="stable")[:SHORTLIST]
    scores = entropies(module, to_inputs(np.asarray(pool_raw[np.sort(ids)])))
    order = np.argsort(-scores, kind="stable")
    ids, scores = np.sort(ids)[order], scores[order]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.tmp.npz")
    np.savez(temporary, ids=ids, scores=scores)
    temporary.replace(path)
    return TopScores(ids, scores)
