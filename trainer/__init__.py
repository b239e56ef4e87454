"""Offline training: a pool of samples in, a bundle (generator.onnx, encoder.onnx, manifest.json) out.

torch and scikit-learn are imported when training starts, not when this package is.
"""

from __future__ import annotations

from pathlib import Path

from trainer.config import TrainConfig
from trainer.errors import TrainerError

__all__ = ["TrainConfig", "TrainerError", "export", "refresh", "train"]


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
        KeyboardInterrupt: on SIGINT or SIGTERM; `config.resume` goes on.
    """
    from trainer import pipeline

    return pipeline.train(config, show_progress=show_progress)


def export(
    run: Path,
    features: str,
    out: Path,
    *,
    data: Path | None = None,
    threads: int | None = None,
    show_progress: bool = True,
) -> Path:
    """Write a bundle of an already trained run with another kind of features.

    Args:
        run: folder of a `train` or `refresh`; its last checkpoint counts.
        features: "pixels", "autoencoder", "critic" or "latent".
        out: the bundle's folder to write.
        data: where the pool is now, if it was moved since.
        threads: CPU threads of torch.
        show_progress: draw progress bars on stderr.

    Returns:
        The bundle's folder, `out`.

    Raises:
        TrainerError: if the run has no checkpoint, cannot give such features, or the export disagrees.
    """
    from trainer import pipeline

    return pipeline.export(run, features, out, data_path=data, threads=threads, show_progress=show_progress)


def refresh(
    run: Path,
    labels: Path,
    out: Path,
    *,
    iterations: int | None = None,
    rarity: float | None = None,
    bundle: Path | None = None,
    data: Path | None = None,
    resume: bool = False,
    threads: int | None = None,
    device: str | None = None,
    show_progress: bool = True,
) -> Path:
    """Go on with a run's generator as new labels ask; keep its encoder's file.

    Jointly trained generators learn the labels; others draw samples by how rare they say these are.

    Args:
        run: folder of a `train` or `refresh`, left as it is; its last checkpoint counts.
        labels: of some of the pool, as `TrainConfig.labels`.
        out: the bundle's folder to write; an index built with the old bundle serves it. The run goes on in `out` with
            "-run" appended.
        iterations: further generator updates; None is a tenth of the run's. A gaussian generator is fitted anew.
        rarity: exponent of the weights; None is the run's.
        bundle: the bundle whose encoder is kept; None is the one the run wrote.
        data: where the pool is now, if it was moved since.
        resume: go on with a refresh that was interrupted.
        threads: CPU threads of torch.
        device: "auto", "cpu" or "cuda"; None is the run's.
        show_progress: draw progress bars on stderr.

    Returns:
        The bundle's folder, `out`.

    Raises:
        TrainerError: if the run has no checkpoint, labels or bundle do not fit it, or the export disagrees.
        KeyboardInterrupt: on SIGINT or SIGTERM; `resume` goes on.
    """
    from trainer import pipeline

    return pipeline.refresh(
        run,
        labels,
        out,
        iterations=iterations,
        rarity=rarity,
        bundle=bundle,
        data_path=data,
        resume=resume,
        threads=threads,
        device=device,
        show_progress=show_progress,
    )
