"""M2-VAAL: classifier, VAE and discriminator trained jointly, the class probabilities in the latent space.

Losalka, Singhania and Sun, *Active Learning using Deep Generative Models*, section 3.1. With y' = T(x) the classifier's
probabilities, decoder and discriminator see [z, y'] (equations 5 to 7, `trainer.scores.adversarial_vae`), and

    L1 = L_T + L_trd + L_adv     (8: with the adversarial loss)        L2 = L_T + L_trd     (9: without)

where L_T is the cross entropy of the labeled samples (4). So the classifier learns from unlabeled samples too, through
their reconstruction. What is exported gives the latents [mu, y'] as its embedding, in which Algorithms 1 and 2 (the
batch rules "anchor_distance" and "anchor_confidence") measure distances. Sums and means are taken so that one sample's
L_trd is in nats and L_T, which would otherwise be a few of hundreds, weighs `classifier_weight` times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.errors import TrainerError
from trainer.networks.dropout_classifier import dropout_classifier
from trainer.scores.adversarial_vae import AdversarialVae, check_finite, check_samples, draw_rows
from trainer.seeding import seeded


@dataclass(frozen=True, kw_only=True)
class M2VaalConfig:
    """Settings of M2-VAAL.

    Attributes:
        adversarial: Objective 8; False is 9.
        latent_dim: Z.
        beta: Of the divergence.
        classifier_weight: Of L_T.
        iterations: Steps of all networks.
        batch_size: Labeled samples a step, and as many unlabeled ones.
        learning_rate: Of Adam.
        seed: Of weights, batches, noise and dropout.
    """

    adversarial: bool = True
    latent_dim: int = 32
    beta: float = 1.0
    classifier_weight: float = 50.0
    iterations: int = 2000
    batch_size: int = 64
    learning_rate: float = 5e-4
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("latent_dim", "iterations", "batch_size"):
            if getattr(self, name) < 1:
                raise TrainerError(f"{name} must be at least 1, got {getattr(self, name)}")


class M2Vaal(nn.Module):
    """x -> (logits [B, C], latents [B, Z + C], -logit D [B])."""

    def __init__(self, classifier: nn.Module, core: AdversarialVae) -> None:
        super().__init__()
        self.classifier, self.core = classifier, core

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits, latents and score."""
        logits = self.classifier(x)
        latents = self.core.latents(x, logits.softmax(dim=1))
        return logits, latents, self.core.unlabeled_logit(latents)


def train_m2_vaal(
    unlabeled: Tensor,
    labeled: Tensor,
    labels: Tensor,
    classes: int,
    config: M2VaalConfig | None = None,
    *,
    build: Callable[[], nn.Module] | None = None,
) -> M2Vaal:
    """Train everything from scratch; `trainer.scores.exporting.export_scored` makes the result a graph to upload.

    Args:
        unlabeled: x [N, ...] of the pool, or a sample of it.
        labeled: x [L, ...].
        labels: int64 [L], in 0…C-1.
        classes: C.
        config: Settings.
        build: Makes the untrained classifier, x -> logits [B, C]; None takes a small one with dropout.

    Raises:
        TrainerError: If there are no samples of a kind, or the training diverges.
    """
    config = config or M2VaalConfig()
    check_samples(labeled, labels, unlabeled)
    shape = tuple(labeled.shape[1:])
    rng = torch.Generator().manual_seed(config.seed)
    with seeded(config.seed):  # also of the dropout below
        classifier = build() if build is not None else dropout_classifier(shape, classes)
        core = AdversarialVae(shape, config.latent_dim, classes)
        optimizer = torch.optim.Adam([*classifier.parameters(), *core.vae_parameters()], config.learning_rate)
        discriminator = torch.optim.Adam(core.discriminator.parameters(), config.learning_rate)
        for _ in range(config.iterations):
            rows = draw_rows(len(labeled), config.batch_size, rng)
            x = torch.cat([labeled[rows], unlabeled[draw_rows(len(unlabeled), config.batch_size, rng)]])
            logits = classifier(x)
            probabilities = logits.softmax(dim=1)
            loss = config.classifier_weight * F.cross_entropy(logits[: config.batch_size], labels[rows])
            loss = loss + core.vae_loss(
                x, probabilities, rng, beta=config.beta, adversarial=config.adversarial
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            with torch.no_grad():
                latents = core.latents(x, probabilities)
            discriminator.zero_grad(set_to_none=True)
            core.discriminator_loss(latents, config.batch_size).backward()  # type: ignore[no-untyped-call]
            discriminator.step()
    made = M2Vaal(classifier, core)
    check_finite(made)
    return made.eval()
