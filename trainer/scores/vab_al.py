r"""VaB-AL: the probability of a labeling error by Bayes' rule, from a class-masked VAE on deep features.

Choi et al. 2021, *VaB-AL: Incorporating Class Imbalance and Difficulty with Variational Bayes for Active Learning*.
The VAE has ten latents for each class n, C_n, and learns from the unlabeled samples with the classifier's predictions:

    L = L_VAE + lambda H(softmax(-w), y^),   w_n = sum_{j in C_n} z_j^2                                  (7, 8, 9)

so that the latents of a sample's own class vanish; the VAE's own prediction is y^ = argmin_n w_n (6). With the labeled
samples, which it has not seen, and z drawn from q(z | x),

    p(y_n | y^_n) = E[y = y^ = n] / E[y^ = n]   (10: how hard the class is),   p(y^_n) = E[y^ = n]      (11: the prior)
    p(x | y^_n) >= exp(-L_VAE with z_j = 0 for j in C_n)
    p(y != y^ | x) = 1 - sum_n p(y_n | y^_n) p(x | y^_n) p(y^_n) / sum_n p(x | y^_n) p(y^_n)                        (5)

Of the sum in the numerator the term of y^(x) is taken, the class that x is predicted to be of by (6): the others are
the probabilities of predictions that were not made. Only so are the paper's ablations (table 1) different scores:
summed over all classes, p(y_n | y^_n) = 1 makes (5) zero for every sample, with the prior and without. `all_classes`
sums.

What the paper leaves open, and how it is here. Each layer's features pass a batch norm of the pool's statistics and a
linear layer of 128 sigmoids at its random start: trained by what the VAE reconstructs of them, they would collapse.
The reconstruction is a normal density of unit variance on these values, standardized over the pool. L_VAE is divided
by their number, as mean squared errors are, which is where lambda = 0.005 makes itself felt; the bounds of (5) leave
the masked latents out of the divergence and are scaled by `likelihood_scale`, from nats. (10) and (11) count half a
sample more of each kind, so that a class the VAE never predicts has a probability. z's noise is one drawing of `draws`
vectors for all samples: the score is a function of x.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.errors import TrainerError
from trainer.networks.folding import frozen
from trainer.scores.deep_features import DeepFeatures, in_batches
from trainer.seeding import seeded

_PSEUDO_COUNT = 0.5
_DRAWS_AT_ONCE = 10  # bounds what the graph holds at a time: these draws of every class's features


@dataclass(frozen=True, kw_only=True)
class VabAlConfig:
    """Settings of VaB-AL; defaults are the paper's where it gives them (sections 3.4 and 4).

    Attributes:
        layers: Names of the classifier's layers; None takes its last four activations.
        latents: For each class.
        hidden: Units of every hidden layer, and of each layer's features.
        weight: lambda.
        epochs: Over the unlabeled samples.
        batch_size: Samples a step.
        learning_rate: Of Adam.
        draws: Of z a sample where the score is computed.
        label_draws: Of z a labeled sample, for difficulty and prior.
        likelihood_scale: Of log p(x | y^_n) in nats.
        prior: Whether p(y^_n) counts; without, it is 1 (the paper's ablation).
        difficulty: Whether p(y_n | y^_n) counts; without, it is 1 (the paper's ablation).
        all_classes: Sum the numerator of (5) over all classes, as it is printed, and not over the predicted one alone.
        seed: Of weights, batches and noise.
    """

    layers: Sequence[str] | None = None
    latents: int = 10
    hidden: int = 128
    weight: float = 0.005
    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 1e-4
    draws: int = 100
    label_draws: int = 100
    likelihood_scale: float = 1.0
    prior: bool = True
    difficulty: bool = True
    all_classes: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("latents", "hidden", "epochs", "batch_size", "draws", "label_draws"):
            if getattr(self, name) < 1:
                raise TrainerError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.weight < 0 or self.likelihood_scale <= 0:
            raise TrainerError("weight must not be negative and likelihood_scale must be positive")
        if self.all_classes and not self.difficulty:
            raise TrainerError(
                "all_classes without difficulty scores every sample 0; set difficulty, or not all_classes"
            )


class FeatureInput(nn.Module):
    """Features of each layer [B, F_l] -> one standardized vector [B, V] (section 3.4), fixed once it is fitted.

    Args:
        sizes: F_l.
        width: Units of each layer.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, sizes: Sequence[int], width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm1d(size, affine=False, momentum=None) for size in sizes)
        self.linears = nn.ModuleList(nn.Linear(size, width) for size in sizes)
        self.register_buffer("center", torch.zeros(width * len(sizes)))
        self.register_buffer("scale", torch.ones(width * len(sizes)))
        self.requires_grad_(False)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return [B, V]."""
        layers = zip(self.norms, self.linears, features, strict=True)
        joined = torch.cat([torch.sigmoid(linear(norm(each))) for norm, linear, each in layers], dim=1)
        return (joined - self.center) * self.scale

    @torch.no_grad()
    def fit(self, features: Sequence[Tensor]) -> None:
        """Take the statistics of features of the pool [N, F_l]."""
        for norm, each in zip(self.norms, features, strict=True):
            norm.train()(each)
        self.eval()
        values = self(features)
        self.center.copy_(values.mean(dim=0))
        self.scale.copy_(1 / values.std(dim=0).clamp_min(1e-4))


class ClassMaskedVae(nn.Module):
    """The VAE on vectors [B, V], four layers each way, with some latents for each class.

    Args:
        values: V.
        classes: C.
        config: Sizes.
    """

    def __init__(self, values: int, classes: int, config: VabAlConfig) -> None:
        super().__init__()
        self.classes, self.latents = classes, config.latents
        size, width = classes * config.latents, config.hidden
        self.hidden = nn.Sequential(*_layers(values, width, 3))
        self.mean = nn.Linear(width, size)
        self.log_variance = nn.Linear(width, size)
        self.decoder = nn.Sequential(*_layers(size, width, 3), nn.Linear(width, values))

    def infer(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of q(z | v), [B, Z]."""
        hidden = self.hidden(v)
        return self.mean(hidden), self.log_variance(hidden).clamp(-10, 10)

    def absence(self, z: Tensor) -> Tensor:
        """Return w [..., C] of z [..., Z] (equation 6): small for the class that z speaks of."""
        return self._by_class(z.square())

    def expected_absence(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """Return E[w] [B, C] over q(z | v)."""
        return self._by_class(mean.square() + log_variance.exp())

    def class_divergence(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """Return KL(q || N(0, I)) of each class's latents [B, C]."""
        return self._by_class(0.5 * (mean.square() + log_variance.exp() - log_variance - 1))

    def _by_class(self, each: Tensor) -> Tensor:
        """Sum what is said of each latent [..., Z] over the latents of each class, [..., C]."""
        return each.reshape(*each.shape[:-1], self.classes, self.latents).sum(dim=-1)


class VabAlScore(nn.Module):
    """p(y != y^ | x) of the features of a sample (equation 5): layers' features [B, F_l] -> [B].

    Args:
        inputs: Fitted.
        vae: Trained.
        difficulty: p(y_n | y^_n) [C].
        prior: p(y^_n) [C].
        config: Draws, scale and ablations.
    """

    noise: Tensor
    kept: Tensor
    difficulty: Tensor
    log_prior: Tensor

    def __init__(
        self,
        inputs: FeatureInput,
        vae: ClassMaskedVae,
        difficulty: Tensor,
        prior: Tensor,
        config: VabAlConfig,
    ) -> None:
        super().__init__()
        self.inputs, self.vae = inputs, vae
        self.likelihood_scale = config.likelihood_scale
        self.all_classes = config.all_classes
        rng = torch.Generator().manual_seed(config.seed)
        size = vae.classes * vae.latents
        self.register_buffer("noise", torch.randn(config.draws, 1, size, generator=rng))
        mask = 1 - torch.eye(vae.classes).repeat_interleave(vae.latents, dim=1)  # [C, Z]
        self.register_buffer("kept", mask[:, None])  # [C, 1, Z]
        self.register_buffer("difficulty", difficulty if config.difficulty else torch.ones_like(difficulty))
        self.register_buffer("log_prior", prior.log() if config.prior else torch.zeros_like(prior))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return the scores [B]."""
        v = self.inputs(features)
        mean, log_variance = self.vae.infer(v)
        deviation = (0.5 * log_variance).exp()
        parts = torch.split(self.noise, _DRAWS_AT_ONCE)
        missed = sum((self._errors(v, mean + deviation * noise) for noise in parts), torch.zeros(()))
        missed = missed / len(self.noise)  # [C, B]
        each = self.vae.class_divergence(mean, log_variance)  # [B, C]
        bound = -missed.transpose(0, 1) - (each.sum(dim=1, keepdim=True) - each)  # [B, C]
        posterior = torch.softmax(self.likelihood_scale * bound + self.log_prior, dim=1)
        # 1 - sum_n d_n q_n over the classes that count, without taking two nearly equal numbers from each other.
        errors = 1 - self.difficulty  # [C]
        if not self.all_classes:
            predicted = self.vae.expected_absence(mean, log_variance).argmin(dim=1)
            errors = 1 - self.difficulty * F.one_hot(predicted, self.vae.classes)  # [B, C]
        return (posterior * errors).sum(dim=1)

    def _errors(self, v: Tensor, z: Tensor) -> Tensor:
        """Return what each class's VAE misses of v [B, V], -log p(v | z) summed over draws z [M, B, Z], as [C, B]."""
        rebuilt = self.vae.decoder(z.unsqueeze(1) * self.kept)  # [M, C, B, V]
        errors: Tensor = 0.5 * (rebuilt - v).square().sum(dim=(0, -1))
        return errors


class VabAl(nn.Module):
    """The classifier with its VaB-AL score: x -> (logits, score), with the embedding between where there is one.

    Attributes:
        difficulty: p(y_n | y^_n) [C].
        prior: p(y^_n) [C].
        agreement: How often the VAE's prediction is the classifier's, on the unlabeled samples.
    """

    def __init__(self, tapped: DeepFeatures, score: VabAlScore, prior: Tensor, agreement: float) -> None:
        super().__init__()
        self.tapped, self.score = tapped, score
        self.prior, self.agreement = prior, agreement

    @property
    def difficulty(self) -> Tensor:
        """p(y_n | y^_n) [C]."""
        return self.score.difficulty

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return logits [B, C], the embedding [B, E] where there is one, and p(y != y^ | x) [B]."""
        logits, embedding, features = self.tapped(x)
        score = self.score(features)
        return (logits, score) if embedding is None else (logits, embedding, score)


def train_vab_al(
    classifier: nn.Module,
    unlabeled: Tensor,
    labeled: Tensor,
    labels: Tensor,
    config: VabAlConfig | None = None,
) -> VabAl:
    """Train the VAE on the unlabeled samples and estimate difficulty and prior on the labeled ones (Algorithm 1).

    Args:
        classifier: Trained; x -> logits [B, C], or (logits, embedding). Left as it is.
        unlabeled: x [N, ...] of the pool, or a sample of it.
        labeled: x [L, ...].
        labels: int64 [L], in 0…C-1.
        config: Settings.

    Raises:
        TrainerError: If there are too few samples, or the training diverges.
    """
    config = config or VabAlConfig()
    if len(unlabeled) < 2 or not len(labeled):
        raise TrainerError(
            f"{len(unlabeled)} unlabeled and {len(labeled)} labeled samples; 2 and 1 are needed"
        )
    tapped = DeepFeatures(frozen(classifier), config.layers).eval()
    logits, features = in_batches(tapped, unlabeled)
    _, labeled_features = in_batches(tapped, labeled)
    predicted, classes = logits.argmax(dim=1), logits.shape[1]
    with seeded(config.seed):
        inputs = FeatureInput([each.shape[1] for each in features], config.hidden)
        inputs.fit(features)
        vae = ClassMaskedVae(len(inputs.center), classes, config)
    rng = torch.Generator().manual_seed(config.seed + 1)
    v = inputs(features)
    _train_vae(vae, v, predicted, config, rng)
    difficulty, prior = _estimate(vae, inputs(labeled_features), labels, config, rng)
    with torch.no_grad():
        agreement = float((vae.expected_absence(*vae.infer(v)).argmin(dim=1) == predicted).float().mean())
    score = VabAlScore(inputs, vae, difficulty, prior, config).eval().requires_grad_(False)
    return VabAl(tapped, score, prior, agreement).eval()


def class_loss(absence: Tensor, predicted: Tensor) -> Tensor:
    """Return H(softmax(-w), y^) averaged (equation 7) of w [B, C] and y^ [B]."""
    return F.cross_entropy(-absence, predicted)


def _train_vae(
    vae: ClassMaskedVae, v: Tensor, predicted: Tensor, config: VabAlConfig, rng: torch.Generator
) -> None:
    optimizer = torch.optim.Adam(vae.parameters(), config.learning_rate)
    for _ in range(config.epochs):
        for rows in torch.split(torch.randperm(len(v), generator=rng), config.batch_size):
            given = v[rows]
            mean, log_variance = vae.infer(given)
            z = mean + (0.5 * log_variance).exp() * torch.randn(mean.shape, generator=rng)
            error = 0.5 * (vae.decoder(z) - given).square().sum(dim=1)
            bound = (error + vae.class_divergence(mean, log_variance).sum(dim=1)).mean() / v.shape[1]
            loss = bound + config.weight * class_loss(vae.absence(z), predicted[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
    if not all(bool(torch.isfinite(weight).all()) for weight in vae.parameters()):
        raise TrainerError("the VAE diverged; a smaller learning_rate or weight may help")


@torch.no_grad()
def _estimate(
    vae: ClassMaskedVae, v: Tensor, labels: Tensor, config: VabAlConfig, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return p(y_n | y^_n) and p(y^_n) [C] (equations 10 and 11)."""
    mean, log_variance = vae.infer(v)
    deviation = (0.5 * log_variance).exp()
    said = torch.zeros(vae.classes)  # E[y^ = n] as samples
    right = torch.zeros(vae.classes)
    for _ in range(config.label_draws):
        predicted = vae.absence(mean + deviation * torch.randn(mean.shape, generator=rng)).argmin(dim=1)
        said += torch.bincount(predicted, minlength=vae.classes) / config.label_draws
        hits = predicted[predicted == labels]
        right += torch.bincount(hits, minlength=vae.classes) / config.label_draws
    difficulty = (right + _PSEUDO_COUNT) / (said + 2 * _PSEUDO_COUNT)
    prior = (said + _PSEUDO_COUNT) / (len(v) + _PSEUDO_COUNT * vae.classes)
    return difficulty, prior


def export_vab_al(
    classifier: nn.Module,
    unlabeled: Tensor,
    labeled: Tensor,
    labels: Tensor,
    config: VabAlConfig | None = None,
) -> bytes:
    """Train VaB-AL's score for a classifier and return both as one graph, ready to upload; see `train_vab_al`.

    Raises:
        TrainerError: As `train_vab_al`.
        graphs.GraphError: If the classifier cannot be exported.
    """
    from trainer.scores.exporting import export_scored

    return export_scored(train_vab_al(classifier, unlabeled, labeled, labels, config), unlabeled)


def _layers(incoming: int, width: int, count: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for _ in range(count):
        layers += [nn.Linear(incoming, width), nn.ReLU()]
        incoming = width
    return layers
