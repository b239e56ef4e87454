"""The two verbs of the trainer: `train` (data -> networks -> loop -> features -> bundle) and `export` (the tail)."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from torch import nn

from trainer.adversaries import Adversaries
from trainer.bundle import Trained, check_free, write_bundle
from trainer.config import TrainConfig
from trainer.data import TrainingData, open_training_data
from trainer.errors import TrainerError
from trainer.features import autoencoder_features, fit_encoder
from trainer.gaussian import fit_gaussian_mixture
from trainer.loop import build_adversaries, finished_critic_features, finished_generator, train_gan
from trainer.preview import draw_samples, save_grid
from trainer.runs import RunFolder

logger = logging.getLogger("trainer")


def train(config: TrainConfig, *, show_progress: bool = True) -> Path:
    """Train or fit, then write the bundle; see `trainer.train`."""
    config = config.resolved()
    _set_threads(config.threads)
    check_free(config.out)
    data = open_training_data(config.data, config.key, config.image_size)
    _check_fits(config, data)
    run = RunFolder(config.run_folder)
    resuming = run.start(config)
    logger.info(
        "%s %s on %d samples of shape %s, seed %d, run %s",
        "resuming" if resuming else "training",
        config.generator,
        len(data),
        data.input_shape,
        config.seed,
        run.path,
    )
    adversaries = None
    if config.generator != "gaussian":
        adversaries = train_gan(config, data, run, show_progress=show_progress)
    return _finish(config, data, run, adversaries, show_progress=show_progress)


def export(
    path: Path,
    features: str,
    out: Path,
    *,
    data_path: Path | None = None,
    threads: int | None = None,
    show_progress: bool = True,
) -> Path:
    """Write a bundle from the last checkpoint of a run; see `trainer.export`.

    Args:
        path: the run's folder.
        features: "pixels", "autoencoder" or "critic".
        out: the bundle's folder.
        data_path: where the pool is now, if it was moved since.
        threads: CPU threads of torch.
        show_progress: draw progress bars on stderr.
    """
    run = RunFolder(path)
    # Features and out may differ from the run's; validation of the pair happens in the new value.
    config = replace(run.config(), features=features, out=out, device="cpu").resolved()
    _set_threads(threads)
    check_free(out)
    data = open_training_data(data_path or config.data, config.key, config.image_size)
    _check_fits(config, data)
    adversaries = None
    if config.generator != "gaussian":
        state = run.load_checkpoint()
        adversaries = build_adversaries(config, data.input_shape)
        adversaries.load_state(state["adversaries"])
        if state["iteration"] < (config.iterations or 0):
            logger.warning("the run stopped at iteration %d of %d", state["iteration"], config.iterations)
        config = replace(config, iterations=state["iteration"])
    return _finish(config, data, run, adversaries, show_progress=show_progress)


def _finish(
    config: TrainConfig,
    data: TrainingData,
    run: RunFolder,
    adversaries: Adversaries | None,
    *,
    show_progress: bool,
) -> Path:
    """Build generator and encoder from what was trained and write the bundle."""
    latent_dim = config.latent_dim or 0
    if adversaries is None:
        generator, metrics = fit_gaussian_mixture(
            data, components=config.components, rank=latent_dim - 1, seed=config.seed
        )
        run.samples.mkdir(parents=True, exist_ok=True)
        grid = draw_samples(generator, latent_dim)
        save_grid(run.samples / "final.png", grid, data.input_min, data.input_max)
    else:
        generator = finished_generator(adversaries, data, config.generator)
        # A run that was killed may have logged more than its checkpoint holds.
        lines = [line for line in run.read_metrics() if line["iteration"] <= (config.iterations or 0)]
        metrics = lines[-1] if lines else {}
    base, feature_metrics = _feature_base(config, data, run, adversaries, show_progress=show_progress)
    encoder, encoder_metrics = fit_encoder(base, data, feature_dim=config.feature_dim, seed=config.seed)
    trained = Trained(
        generator=generator,
        encoder=encoder,
        latent_dim=latent_dim,
        metrics={**metrics, **feature_metrics, **encoder_metrics},
    )
    write_bundle(config.out, trained, data, config)
    logger.info("wrote %s (features: %s)", config.out, config.features)
    return config.out


def _feature_base(
    config: TrainConfig,
    data: TrainingData,
    run: RunFolder,
    adversaries: Adversaries | None,
    *,
    show_progress: bool,
) -> tuple[nn.Module, dict[str, float]]:
    """Return what the encoder measures before its PCA, and its metrics."""
    if config.features == "autoencoder":
        return autoencoder_features(
            data, run, iterations=config.autoencoder_iterations, seed=config.seed, show_progress=show_progress
        )
    if config.features == "critic" and adversaries is not None:
        return finished_critic_features(adversaries, data, config.generator), {}
    return nn.Flatten().eval(), {}


def _check_fits(config: TrainConfig, data: TrainingData) -> None:
    """Refuse what would fail only after the training."""
    if config.generator in ("wgan-gp", "dcgan") and len(data.input_shape) == 1:
        raise TrainerError(
            f"{config.generator} is for images, these samples are vectors of {data.input_shape[0]}; "
            "choose --generator mlp or gaussian"
        )


def _set_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
