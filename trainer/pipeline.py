"""The verbs of the trainer: `train` (data -> system -> loop -> features -> bundle), `export` (its tail), `refresh`.

`refresh` follows what a campaign has learned: the generator of a run goes on with new labels, the encoder stays the
very file it was, so that an index built with it serves the new bundle as it is.

The bundle is the last thing written. So where it is, a verb has done all its work, and where it is not, the same
command with --resume does the rest.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from torch import nn

from trainer.bundle import Trained, check_free, read_encoder, read_manifest, write_bundle
from trainer.classifier import write_classifier
from trainer.config import JOINT, TrainConfig
from trainer.data import TrainingData, open_training_data
from trainer.errors import TrainerError
from trainer.features import autoencoder_features, fit_encoder
from trainer.gaussian import fit_gaussian_mixture
from trainer.loop import train_system
from trainer.preview import draw_samples, save_grid
from trainer.runs import RunFolder
from trainer.supervision import Supervision, read_supervision
from trainer.systems import System, build_system

logger = logging.getLogger("trainer")

_ENCODER_METRICS = ("feature_variance_share", "autoencoder_loss", "encoder_max_error")


def train(config: TrainConfig, *, show_progress: bool = True) -> Path:
    """Train or fit, then write the bundle; see `trainer.train`."""
    config = config.resolved()
    _set_threads(config.threads)
    check_free(config.out)
    data = open_training_data(config.data, config.key, config.image_size)
    supervision = read_supervision(config, data)
    system = build_system(config, data, supervision)
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
    if system is not None:
        train_system(
            system,
            config,
            data,
            run,
            class_names=supervision.class_names,
            inputs=_inputs(data, supervision),
            show_progress=show_progress,
        )
    encoder, metrics = _encoder(config, data, run, system, show_progress=show_progress)
    _write(config, data, run, system, supervision, encoder, metrics)
    logger.info("wrote %s (features: %s)", config.out, config.features)
    return config.out


def export(
    path: Path,
    features: str,
    out: Path,
    *,
    data_path: Path | None = None,
    threads: int | None = None,
    show_progress: bool = True,
) -> Path:
    """Write a bundle from the last checkpoint of a run; see `trainer.export`."""
    run = RunFolder(path)
    # Features and out may differ from the run's; validation of the pair happens in the new value.
    config = replace(run.config(), features=features, out=out, device="cpu").resolved()
    _set_threads(threads)
    check_free(out)
    data = open_training_data(data_path or config.data, config.key, config.image_size)
    if config.generator == "gaussian":
        system, supervision = None, read_supervision(config, data)
    else:
        state = run.load_checkpoint()
        supervision = Supervision.of_checkpoint(config, state.get("class_names", ()))
        system = build_system(config, data, supervision)
        assert system is not None  # of all but a mixture
        system.load_state(state["adversaries"])
        if state["iteration"] < (config.iterations or 0):
            logger.warning("the run stopped at iteration %d of %d", state["iteration"], config.iterations)
        config = replace(config, iterations=state["iteration"])
    encoder, metrics = _encoder(config, data, run, system, show_progress=show_progress)
    _write(config, data, run, system, supervision, encoder, metrics)
    logger.info("wrote %s (features: %s)", out, features)
    return out


def refresh(
    path: Path,
    labels: Path,
    out: Path,
    *,
    iterations: int | None = None,
    rarity: float | None = None,
    bundle: Path | None = None,
    data_path: Path | None = None,
    resume: bool = False,
    threads: int | None = None,
    device: str | None = None,
    show_progress: bool = True,
) -> Path:
    """Go on from a run's last checkpoint with new labels; see `trainer.refresh`."""
    saved = RunFolder(path).config().resolved()
    _set_threads(threads)
    check_free(out)
    bundle = bundle or saved.out
    manifest = read_manifest(bundle)
    encoder = read_encoder(bundle, manifest)
    state = None if saved.generator == "gaussian" else RunFolder(path).load_checkpoint()
    done = state["iteration"] if state else 0
    further = iterations if iterations is not None else max(1, (saved.iterations or 0) // 10)
    if further < 1:
        raise TrainerError(f"iterations must be at least 1, got {further}")
    config = replace(
        saved,
        data=data_path or saved.data,
        out=out,
        run=out.with_name(f"{out.name}-run"),
        resume=resume,
        features=manifest.features,
        labels=labels,
        rarity=saved.rarity if rarity is None else rarity,
        iterations=done + further,
        threads=threads,
        device=device or saved.device,
    )
    data = open_training_data(config.data, config.key, config.image_size)
    if manifest.preprocessing != data.preprocessing.to_proto():
        raise TrainerError(
            f"{config.data}: samples of another kind than those of {bundle}; name the same pool"
        )
    supervision = read_supervision(config, data, state["class_names"] if state else ())
    system = build_system(config, data, supervision)
    run = RunFolder(config.run_folder)
    resuming = run.start(config)
    logger.info("refreshing %s from iteration %d with the labels of %s", path, done, labels)
    if system is not None and state is not None:
        inputs = _inputs(data, supervision)
        if not resuming:
            run.save_checkpoint({**state, "inputs": inputs})
        train_system(
            system,
            config,
            data,
            run,
            class_names=supervision.class_names,
            inputs=inputs,
            show_progress=show_progress,
        )
    kept = {name: manifest.metrics[name] for name in _ENCODER_METRICS if name in manifest.metrics}
    _write(config, data, run, system, supervision, encoder, kept)
    logger.info("wrote %s (the encoder of %s)", out, bundle)
    return out


def _write(
    config: TrainConfig,
    data: TrainingData,
    run: RunFolder,
    system: System | None,
    supervision: Supervision,
    encoder: nn.Module | bytes,
    encoder_metrics: dict[str, float],
) -> None:
    """Write the classifier that was trained along, then the bundle."""
    generator, metrics = _generator(config, data, run, system, supervision)
    classifier = system.classifier() if system is not None else None
    if classifier is not None:
        write_classifier(classifier, data, run, seed=config.seed)
    trained = Trained(
        generator=generator,
        encoder=encoder,
        latent_dim=config.latent_dim or 0,
        metrics={**metrics, **encoder_metrics},
        posterior=system.posterior() if system is not None else None,
        class_names=supervision.class_names if config.generator in JOINT else (),
    )
    write_bundle(config.out, trained, data, config)


def _generator(
    config: TrainConfig,
    data: TrainingData,
    run: RunFolder,
    system: System | None,
    supervision: Supervision,
) -> tuple[nn.Module, dict[str, float]]:
    """Return the trained generator, or fit the mixture, and its metrics."""
    if system is not None:
        # A run that was killed may have logged more than its checkpoint holds.
        lines = [line for line in run.read_metrics() if line["iteration"] <= (config.iterations or 0)]
        return system.generator(), lines[-1] if lines else {}
    latent_dim = config.latent_dim or 0
    generator, metrics = fit_gaussian_mixture(
        data,
        components=config.components,
        rank=latent_dim - 1,
        seed=config.seed,
        rarity=supervision.rarity,
        conditional=config.conditional,
    )
    run.samples.mkdir(parents=True, exist_ok=True)
    grid = draw_samples(generator, latent_dim)
    save_grid(run.samples / "final.png", grid, data.input_min, data.input_max)
    return generator, metrics


def _encoder(
    config: TrainConfig, data: TrainingData, run: RunFolder, system: System | None, *, show_progress: bool
) -> tuple[nn.Module, dict[str, float]]:
    """Return x -> features [B, D] of the kind that the configuration asks for, and its metrics."""
    base: nn.Module | None = None
    metrics: dict[str, float] = {}
    if config.features == "autoencoder":
        base, metrics = autoencoder_features(
            data, run, iterations=config.autoencoder_iterations, seed=config.seed, show_progress=show_progress
        )
    elif config.features == "critic" and system is not None:
        base = system.critic()
    elif config.features == "latent" and system is not None:
        base = system.posterior()
    encoder, fitted = fit_encoder(
        base or nn.Flatten().eval(), data, feature_dim=config.feature_dim, seed=config.seed
    )
    return encoder, {**metrics, **fitted}


def _inputs(data: TrainingData, supervision: Supervision) -> dict[str, str]:
    """Return digests of what a run is trained on."""
    return {"pool": data.digest(), "labels": supervision.digest}


def _set_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
