"""Offline training: a pool of samples in, a bundle (generator.onnx, encoder.onnx, manifest.json) out.

torch and scikit-learn are imported when training starts, not when this package is.
"""

from __future__ import annotations

from pathlib import Path

from trainer.config import TrainConfig
from trainer.errors import TrainerError

__all__ = ["TrainConfig", "TrainerError", "export", "train"]


def train(config: TrainConfig, *, show_progress: bool = True) -> Path:
    """Train (or fit) a generator and an encoder on a pool and write their bundle.

    Args:
        config: every setting, validated.
        show_progress: draw progress bars on stderr.

    Returns:
        The bundle's folder, `config.out`.

    Raises:
        TrainerError: if the settings do not fit the data, the run folder is taken, or the export disagrees.
        samples.SampleError: if the data cannot be read.
    """
    from trainer import pipeline

    return pipeline.train(config, show_progress=show_progress)


def export(run: Path, features: str, out: Path, *, show_progress: bool = True) -> Path:
    """Write a bundle of an already trained run with another kind of features.

    Args:
        run: folder of a `train`; its last checkpoint counts.
        features: "pixels", "autoencoder" or "critic".
        out: the bundle's folder to write.
        show_progress: draw progress bars on stderr.

    Returns:
        The bundle's folder, `out`.

    Raises:
        TrainerError: if the run has no checkpoint, cannot give such features, or the export disagrees.
    """
    from trainer import pipeline

    return pipeline.export(run, features, out, show_progress=show_progress)
