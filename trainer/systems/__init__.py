"""The generators that are no plain GAN: "vae", "acgan", "vae-acgan" and "m2", built, trained and finished for a bundle.

Between them and `trainer.pipeline` stands `System`; what is finished works on the pool's scale x, on the CPU.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from trainer.config import JOINT, TrainConfig
from trainer.data import TrainingData
from trainer.devices import choose_device
from trainer.errors import TrainerError
from trainer.labels import Labels
from trainer.loop import run_iterations
from trainer.m2 import M2Training, classification_weight
from trainer.networks.build import Destandardize, Standardize
from trainer.runs import RunFolder
from trainer.vae import VariationalAutoencoder
from trainer.vae_acgan import JointTraining, frozen

MAX_CLASSES = 1000
MC_PASSES = 20
"""Dropout masks of the classifier that is exported beside a jointly trained generator."""

_WIDTH, _COLOR_WIDTH = 400, 32  # hidden units, channels


class System(Protocol):
    """A generator in training, and what else came of it."""

    latent_dim: int
    class_names: tuple[str, ...]

    def iterate(self, data: TrainingData, batch_size: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Take one step; return the losses as scalars."""

    def generator(self, data: TrainingData) -> nn.Module:
        """Return z [B, Z] -> x."""

    def posterior(self, data: TrainingData) -> nn.Module | None:
        """Return x -> mean of the latents [B, Z - C]; None where nothing infers them."""

    def critic(self) -> nn.Module | None:
        """Return x -> the critic's last hidden layer; None where there is none."""

    def classifier(self) -> nn.Module | None:
        """Return the classifier that was trained along, x -> logits; None where there is none."""

    def state(self) -> dict[str, Any]:
        """Return everything a checkpoint needs."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""


class VaeSystem:
    """A VAE on the whole pool; vectors are standardized."""

    class_names: tuple[str, ...] = ()

    def __init__(self, config: TrainConfig, input_shape: tuple[int, ...]) -> None:
        color = len(input_shape) == 3 and input_shape[0] == 3
        self._vector = len(input_shape) == 1
        self._trained = VariationalAutoencoder(
            input_shape,
            latent_dim=config.latent_dim or 0,
            width=config.width or (_COLOR_WIDTH if color else _WIDTH),
            learning_rate=config.learning_rate or 0.0,
            seed=config.seed,
            device=choose_device(config.device),
        )
        self.latent_dim = self._trained.latent_dim
        self.state, self.load_state = self._trained.state, self._trained.load_state

    def iterate(self, data: TrainingData, batch_size: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Take one step on samples drawn uniformly from the pool."""
        rows = torch.randint(len(data), (batch_size,), generator=rng).numpy()
        x = data.take(rows)
        u = torch.from_numpy((x - data.mean) / data.std if self._vector else x)
        return self._trained.update(u.to(self._trained.device), rng)

    def generator(self, data: TrainingData) -> nn.Module:
        """Return the decoder."""
        decoder = frozen(self._trained.generator)
        if not self._vector:
            return decoder
        scale = Destandardize(
            torch.from_numpy(data.mean), torch.from_numpy(data.std), data.input_min, data.input_max
        )
        return nn.Sequential(decoder, scale).eval()

    def posterior(self, data: TrainingData) -> nn.Module:
        """Return the encoder's mean."""
        mean = _mean(self._trained.posterior)
        if not self._vector:
            return mean
        return nn.Sequential(
            Standardize(torch.from_numpy(data.mean), torch.from_numpy(data.std)), *mean
        ).eval()

    def critic(self) -> None:
        """Return None: nothing criticizes."""

    def classifier(self) -> None:
        """Return None: nothing classifies."""


class JointSystem:
    """A classifier and the generator trained with it, on labeled images of the pool.

    Args:
        config: Resolved.
        input_shape: (C, H, W).
        labels: With classes numbered as the classifier's outputs.
    """

    def __init__(self, config: TrainConfig, input_shape: tuple[int, ...], labels: Labels) -> None:
        self._labels = labels
        self.class_names = labels.names
        check_latents(config, labels)
        self._trained = JointTraining(
            input_shape,
            len(labels.names),
            augmentation=config.generator,
            latent_dim=config.latent_dim or 0,
            width=config.width or 0,
            learning_rate=config.learning_rate or 0.0,
            seed=config.seed,
            device=choose_device(config.device),
        )
        self.latent_dim = self._trained.latent_dim
        self.state, self.load_state = self._trained.state, self._trained.load_state

    def iterate(self, data: TrainingData, batch_size: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Take one step on samples drawn uniformly from the labeled ones."""
        drawn = torch.randint(len(self._labels.rows), (batch_size,), generator=rng).numpy()
        u = torch.from_numpy(data.take(self._labels.rows[drawn]))
        classes = torch.from_numpy(self._labels.classes[drawn])
        device = self._trained.device
        return self._trained.update(u.to(device), classes.to(device), rng)

    def generator(self, data: TrainingData) -> nn.Module:
        """Return g, its class the last C latents."""
        assert self._trained.generator is not None  # of a generator's system
        return frozen(self._trained.generator)

    def posterior(self, data: TrainingData) -> nn.Module | None:
        """Return the encoder's mean, of "vae-acgan" alone."""
        return None if self._trained.posterior is None else _mean(self._trained.posterior)

    def critic(self) -> nn.Module:
        """Return the discriminator's hidden layers."""
        assert self._trained.discriminator is not None  # of a generator's system
        return frozen(self._trained.discriminator.hidden)

    def classifier(self) -> nn.Module:
        """Return c, its dropout layers with it."""
        return frozen(self._trained.classifier)


class M2System:
    """A semi-supervised VAE and its classifier, on all images of the pool.

    Args:
        config: Resolved.
        input_shape: (C, H, W).
        labels: With classes numbered as the classifier's outputs.
    """

    def __init__(self, config: TrainConfig, input_shape: tuple[int, ...], labels: Labels) -> None:
        self._labels = labels
        self.class_names = labels.names
        check_latents(config, labels)
        self._trained = M2Training(
            input_shape,
            len(labels.names),
            latent_dim=config.latent_dim or 0,
            width=config.width or (_COLOR_WIDTH if input_shape[0] == 3 else _WIDTH),
            learning_rate=config.learning_rate or 0.0,
            seed=config.seed,
            device=choose_device(config.device),
        )
        self.latent_dim = self._trained.latent_dim
        self.state, self.load_state = self._trained.state, self._trained.load_state

    def iterate(self, data: TrainingData, batch_size: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Take one step on as many labeled samples as others, each drawn uniformly."""
        drawn = torch.randint(len(self._labels.rows), (batch_size,), generator=rng).numpy()
        labeled = torch.from_numpy(data.take(self._labels.rows[drawn]))
        classes = torch.from_numpy(self._labels.classes[drawn])
        unlabeled = torch.from_numpy(
            data.take(torch.randint(len(data), (batch_size,), generator=rng).numpy())
        )
        device = self._trained.device
        return self._trained.update(
            labeled.to(device),
            classes.to(device),
            unlabeled.to(device),
            rng,
            alpha=classification_weight(len(data), len(self._labels.rows)),
        )

    def generator(self, data: TrainingData) -> nn.Module:
        """Return the decoder, its class the last C latents."""
        return frozen(self._trained.generator)

    def posterior(self, data: TrainingData) -> nn.Module:
        """Return the encoder's mean."""
        return _mean(self._trained.posterior)

    def critic(self) -> None:
        """Return None: nothing criticizes."""

    def classifier(self) -> nn.Module:
        """Return q(y | x), its dropout layers with it."""
        return frozen(self._trained.classifier)


def check_latents(config: TrainConfig, labels: Labels) -> None:
    """Raise TrainerError where classes, a latent each, leave none of a resolved configuration's for noise."""
    if len(labels.names) >= (config.latent_dim or 0):
        raise TrainerError(
            f"{len(labels.names)} classes take a latent each and leave none of {config.latent_dim} for noise; "
            "choose a larger --latent-dim"
        )


def build_system(config: TrainConfig, data: TrainingData, labels: Labels | None) -> System:
    """Return the system of a resolved configuration at its first iteration."""
    if config.generator in JOINT:
        assert labels is not None  # the configuration was validated
        if config.generator == "m2":
            return M2System(config, data.input_shape, labels)
        return JointSystem(config, data.input_shape, labels)
    return VaeSystem(config, data.input_shape)


def train_system(
    system: System, config: TrainConfig, data: TrainingData, run: RunFolder, *, show_progress: bool
) -> None:
    """Train until `config.iterations`, from the run's checkpoint where there is one."""
    run_iterations(
        system,
        config,
        data,
        run,
        iterate=lambda rng: system.iterate(data, config.batch_size, rng),
        finished=lambda: system.generator(data),
        class_names=system.class_names,
        show_progress=show_progress,
    )


def output_classes(labels: Labels, classes: int | None, known: tuple[str, ...] = ()) -> Labels:
    """Return labels whose class numbers are the labels themselves, as a classifier's outputs are numbered.

    Args:
        labels: Whole numbers, as text.
        classes: C; None is the largest label and one, or what is known.
        known: Classes of the run that is gone on with.

    Raises:
        TrainerError: If a label is no whole number, or not below C.
    """
    wrong = [name for name in labels.names if not name.isdecimal()]
    if wrong:
        raise TrainerError(f"the label {wrong[0]!r} is no output of a classifier; labels must be 0 to C - 1")
    count = classes or len(known) or max(int(name) for name in labels.names) + 1
    above = [name for name in labels.names if int(name) >= count]
    if above or count > MAX_CLASSES:
        raise TrainerError(
            f"the label {above[0]} is not below the {count} classes; train anew with a larger --classes"
            if above
            else f"{count} classes; at most {MAX_CLASSES} can be trained jointly"
        )
    return labels.numbered_as([str(number) for number in range(max(2, count))])


def export_classifier(classifier: nn.Module, data: TrainingData, *, seed: int) -> bytes:
    """Return the classifier as ONNX with its gradient and `MC_PASSES` fixed dropout masks, ready to upload.

    Raises:
        TrainerError: If the export fails.
    """
    import numpy as np

    import graphs

    example = torch.from_numpy(data.take(np.arange(4)))
    try:
        fixed = graphs.fix_dropout(classifier, MC_PASSES, seed, example)
        return graphs.export_pullback(fixed, example, kind=graphs.GraphKind.CLASSIFIER).SerializeToString()
    except graphs.GraphError as error:
        raise TrainerError(f"the export of the classifier failed: {error}") from error


def _mean(posterior: nn.Module) -> nn.Sequential:
    """Return x -> mean [B, Z] alone."""
    copied = frozen(posterior)
    hidden, mean = copied.hidden, copied.mean
    assert isinstance(hidden, nn.Sequential) and isinstance(mean, nn.Module)
    return nn.Sequential(*hidden, mean).eval()
