"""The verbs of the trainer: `train` (data -> networks -> loop -> features -> bundle), `export` (its tail), `refresh`.

`refresh` follows what a campaign has learned: the generator of a run goes on with samples weighted by rarity, the
encoder stays the very file it was, so that an index built with it serves the new bundle as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from trainer.adversaries import Adversaries
from trainer.bundle import Trained, check_free, read_encoder, read_manifest, write_bundle
from trainer.config import FOR_IMAGES, JOINT, TrainConfig
from trainer.data import TrainingData, open_training_data
from trainer.errors import TrainerError
from trainer.features import autoencoder_features, fit_encoder
from trainer.gaussian import fit_gaussian_mixture
from trainer.labels import Labels, read_labels
from trainer.loop import build_adversaries, finished_critic_features, finished_generator, train_gan
from trainer.preview import draw_samples, save_grid
from trainer.rarity import Rarity, measure_rarity
from trainer.runs import RunFolder, write_atomically
from trainer.systems import (
    System,
    build_system,
    check_latents,
    export_classifier,
    output_classes,
    train_system,
)

logger = logging.getLogger("trainer")

CLASSIFIER = "classifier.onnx"
"""In the run's folder: the classifier of a jointly trained generator, with its dropout masks, ready to upload."""

_SYSTEMS = ("vae", *JOINT)
_ENCODER_METRICS = ("feature_variance_share", "autoencoder_loss", "encoder_max_error")


def train(config: TrainConfig, *, show_progress: bool = True) -> Path:
    """Train or fit, then write the bundle; see `trainer.train`."""
    config = config.resolved()
    _set_threads(config.threads)
    check_free(config.out)
    data = open_training_data(config.data, config.key, config.image_size)
    _check_fits(config, data)
    joint = _joint_labels(config, data)
    rarity = _rarity(config, data)
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
    adversaries: Adversaries | System | None = None
    if config.generator in _SYSTEMS:
        adversaries = build_system(config, data, joint)
        train_system(adversaries, config, data, run, show_progress=show_progress)
    elif config.generator != "gaussian":
        adversaries = train_gan(config, data, run, rarity=rarity, show_progress=show_progress)
    return _finish(config, data, run, adversaries, rarity, show_progress=show_progress)


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
    adversaries: Adversaries | System | None = None
    if config.generator != "gaussian":
        state = run.load_checkpoint()
        known = tuple(state.get("class_names", ()))
        if config.generator in _SYSTEMS:
            adversaries = build_system(config, data, _joint_labels(config, data, known))
        else:
            adversaries = build_adversaries(config, data.input_shape, len(known))
        adversaries.load_state(state["adversaries"])
        if state["iteration"] < (config.iterations or 0):
            logger.warning("the run stopped at iteration %d of %d", state["iteration"], config.iterations)
        config = replace(config, iterations=state["iteration"])
    rarity = _rarity(config, data) if adversaries is None else None
    return _finish(config, data, run, adversaries, rarity, show_progress=show_progress)


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
    show_progress: bool = True,
) -> Path:
    """Go on from a run's last checkpoint with new labels; see `trainer.refresh`.

    Args:
        path: the run's folder; left as it is, the refreshed run is `out` with "-run" appended.
        labels: .csv or .npz, as in `TrainConfig`.
        out: the bundle's folder.
        iterations: further generator updates; None is a tenth of the run's. A gaussian generator is fitted anew.
        rarity: exponent; None is the run's.
        bundle: the bundle whose encoder is kept; None is the one the run wrote.
        data_path: where the pool is now, if it was moved since.
        resume: go on with a refresh that was interrupted.
        threads: CPU threads of torch.
        show_progress: draw progress bars on stderr.
    """
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
    )
    data = open_training_data(config.data, config.key, config.image_size)
    if manifest.preprocessing != data.preprocessing.to_proto():
        raise TrainerError(
            f"{config.data}: samples of another kind than those of {bundle}; name the same pool"
        )
    joint = _joint_labels(config, data, tuple(state["class_names"]) if state else ())
    weights = _rarity(config, data, state["class_names"] if state and config.conditional else None)
    run = RunFolder(config.run_folder)
    resuming = run.start(config)
    if state and not resuming:
        run.save_checkpoint(state)
    logger.info("refreshing %s from iteration %d with the labels of %s", path, done, labels)
    adversaries: Adversaries | System | None = None
    if config.generator in _SYSTEMS:
        adversaries = build_system(config, data, joint)
        train_system(adversaries, config, data, run, show_progress=show_progress)
    elif config.generator != "gaussian":
        adversaries = train_gan(config, data, run, rarity=weights, show_progress=show_progress)
    generator, metrics = _generator(config, data, run, adversaries, weights)
    kept = {name: manifest.metrics[name] for name in _ENCODER_METRICS if name in manifest.metrics}
    trained = Trained(
        generator=generator,
        encoder=encoder,
        latent_dim=config.latent_dim or 0,
        metrics={**metrics, **kept},
        **_inferring(adversaries, data),
    )
    write_bundle(out, trained, data, config)
    _write_classifier(adversaries, data, run, config)
    logger.info("wrote %s (the encoder of %s)", out, bundle)
    return out


def _finish(
    config: TrainConfig,
    data: TrainingData,
    run: RunFolder,
    adversaries: Adversaries | System | None,
    rarity: Rarity | None,
    *,
    show_progress: bool,
) -> Path:
    """Build generator and encoder from what was trained and write the bundle."""
    generator, metrics = _generator(config, data, run, adversaries, rarity)
    base, feature_metrics = _feature_base(config, data, run, adversaries, show_progress=show_progress)
    encoder, encoder_metrics = fit_encoder(base, data, feature_dim=config.feature_dim, seed=config.seed)
    trained = Trained(
        generator=generator,
        encoder=encoder,
        latent_dim=config.latent_dim or 0,
        metrics={**metrics, **feature_metrics, **encoder_metrics},
        **_inferring(adversaries, data),
    )
    write_bundle(config.out, trained, data, config)
    _write_classifier(adversaries, data, run, config)
    logger.info("wrote %s (features: %s)", config.out, config.features)
    return config.out


def _generator(
    config: TrainConfig,
    data: TrainingData,
    run: RunFolder,
    adversaries: Adversaries | System | None,
    rarity: Rarity | None,
) -> tuple[nn.Module, dict[str, float]]:
    """Return the trained generator, or fit the mixture, and its metrics."""
    if adversaries is not None:
        # A run that was killed may have logged more than its checkpoint holds.
        lines = [line for line in run.read_metrics() if line["iteration"] <= (config.iterations or 0)]
        metrics = lines[-1] if lines else {}
        if isinstance(adversaries, Adversaries):
            return finished_generator(adversaries, data, config.generator), metrics
        return adversaries.generator(data), metrics
    latent_dim = config.latent_dim or 0
    generator, metrics = fit_gaussian_mixture(
        data,
        components=config.components,
        rank=latent_dim - 1,
        seed=config.seed,
        rarity=rarity,
        conditional=config.conditional,
    )
    run.samples.mkdir(parents=True, exist_ok=True)
    grid = draw_samples(generator, latent_dim)
    save_grid(run.samples / "final.png", grid, data.input_min, data.input_max)
    return generator, metrics


def _rarity(
    config: TrainConfig, data: TrainingData, class_names: Sequence[str] | None = None
) -> Rarity | None:
    """Return the weights that the configuration asks for, with classes numbered as `class_names`, or None."""
    if config.labels is None or config.generator in _SYSTEMS:
        return None
    labels = read_labels(config.labels, data.source)
    if class_names is not None:
        labels = labels.numbered_as(class_names)
    if config.conditional and config.generator != "gaussian":
        check_latents(config, labels)
    rarity = measure_rarity(
        data, labels, exponent=config.rarity, conditional=config.conditional, seed=config.seed
    )
    logger.info(
        "%d labels of %d classes weight the pool by %.2f to %.2f",
        len(labels.rows),
        len(labels.names),
        rarity.weights.min(),
        rarity.weights.max(),
    )
    return rarity


def _joint_labels(config: TrainConfig, data: TrainingData, known: tuple[str, ...] = ()) -> Labels | None:
    """Return what a jointly trained generator sees, classes numbered as the classifier's outputs; None for others."""
    if config.generator not in JOINT or config.labels is None:
        return None
    return output_classes(read_labels(config.labels, data.source), config.classes, known)


def _inferring(system: Adversaries | System | None, data: TrainingData) -> dict[str, Any]:
    """Return what a bundle that can reconstruct samples has besides generator and encoder."""
    if system is None or isinstance(system, Adversaries):
        return {}
    return {"posterior": system.posterior(data), "class_names": system.class_names}


def _write_classifier(
    system: Adversaries | System | None, data: TrainingData, run: RunFolder, config: TrainConfig
) -> None:
    """Leave the classifier that was trained along in the run's folder."""
    classifier = None if system is None or isinstance(system, Adversaries) else system.classifier()
    if classifier is not None:
        exported = export_classifier(classifier, data, seed=config.seed)
        write_atomically(run.path / CLASSIFIER, lambda path: path.write_bytes(exported))


def _feature_base(
    config: TrainConfig,
    data: TrainingData,
    run: RunFolder,
    adversaries: Adversaries | System | None,
    *,
    show_progress: bool,
) -> tuple[nn.Module, dict[str, float]]:
    """Return what the encoder measures before its PCA, and its metrics."""
    if config.features == "autoencoder":
        return autoencoder_features(
            data, run, iterations=config.autoencoder_iterations, seed=config.seed, show_progress=show_progress
        )
    if adversaries is not None and not isinstance(adversaries, Adversaries):
        base = adversaries.critic() if config.features == "critic" else None
        base = adversaries.posterior(data) if config.features == "latent" else base
        if base is not None:
            return base, {}
    if config.features == "critic" and isinstance(adversaries, Adversaries):
        return finished_critic_features(adversaries, data, config.generator), {}
    return nn.Flatten().eval(), {}


def _check_fits(config: TrainConfig, data: TrainingData) -> None:
    """Refuse what would fail only after the training."""
    if config.generator in FOR_IMAGES and len(data.input_shape) == 1:
        raise TrainerError(
            f"{config.generator} is for images, these samples are vectors of {data.input_shape[0]}; "
            "choose --generator mlp, vae or gaussian"
        )


def _set_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
