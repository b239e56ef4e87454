"""Bundles for servers under test, trained in the test's process: a command spends most of its time on imports."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def train_bundle(data: Path, out: Path, **options: Any) -> Path:
    """Train on a pool's file as ``dowser-trainer train`` does; returns the bundle's folder."""
    import torch

    from trainer import TrainConfig, train

    threads = torch.get_num_threads()
    try:  # one thread: networks this small are slower with more
        return train(TrainConfig(data=data, out=out, threads=1, **options), show_progress=False)
    finally:
        torch.set_num_threads(threads)
