"""A beta-VAE and a discriminator that tells labeled from unlabeled latents: the core of VAAL and its kin.

Sinha et al. 2019, *Variational Adversarial Active Learning* (equations 1 to 4), and M2-VAAL equations 5 to 7. With a
condition c of each sample (nothing in VAAL, a predicted rank in TA-VAAL, the class probabilities in M2-VAAL):

    L_trd = -log p(x | [z, c]) + beta KL(q(z | x) || N(0, I))       of labeled and of unlabeled samples (M2-VAAL 5)
    L_adv = -log D([mu_L, c_L]) - log D([mu_U, c_U])                the VAE has all look labeled (6)
    L_D   = -log D([mu_L, c_L]) - log(1 - D([mu_U, c_U]))           the discriminator tells them apart (7)

Equation 7 is printed with 1 - log D; that of VAAL is taken. L_trd is a mean over samples of sums over values; the
losses of the discriminator are means. The networks are those of the VAE here (`trainer.networks.variational`), the
discriminator has hidden layers of 512.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.errors import TrainerError
from trainer.networks.variational import Posterior, default_width, vae_decoder, vae_posterior
from trainer.vae import drawn, kl_divergence, reconstruction_loss

_DISCRIMINATOR_WIDTH = 512


class AdversarialVae(nn.Module):
    """Encoder, decoder and discriminator.

    Args:
        sample_shape: Of x without the batch; images in [-1, 1], or standardized vectors.
        latent_dim: Z.
        condition_dim: Numbers of a sample's condition; 0 without.
    """

    def __init__(self, sample_shape: tuple[int, ...], latent_dim: int, condition_dim: int) -> None:
        super().__init__()
        width = default_width(sample_shape)
        self.posterior: Posterior = vae_posterior(latent_dim, sample_shape, width)
        self.decoder: nn.Module = vae_decoder(latent_dim + condition_dim, sample_shape, width)
        self.discriminator = nn.Sequential(
            *(nn.Linear(latent_dim + condition_dim, _DISCRIMINATOR_WIDTH), nn.ReLU()),
            *(nn.Linear(_DISCRIMINATOR_WIDTH, _DISCRIMINATOR_WIDTH), nn.ReLU()),
            nn.Linear(_DISCRIMINATOR_WIDTH, 1),
        )

    def vae_parameters(self) -> list[nn.Parameter]:
        """Return the weights of encoder and decoder."""
        return [*self.posterior.parameters(), *self.decoder.parameters()]

    def latents(self, x: Tensor, condition: Tensor | None) -> Tensor:
        """Return [mu, c] [B, Z + dim c], what the discriminator sees."""
        mean, _ = self.posterior(x)
        return mean if condition is None else torch.cat([mean, condition], dim=1)

    def unlabeled_logit(self, latents: Tensor) -> Tensor:
        """Return -logit D [B], the higher the surer that a sample is unlabeled: 1 - D on a scale without saturation."""
        score: Tensor = self.discriminator(latents).squeeze(1)
        return -score

    def vae_loss(
        self,
        x: Tensor,
        condition: Tensor | None,
        rng: torch.Generator,
        *,
        beta: float,
        adversarial: bool,
    ) -> Tensor:
        """Return L_trd, and L_adv with it where asked for, of x [B, ...], half of it labeled."""
        mean, log_variance = self.posterior(x)
        z = drawn(mean, log_variance, rng)
        given = z if condition is None else torch.cat([z, condition], dim=1)
        loss = (reconstruction_loss(x, self.decoder(given)) + beta * kl_divergence(mean, log_variance)).mean()
        if adversarial:
            seen = mean if condition is None else torch.cat([mean, condition], dim=1)
            scores = self.discriminator(seen).squeeze(1)
            loss = loss + 2 * F.binary_cross_entropy_with_logits(scores, torch.ones_like(scores))
        return loss

    def discriminator_loss(self, latents: Tensor, labeled: int) -> Tensor:
        """Return L_D of latents [B, ...] whose first `labeled` are of labeled samples."""
        scores = self.discriminator(latents.detach()).squeeze(1)
        first, second = scores[:labeled], scores[labeled:]
        return F.binary_cross_entropy_with_logits(
            first, torch.ones_like(first)
        ) + F.binary_cross_entropy_with_logits(second, torch.zeros_like(second))


def check_samples(labeled: Tensor, labels: Tensor, unlabeled: Tensor) -> None:
    """Raise TrainerError unless there are labeled and unlabeled samples of one shape, and a label of each."""
    if not len(labeled) or not len(unlabeled):
        raise TrainerError(
            f"{len(labeled)} labeled and {len(unlabeled)} unlabeled samples; both are needed to be told apart"
        )
    if labels.shape != labeled.shape[:1]:
        raise TrainerError(
            f"labels of shape {list(labels.shape)} for {len(labeled)} labeled samples; pass one of each, [L]"
        )
    if labeled.shape[1:] != unlabeled.shape[1:]:
        raise TrainerError(
            f"labeled samples of shape {list(labeled.shape[1:])}, unlabeled ones of {list(unlabeled.shape[1:])}"
        )


def draw_rows(count: int, size: int, rng: torch.Generator) -> Tensor:
    """Return `size` rows below `count` int64, drawn with replacement."""
    return torch.randint(count, (size,), generator=rng)


def check_finite(module: nn.Module) -> None:
    """Raise TrainerError where a training has diverged."""
    if not all(bool(torch.isfinite(weight).all()) for weight in module.parameters()):
        raise TrainerError("the training diverged; a smaller learning_rate may help")
