"""GAN losses: Wasserstein with gradient penalty, and the non-saturating one.

Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", equation 3 and algorithm 1:

    L = E[D(fake)] - E[D(real)] + lambda * E[(||grad_m D(m)||_2 - 1)^2],   m = e * real + (1 - e) * fake, e ~ U[0, 1]

with lambda = 10, five critic updates per generator update, and Adam(lr 1e-4, betas (0.5, 0.9)) as in their code.
Goodfellow et al. 2014, section 3: the generator maximizes log D(fake) rather than minimizing log(1 - D(fake)).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

GRADIENT_PENALTY_WEIGHT = 10.0
CRITIC_STEPS = 5
WGAN_BETAS = (0.5, 0.9)
DCGAN_BETAS = (0.5, 0.999)
RESIDUAL_BETAS = (0.0, 0.9)  # of their "CIFAR-10 ResNet" (appendix)


def wasserstein_distance(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """Return the critic's estimate E[D(real)] - E[D(fake)], a scalar, of scores [B]."""
    return real_scores.mean() - fake_scores.mean()


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Tensor,  # [B, ...]
    fake: Tensor,  # [B, ...]
    mix: Tensor,  # [B], uniform in [0, 1]
) -> Tensor:
    """Return E[(||grad D(m)|| - 1)^2], a scalar, at points m between `real` and `fake` (not yet times lambda)."""
    mix = mix.view(-1, *[1] * (real.dim() - 1))  # [B] -> [B, 1, ...]
    between = (mix * real + (1 - mix) * fake).requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty: Tensor = ((gradient.flatten(1).norm(dim=1) - 1) ** 2).mean()
    return penalty


def wasserstein_generator_loss(fake_scores: Tensor) -> Tensor:
    """Return -E[D(fake)], a scalar, of scores [B]."""
    return -fake_scores.mean()


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """Return -E[log D(real)] - E[log(1 - D(fake))], a scalar, of logits [B]."""
    return F.softplus(-real_scores).mean() + F.softplus(fake_scores).mean()


def non_saturating_generator_loss(fake_scores: Tensor) -> Tensor:
    """Return -E[log D(fake)], a scalar, of logits [B]."""
    return F.softplus(-fake_scores).mean()
