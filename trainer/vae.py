"""A variational auto-encoder trained on the pool (Kingma and Welling 2014; BALD-VAE section III.C).

Per sample, equation 10 there with one draw:

    L = -log p(x | z) + KL(q(z | x) || N(0, I)),   z = mean(x) + exp(log_variance(x) / 2) * e,   e ~ N(0, I)
    KL = -1/2 sum_j (1 + log_variance_j - mean_j^2 - exp(log_variance_j))

log p is that of independent Bernoulli pixels (x from [-1, 1] taken to [0, 1]), or of a normal density of unit variance
for standardized vectors. BALD-VAE equation 4 reconstructs a labeled sample as x' = d(e(x)), with the mean for e(x).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.networks.variational import Posterior, vae_decoder, vae_posterior
from trainer.seeding import seeded


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(q || N(0, I)) [B] of diagonal normals [B, Z]."""
    return -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(dim=1)


def reconstruction_loss(u: Tensor, reconstructed: Tensor) -> Tensor:
    """Return -log p(u | z) [B] up to a constant: Bernoulli pixels for images [B, C, H, W], normal for [B, F]."""
    if u.dim() == 2:
        return 0.5 * ((u - reconstructed) ** 2).sum(dim=1)
    # Float images scaled to [-1, 1] may leave it by a rounding error, which the loss refuses.
    pixels = F.binary_cross_entropy((reconstructed + 1) / 2, ((u + 1) / 2).clamp(0, 1), reduction="none")
    return pixels.flatten(1).sum(dim=1)


def drawn(mean: Tensor, log_variance: Tensor, rng: torch.Generator) -> Tensor:
    """Return one z [B, Z] of each posterior, differentiable in its parameters."""
    noise = torch.randn(mean.shape, generator=rng).to(mean.device)
    return mean + (0.5 * log_variance).exp() * noise


class VariationalAutoencoder:
    """Networks and optimizer of a plain VAE, on the networks' scale u.

    Args:
        sample_shape: Of u without the batch.
        latent_dim: Z.
        width: Channels (color images) or hidden units.
        learning_rate: Of Adam.
        seed: Of the first weights.
        device: Where to train.
    """

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        *,
        latent_dim: int,
        width: int,
        learning_rate: float,
        seed: int,
        device: torch.device,
    ) -> None:
        with seeded(seed):
            self.posterior: Posterior = vae_posterior(latent_dim, sample_shape, width).to(device)
            self.generator: nn.Module = vae_decoder(latent_dim, sample_shape, width).to(device)
        self.latent_dim = latent_dim
        self.device = device
        weights = [*self.posterior.parameters(), *self.generator.parameters()]
        self._optimizer = torch.optim.Adam(weights, learning_rate)

    def update(self, u: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """Take one step on u [B, ...]; return the losses as scalars."""
        mean, log_variance = self.posterior(u)
        reconstruction = reconstruction_loss(u, self.generator(drawn(mean, log_variance, rng))).mean()
        divergence = kl_divergence(mean, log_variance).mean()
        self._optimizer.zero_grad(set_to_none=True)
        (reconstruction + divergence).backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return {"reconstruction_loss": reconstruction.detach(), "kl_divergence": divergence.detach()}

    def state(self) -> dict[str, Any]:
        """Return everything a checkpoint needs."""
        return {
            "generator": self.generator.state_dict(),
            "posterior": self.posterior.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.generator.load_state_dict(state["generator"])
        self.posterior.load_state_dict(state["posterior"])
        self._optimizer.load_state_dict(state["optimizer"])
