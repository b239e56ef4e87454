from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch


def make_record(accuracy: list[float], *, entropy: float = 0.5, scored: int = 1000) -> dict[str, Any]:
    """A campaign's record as `run_campaign` writes it, ten classes, two picks a round."""
    labels = [100 + 50 * i for i in range(len(accuracy))]
    rounds = [
        {
            "round": i + 1,
            "trained_on": labels[i],
            "pool_ids": [2 * i, 2 * i + 1],
            "entropy": [entropy, entropy],
            "label_counts": [2] + [0] * 9,
            "scored": scored,
            "visited": 0,
            "match_gap": None,
            "seconds": {"train": 0.1, "export": 0.1, "upload": 0.1, "select": 0.2 + i, "label": 0.0},
            "stages": {"score": {"seconds": 0.1, "engine_seconds": 0.09}},
        }
        for i in range(len(accuracy) - 1)
    ]
    return {"labels": labels, "accuracy": accuracy, "rounds": rounds}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slower with more, much slower where the cores are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def recipe_work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where recipes on the digits keep what each would make the same: bundles and indexes."""
    return tmp_path_factory.mktemp("recipes")


@pytest.fixture(scope="session")
def record_of() -> Callable[..., dict[str, Any]]:
    return make_record


@pytest.fixture
def asal_records() -> dict[str, list[dict[str, Any]]]:
    """Nine strategies, two seeds: dowser-critic is the best, plain matching below random."""
    level = {"random": 0.90, "subset": 0.93, "exhaustive": 0.94}
    level |= {f"plain-{kind}": 0.88 for kind in ("pixels", "autoencoder", "critic")}
    level |= {"dowser-pixels": 0.92, "dowser-autoencoder": 0.925, "dowser-critic": 0.935}
    return {
        name: [make_record(list(np.linspace(0.8, top + 0.001 * seed, 9))) for seed in range(2)]
        for name, top in level.items()
    }
