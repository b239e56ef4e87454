"""What labels tell a training: classes to train jointly on, or how often each sample of the pool is drawn."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.config import JOINT, TrainConfig
from trainer.data import TrainingData
from trainer.errors import TrainerError
from trainer.labels import Labels, read_labels
from trainer.rarity import Rarity, measure_rarity

logger = logging.getLogger("trainer")

MAX_CLASSES = 1000


@dataclass(frozen=True, kw_only=True)
class Supervision:
    """What a training takes from labels; nothing by default.

    Attributes:
        labels: what jointly trained generators see, classes numbered as their classifier's outputs; None for others.
        rarity: how often others draw each sample; None draws uniformly.
        class_names: classes that the generator itself knows, a latent each.
        digest: hex, of the labels as they were read; "" without.
    """

    labels: Labels | None = None
    rarity: Rarity | None = None
    class_names: tuple[str, ...] = ()
    digest: str = ""

    @classmethod
    def of_checkpoint(cls, config: TrainConfig, class_names: Sequence[str]) -> Supervision:
        """Return what networks are built from where nothing is trained any more."""
        names = tuple(class_names)
        none = np.empty(0, np.int64)
        labels = Labels(rows=none, classes=none, names=names) if config.generator in JOINT else None
        return cls(labels=labels, class_names=names)

    def draw(self, data: TrainingData, shape: tuple[int, ...], rng: torch.Generator) -> NDArray[np.int64]:
        """Return rows of the pool in this shape, as often as the rarity says."""
        if self.rarity is None:
            rows: NDArray[np.int64] = torch.randint(len(data), shape, generator=rng).numpy()
            return rows
        return self.rarity.rows(torch.rand(shape, generator=rng, dtype=torch.float64).numpy())


def read_supervision(config: TrainConfig, data: TrainingData, known: Sequence[str] = ()) -> Supervision:
    """Read the labels that a resolved configuration names.

    Args:
        config: resolved.
        data: the pool.
        known: classes of the run that is gone on with, whose numbers stay.

    Raises:
        TrainerError: if labels cannot be read, or do not fit the pool, the classes or the latents.
    """
    if config.labels is None:
        return Supervision()
    labels = read_labels(config.labels, data.source)
    digest = labels.digest()
    if config.generator in JOINT:
        labels = output_classes(labels, config.classes, known)
        _check_latents(config, labels.names)
        return Supervision(labels=labels, class_names=labels.names, digest=digest)
    knows_classes = (
        config.conditional and config.generator != "gaussian"
    )  # which is fitted anew to any classes
    if knows_classes and known:
        labels = labels.numbered_as(known)
    if knows_classes:
        _check_latents(config, labels.names)
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
    return Supervision(rarity=rarity, class_names=labels.names if knows_classes else (), digest=digest)


def output_classes(labels: Labels, classes: int | None, known: Sequence[str] = ()) -> Labels:
    """Return labels whose class numbers are the labels themselves, as a classifier's outputs are numbered.

    Args:
        labels: whole numbers, as text.
        classes: C; None is the largest label and one, or what is known.
        known: classes of the run that is gone on with.

    Raises:
        TrainerError: if a label is no whole number, or not below C.
    """
    wrong = [name for name in labels.names if not name.isdecimal()]
    if wrong:
        raise TrainerError(f"the label {wrong[0]!r} is no output of a classifier; labels must be 0 to C - 1")
    outputs = [int(name) for name in labels.names]
    count = max(2, classes or len(known) or max(outputs) + 1)
    if max(outputs) >= count:
        raise TrainerError(
            f"the label {max(outputs)} is not below the {count} classes; train anew with a larger --classes"
        )
    if count > MAX_CLASSES:
        raise TrainerError(f"{count} classes; at most {MAX_CLASSES} can be trained jointly")
    return Labels(
        rows=labels.rows,
        classes=np.array(outputs, np.int64)[labels.classes],
        names=tuple(str(number) for number in range(count)),
    )


def _check_latents(config: TrainConfig, class_names: Sequence[str]) -> None:
    """Raise TrainerError where classes, a latent each, leave none of a resolved configuration's for noise."""
    if len(class_names) >= (config.latent_dim or 0):
        raise TrainerError(
            f"{len(class_names)} classes take a latent each and leave none of {config.latent_dim} for noise; "
            "choose a larger --latent-dim"
        )
