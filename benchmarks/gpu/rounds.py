"""Whole rounds: synthesize, encode, search past what is taken, and a real sample for each synthetic one."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.gpu.ascents import Float32, Way, starts, step_ms
from benchmarks.gpu.searches import OpenPool, milliseconds
from query_server.ascending import AscentOptions

_PROBE_STEPS = 5  # of the ascent that tells how long a whole one takes
_SCALED_ON = 512  # rows and samples whose spread says how to lay the one over the other


@dataclass(frozen=True, kw_only=True)
class Onto:
    """Lays the features of an untrained encoder over a pool's, so that searches go where the pool is."""

    of_samples: tuple[Float32, Float32]
    of_pool: tuple[Float32, Float32]

    @classmethod
    def fitted(cls, way: Way, pool: OpenPool) -> Onto:
        """Fit means and deviations [D] on samples as they are before an ascent."""
        x = way.climb(starts(_SCALED_ON // 8, 99), AscentOptions(steps=1))[0]
        rows = np.linspace(0, len(pool.files.features) - 1, _SCALED_ON).astype(np.int64)
        return cls(of_samples=_spread(way.encode(x)), of_pool=_spread(pool.files.features[rows]))

    def __call__(self, features: Float32) -> Float32:
        """Return features [S, D] where the pool is."""
        (mean, deviation), (center, width) = self.of_samples, self.of_pool
        return np.asarray((features - mean) / deviation * width + center, np.float32)


def time_rounds(
    way: Way, pool: OpenPool, onto: Onto, budget: int, *, turns: int, steps: int, most_seconds: float
) -> dict[str, Any]:
    """Return the times of rounds of as many latents as picks, by stage.

    Where all turns would take longer than allowed there are fewer, one at least; where that one would, its ascent takes
    fewer steps and its time is extrapolated, which ``steps_taken`` says.

    Args:
        way: How to climb and encode.
        pool: Where to search.
        onto: From the encoder's features to the pool's.
        budget: Picks.
        turns: Rounds.
        steps: Of an ascent.
        most_seconds: For all turns.
    """
    each = step_ms(way, budget, min(_PROBE_STEPS, steps), 1) / 1000
    turns = max(1, min(turns, int(most_seconds / (each * steps))))
    taken = steps if each * steps <= most_seconds else max(_PROBE_STEPS, int(most_seconds / each))
    stages: dict[str, list[float]] = {"synthesize": [], "encode": [], "search": [], "match": []}
    picked = 0
    for turn in range(turns):
        z = starts(budget, 1000 + turn)
        clock = [perf_counter()]
        x = way.climb(z, AscentOptions(steps=taken))[0]
        clock.append(perf_counter())
        features = onto(way.encode(x))
        clock.append(perf_counter())
        rows = pool.nearest(features)
        clock.append(perf_counter())
        picked = len(_matches(rows))
        clock.append(perf_counter())
        for stage, seconds in zip(stages.values(), np.diff(clock), strict=True):
            stage.append(float(seconds))
    stages["synthesize"] = [seconds * steps / taken for seconds in stages["synthesize"]]
    totals = [sum(parts) for parts in zip(*stages.values(), strict=True)]
    return {
        "turns": turns,
        "steps": steps,
        "steps_taken": taken,
        "picked": picked,
        "round_ms": milliseconds(totals),
        "stages_ms": {name: milliseconds(seconds)["p50"] for name, seconds in stages.items()},
    }


def _matches(rows: NDArray[np.int64]) -> list[int]:
    """Return the nearest row of each synthetic sample that none before it took."""
    taken: set[int] = set()
    for each in rows.tolist():
        free = next((row for row in each if row >= 0 and row not in taken), None)
        if free is not None:
            taken.add(free)
    return sorted(taken)


def _spread(features: Float32) -> tuple[Float32, Float32]:
    return features.mean(axis=0), np.maximum(features.std(axis=0), np.float32(1e-12))
