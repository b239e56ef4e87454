"""M2: a semi-supervised VAE whose classifier learns from unlabeled samples too (Kingma et al. 2014, equations 6 to 9).

*Semi-Supervised Learning with Deep Generative Models*. With q(y | x) the classifier, q(z | x) the encoder and
p(x | y, z) the decoder, y one of C classes, each as likely as another:

    L(x, y) = -log p(x | y, z) + KL(q(z | x) || N(0, I)) + log C                         of a labeled sample (6)
    U(x)    = sum_y q(y | x) L(x, y) - H(q(y | x))                                       of an unlabeled one (7)
    J       = mean(L) + mean(U) + alpha mean(-log q(y | x)),  alpha = 0.1 N / N_labeled                   (8, 9)

The sum over y is taken exactly, C decodings of an unlabeled sample. Where this differs from Kingma et al.: q(z | x)
does not see y, as in M2-VAAL (*Active Learning using Deep Generative Models*, section 3.1); the networks are those of
the VAE here; batches of both kinds have one size, so that J is a mean; alpha is at most `MOST_ALPHA`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.networks.conditional import ClassLatents, class_latents
from trainer.networks.dropout_classifier import dropout_classifier
from trainer.networks.variational import Posterior, vae_decoder, vae_posterior
from trainer.seeding import seeded
from trainer.vae import drawn, kl_divergence, reconstruction_loss

MOST_ALPHA = 1000.0
_ALPHA = 0.1


class M2Training:
    """Encoder, decoder and classifier in training, with their optimizer.

    Args:
        sample_shape: (C, H, W); samples lie in [-1, 1].
        class_count: C.
        latent_dim: Z of the decoder, the C latents of the class included.
        width: Hidden units, or channels of color images.
        learning_rate: Of Adam.
        seed: Of the first weights.
        device: Where to train.

    Attributes:
        classifier: q(y | x), u [B, ...] -> logits [B, C].
        generator: p(x | y, z), z [B, Z] -> u, the class its last C latents.
        posterior: q(z | x), u -> mean and log variance [B, Z - C].
    """

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        class_count: int,
        *,
        latent_dim: int,
        width: int,
        learning_rate: float,
        seed: int,
        device: torch.device,
    ) -> None:
        self.latent_dim = latent_dim
        self.class_count = class_count
        self.device = device
        with seeded(seed):
            self.classifier: nn.Module = dropout_classifier(sample_shape, class_count).to(device)
            decoder = vae_decoder(latent_dim, sample_shape, width)
            self.generator: nn.Module = nn.Sequential(ClassLatents(class_count), *decoder).to(device)
            self.posterior: Posterior = vae_posterior(latent_dim - class_count, sample_shape, width).to(
                device
            )
        weights = [each for network in self._networks().values() for each in network.parameters()]
        self._optimizer = torch.optim.Adam(weights, learning_rate)

    def update(
        self, labeled: Tensor, classes: Tensor, unlabeled: Tensor, rng: torch.Generator, *, alpha: float
    ) -> dict[str, Tensor]:
        """Take one step; return the losses as scalars.

        Args:
            labeled: u [B, ...].
            classes: Theirs [B].
            unlabeled: u [B', ...].
            rng: Draws latents and dropout.
            alpha: Weight of the classification loss.
        """
        for network in self._networks().values():
            network.train()
        # Dropout draws from the global state, which a resumed run does not have.
        with seeded(int(torch.randint(2**62, (1,), generator=rng)), self.device):
            logits = self.classifier(torch.cat([labeled, unlabeled]))
        known, guessed = logits[: len(labeled)], F.log_softmax(logits[len(labeled) :], dim=1)
        mean, log_variance = self.posterior(torch.cat([labeled, unlabeled]))
        z = drawn(mean, log_variance, rng)
        divergence = kl_divergence(mean, log_variance) + math.log(self.class_count)  # [B + B']
        of_labeled = (
            self._reconstruction(labeled, z[: len(labeled)], classes) + divergence[: len(labeled)]
        ).mean()
        of_unlabeled = self._bound(unlabeled, z[len(labeled) :], divergence[len(labeled) :], guessed).mean()
        classification = F.cross_entropy(known, classes)
        self._optimizer.zero_grad(set_to_none=True)
        (of_labeled + of_unlabeled + alpha * classification).backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return {
            "labeled_loss": of_labeled.detach(),
            "unlabeled_loss": of_unlabeled.detach(),
            "classifier_loss": classification.detach(),
            "kl_divergence": kl_divergence(mean, log_variance).mean().detach(),
        }

    def state(self) -> dict[str, Any]:
        """Return everything a checkpoint needs."""
        networks = {name: network.state_dict() for name, network in self._networks().items()}
        return {"networks": networks, "optimizer": self._optimizer.state_dict()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        for name, network in self._networks().items():
            network.load_state_dict(state["networks"][name])
        self._optimizer.load_state_dict(state["optimizer"])

    def _networks(self) -> dict[str, nn.Module]:
        return {"classifier": self.classifier, "generator": self.generator, "posterior": self.posterior}

    def _reconstruction(self, u: Tensor, z: Tensor, classes: Tensor) -> Tensor:
        """Return -log p(x | y, z) [B] of classes [B]."""
        return reconstruction_loss(u, self.generator(class_latents(z, classes, self.class_count)))

    def _bound(self, u: Tensor, z: Tensor, divergence: Tensor, log_q: Tensor) -> Tensor:
        """Return U(x) [B] (equation 7) of log q(y | x) [B, C]."""
        rows = len(u)
        every = torch.arange(self.class_count, device=u.device).repeat_interleave(rows)  # [C * B]
        many_u = u.repeat(self.class_count, *[1] * (u.dim() - 1))
        errors = self._reconstruction(many_u, z.repeat(self.class_count, 1), every)
        each = errors.reshape(self.class_count, rows).T + divergence[:, None]  # [B, C]
        q = log_q.exp()
        return (q * (each + log_q)).sum(dim=1)


def classification_weight(samples: int, labeled: int) -> float:
    """Return alpha (Kingma et al. 2014, section 4.1)."""
    return min(MOST_ALPHA, _ALPHA * samples / labeled)
