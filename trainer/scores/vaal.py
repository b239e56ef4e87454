"""VAAL and TA-VAAL: a discriminator's word that a sample is unlike the labeled ones, as a score.

VAAL (Sinha et al. 2019) knows nothing of the classifier. TA-VAAL (Kim et al. 2020, *Task-Aware Variational Adversarial
Active Learning*) conditions the decoder and the discriminator on the loss that a ranker predicts for a sample from the
classifier's deep features; the ranker learns from labeled samples which of two has the larger loss:

    L_R = -[l_i > l_j] log s(r_i - r_j) - [l_i <= l_j] log(1 - s(r_i - r_j)),   c = s(r)

Where this differs from TA-VAAL: the ranker is trained after the classifier, on its finished features, and not along
with it. Samples are picked by -logit D, which orders them as 1 - D does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.errors import TrainerError
from trainer.networks.folding import frozen
from trainer.scores.adversarial_vae import AdversarialVae, check_finite, check_samples, draw_rows
from trainer.scores.deep_features import DeepFeatures, in_batches
from trainer.seeding import seeded


@dataclass(frozen=True, kw_only=True)
class VaalConfig:
    """Settings of VAAL and TA-VAAL.

    Attributes:
        ranked: TA-VAAL: condition on predicted ranks of the classifier's loss.
        layers: Of the classifier, for the ranker; None takes its last four activations.
        latent_dim: Z.
        beta: Of the divergence.
        adversarial: Whether the VAE is to fool the discriminator.
        iterations: Steps of VAE and discriminator.
        batch_size: Labeled samples a step, and as many unlabeled ones.
        learning_rate: Of Adam.
        ranker_iterations: Steps of the ranker.
        seed: Of weights, batches and noise.
    """

    ranked: bool = False
    layers: Sequence[str] | None = None
    latent_dim: int = 32
    beta: float = 1.0
    adversarial: bool = True
    iterations: int = 2000
    batch_size: int = 64
    learning_rate: float = 5e-4
    ranker_iterations: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("latent_dim", "iterations", "batch_size", "ranker_iterations"):
            if getattr(self, name) < 1:
                raise TrainerError(f"{name} must be at least 1, got {getattr(self, name)}")


class Ranker(nn.Module):
    """Deep features of each layer [B, F_l] -> predicted rank of the loss r [B] (Yoo and Kweon 2019's module)."""

    def __init__(self, sizes: Sequence[int], width: int = 128) -> None:
        super().__init__()
        self.linears = nn.ModuleList(nn.Linear(size, width) for size in sizes)
        self.head = nn.Linear(width * len(sizes), 1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return r [B]."""
        hidden = [torch.relu(linear(each)) for linear, each in zip(self.linears, features, strict=True)]
        rank: Tensor = self.head(torch.cat(hidden, dim=1)).squeeze(1)
        return rank


class Vaal(nn.Module):
    """The classifier with its VAAL score: x -> (logits, score), with the embedding between where there is one."""

    def __init__(self, tapped: DeepFeatures, core: AdversarialVae, ranker: Ranker | None) -> None:
        super().__init__()
        self.tapped, self.core, self.ranker = tapped, core, ranker

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return logits [B, C], the embedding [B, E] where there is one, and -logit D [B]."""
        logits, embedding, features = self.tapped(x)
        condition = None if self.ranker is None else torch.sigmoid(self.ranker(features))[:, None]
        score = self.core.unlabeled_logit(self.core.latents(x, condition))
        return (logits, score) if embedding is None else (logits, embedding, score)


def train_vaal(
    classifier: nn.Module,
    unlabeled: Tensor,
    labeled: Tensor,
    labels: Tensor,
    config: VaalConfig | None = None,
) -> Vaal:
    """Train VAE and discriminator, and for TA-VAAL the ranker before them.

    Args:
        classifier: Trained; x -> logits [B, C], or (logits, embedding). Left as it is.
        unlabeled: x [N, ...] of the pool, or a sample of it.
        labeled: x [L, ...].
        labels: int64 [L], in 0…C-1.
        config: Settings.

    Raises:
        TrainerError: If there are no samples of a kind, or the training diverges.
    """
    config = config or VaalConfig()
    check_samples(labeled, labels, unlabeled)
    tapped = DeepFeatures(frozen(classifier), config.layers).eval()
    rng = torch.Generator().manual_seed(config.seed)
    ranker, conditions = None, None
    with seeded(config.seed):
        core = AdversarialVae(tuple(labeled.shape[1:]), config.latent_dim, int(config.ranked))
        if config.ranked:
            ranker = _train_ranker(tapped, labeled, labels, config, rng)
            with torch.no_grad():
                conditions = [
                    torch.sigmoid(ranker(in_batches(tapped, x)[1]))[:, None] for x in (labeled, unlabeled)
                ]
    vae = torch.optim.Adam(core.vae_parameters(), config.learning_rate)
    discriminator = torch.optim.Adam(core.discriminator.parameters(), config.learning_rate)
    for _ in range(config.iterations):
        rows = [draw_rows(len(x), config.batch_size, rng) for x in (labeled, unlabeled)]
        x = torch.cat([labeled[rows[0]], unlabeled[rows[1]]])
        given = None
        if conditions is not None:
            given = torch.cat([values[some] for values, some in zip(conditions, rows, strict=True)])
        loss = core.vae_loss(x, given, rng, beta=config.beta, adversarial=config.adversarial)
        vae.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        vae.step()
        with torch.no_grad():
            latents = core.latents(x, given)
        discriminator.zero_grad(set_to_none=True)
        core.discriminator_loss(latents, config.batch_size).backward()  # type: ignore[no-untyped-call]
        discriminator.step()
    check_finite(core)
    return Vaal(tapped, core, ranker).eval()


def export_vaal(
    classifier: nn.Module,
    unlabeled: Tensor,
    labeled: Tensor,
    labels: Tensor,
    config: VaalConfig | None = None,
) -> bytes:
    """Train VAAL's score for a classifier and return both as one graph, ready to upload; see `train_vaal`.

    Raises:
        TrainerError: As `train_vaal`.
        graphs.GraphError: If the classifier cannot be exported.
    """
    from trainer.scores.exporting import export_scored

    return export_scored(train_vaal(classifier, unlabeled, labeled, labels, config), unlabeled)


def ranking_loss(ranks: Tensor, losses: Tensor) -> Tensor:
    """Return L_R averaged over the pairs (i, B/2 + i) of predicted ranks [B] and losses [B]."""
    half = len(ranks) // 2
    larger = (losses[:half] > losses[half : 2 * half]).to(ranks)
    return F.binary_cross_entropy_with_logits(ranks[:half] - ranks[half : 2 * half], larger)


def _train_ranker(
    tapped: DeepFeatures, labeled: Tensor, labels: Tensor, config: VaalConfig, rng: torch.Generator
) -> Ranker:
    logits, features = in_batches(tapped, labeled)
    losses = F.cross_entropy(logits, labels, reduction="none")
    ranker = Ranker([each.shape[1] for each in features])
    optimizer = torch.optim.Adam(ranker.parameters(), 1e-3)
    for _ in range(config.ranker_iterations):
        rows = draw_rows(len(labels), 2 * config.batch_size, rng)
        loss = ranking_loss(ranker([each[rows] for each in features]), losses[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return ranker.eval()
