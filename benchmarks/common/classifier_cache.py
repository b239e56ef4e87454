"""Trained classifiers on disk: strategies that share a labeled set share its classifier, a rerun trains none anew."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.common.classifiers import TrainingPlan, train_classifier


def classifier_digest(plan: TrainingPlan, x: NDArray[np.float32], y: NDArray[np.int64], *, seed: int) -> str:
    """Return a name for what training makes of these: plan, seed, and the labeled samples in their order."""
    digest = hashlib.sha256(
        json.dumps({**plan.describe(), "seed": seed, "torch": torch.__version__}, sort_keys=True).encode()
    )
    digest.update(np.ascontiguousarray(x).data)
    digest.update(np.ascontiguousarray(y).data)
    return digest.hexdigest()[:32]


class ClassifierCache:
    """A folder of weights, one file a classifier; it may be deleted at any time.

    Args:
        folder: Of the files; processes may share it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def train(
        self, plan: TrainingPlan, x: NDArray[np.float32], y: NDArray[np.int64], *, seed: int
    ) -> nn.Sequential:
        """Return what `train_classifier` returns for the same arguments, from disk where it was trained before."""
        path = self._folder / f"{classifier_digest(plan, x, y, seed=seed)}.pt"
        if (weights := _load(path)) is not None:
            with torch.random.fork_rng(devices=[]):
                module = plan.build()
            module.load_state_dict(weights)
            return module.eval()
        module = train_classifier(plan, x, y, seed=seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp")
        torch.save(module.state_dict(), temporary)
        temporary.replace(path)
        return module


def _load(path: Path) -> dict[str, Any] | None:
    try:
        weights: dict[str, Any] = torch.load(path, weights_only=True)
    except (FileNotFoundError, EOFError, RuntimeError, pickle.UnpicklingError):
        return None  # never trained, or half a file after a crash
    return weights
