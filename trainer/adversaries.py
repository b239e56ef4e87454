"""One GAN in training: networks, their optimizers, the averaged generator, and the two kinds of update."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from trainer import losses
from trainer.config import RESIDUAL
from trainer.consistency import CONSISTENCY_WEIGHT, consistency_term
from trainer.networks import Networks
from trainer.networks.conditional import class_shares, draw_class_logits
from trainer.networks.convolutional import Critic
from trainer.seeding import seeded

EMA_DECAY = 0.999


class Adversaries:
    """A generator and a critic trained against each other.

    The generator that is shown and exported is an exponential moving average of the trained one, which removes most
    of the noise of the last updates; its decay rises from 0.1 to 0.999, so that short runs are not held back.

    Args:
        networks: freshly built.
        kind: "dcgan" takes the non-saturating loss, "wgan-ct-resnet" WGAN-GP with the consistency term, everything else
            WGAN-GP.
        latent_dim: Z.
        learning_rate: of both Adam optimizers.
        device: where to train.
        precision: dtype of the forward and backward passes; weights and losses are float32.
        class_count: C of the networks; 0: no classes.
    """

    def __init__(
        self,
        networks: Networks,
        *,
        kind: str,
        latent_dim: int,
        learning_rate: float,
        device: torch.device,
        precision: torch.dtype,
        class_count: int = 0,
    ) -> None:
        # channels_last is faster for convolutions on CPUs and GPUs alike; Linear weights are left as they are.
        self.generator: nn.Module = networks.generator.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.critic: Critic = networks.critic.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = copy.deepcopy(self.generator).requires_grad_(False)
        self.wasserstein = kind != "dcgan"
        self.consistent = kind == "wgan-ct-resnet"
        self.critic_steps = losses.CRITIC_STEPS if self.wasserstein else 1
        self.latent_dim = latent_dim
        self.class_count = class_count
        self.device = device
        self.precision = precision
        betas = losses.WGAN_BETAS if self.wasserstein else losses.DCGAN_BETAS
        if kind in RESIDUAL:
            betas = losses.RESIDUAL_BETAS
        self._generator_optimizer = torch.optim.Adam(
            self.generator.parameters(), learning_rate, betas, fused=True
        )
        self._critic_optimizer = torch.optim.Adam(self.critic.parameters(), learning_rate, betas, fused=True)
        self._updates = 0

    def update_critic(
        self, real: Tensor, rng: torch.Generator, classes: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Take one step of the critic on real u [B, ...] of `classes` [B]; return its losses as scalars.

        Real and fake samples have the same classes, so that the critic cannot tell them apart by these.
        """
        z = torch.randn(len(real), self.latent_dim, generator=rng)
        shares = None
        if self.class_count and classes is not None:
            logits = draw_class_logits(classes, self.class_count, rng)
            z[:, -self.class_count :] = logits
            shares = class_shares(logits).to(self.device)
        with torch.no_grad():
            fake = self._fake(z)
        self._critic_optimizer.zero_grad(set_to_none=True)
        with self._masks(rng):
            return self._step_critic(real, fake, shares, rng)

    def _step_critic(
        self, real: Tensor, fake: Tensor, shares: Tensor | None, rng: torch.Generator
    ) -> dict[str, Tensor]:
        if not self.wasserstein:
            loss = losses.discriminator_loss(self._scores(real, shares), self._scores(fake, shares))
            loss.backward()  # type: ignore[no-untyped-call]
            self._critic_optimizer.step()
            return {"critic_loss": loss.detach()}
        mix = torch.rand(len(real), generator=rng).to(self.device)
        penalty = losses.gradient_penalty(lambda u: self._scores(u, shares), real, fake, mix)
        # Real and fake share one pass: the critic has no batch norm, so they do not see each other.
        scores, hidden = self._scores_and_hidden(
            torch.cat([fake, real]), None if shares is None else torch.cat([shares, shares])
        )
        fake_scores, real_scores = scores[: len(fake)], scores[len(fake) :]
        distance = losses.wasserstein_distance(real_scores, fake_scores)
        loss = losses.GRADIENT_PENALTY_WEIGHT * penalty - distance
        measured = {"wasserstein": distance.detach(), "gradient_penalty": penalty.detach()}
        if self.consistent:
            scores_again, hidden_again = self._scores_and_hidden(real, shares)
            term = consistency_term(real_scores, scores_again, hidden[len(fake) :], hidden_again)
            loss = loss + CONSISTENCY_WEIGHT * term
            measured["consistency_term"] = term.detach()
        loss.backward()  # type: ignore[no-untyped-call]
        self._critic_optimizer.step()
        return {"critic_loss": loss.detach(), **measured}

    def update_generator(self, batch_size: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Take one step of the generator and of its average; return its loss as a scalar."""
        self.critic.requires_grad_(False)
        z = torch.randn(batch_size, self.latent_dim, generator=rng)
        shares = class_shares(z[:, -self.class_count :]).to(self.device) if self.class_count else None
        with self._masks(rng):
            scores = self._scores(self._fake(z), shares)
        loss = (
            losses.wasserstein_generator_loss(scores)
            if self.wasserstein
            else losses.non_saturating_generator_loss(scores)
        )
        self._generator_optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._generator_optimizer.step()
        self.critic.requires_grad_(True)
        self._average()
        return {"generator_loss": loss.detach()}

    def state(self) -> dict[str, Any]:
        """Return everything a checkpoint needs."""
        return {
            "generator": self.generator.state_dict(),
            "averaged": self.averaged.state_dict(),
            "critic": self.critic.state_dict(),
            "generator_optimizer": self._generator_optimizer.state_dict(),
            "critic_optimizer": self._critic_optimizer.state_dict(),
            "updates": self._updates,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.generator.load_state_dict(state["generator"])
        self.averaged.load_state_dict(state["averaged"])
        self.critic.load_state_dict(state["critic"])
        self._generator_optimizer.load_state_dict(state["generator_optimizer"])
        self._critic_optimizer.load_state_dict(state["critic_optimizer"])
        self._updates = state["updates"]

    def _fake(self, z: Tensor) -> Tensor:
        with self._autocast():
            u: Tensor = self.generator(z.to(self.device))
        return u.float()

    def _scores(self, u: Tensor, shares: Tensor | None) -> Tensor:
        return self._scores_and_hidden(u, shares)[0]

    def _scores_and_hidden(self, u: Tensor, shares: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the scores [B] and the last hidden layer [B, E] of one pass."""
        with self._autocast():
            hidden: Tensor = self.critic.hidden(u)
            scores = self.critic.score(hidden, shares)
        return scores.float(), hidden.float()

    @contextlib.contextmanager
    def _masks(self, rng: torch.Generator) -> Iterator[None]:
        """Draw dropout masks from `rng`, so that a resumed run draws those of an unbroken one."""
        if not self.consistent:
            yield
            return
        with seeded(int(torch.randint(2**62, (), generator=rng)), self.device):
            yield

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32)

    @torch.no_grad()
    def _average(self) -> None:
        self._updates += 1
        decay = min(EMA_DECAY, self._updates / (9 + self._updates))
        for averaged, current in zip(self.averaged.parameters(), self.generator.parameters(), strict=True):
            averaged.lerp_(current, 1 - decay)


@torch.no_grad()
def calibrated(
    generator: nn.Module, latent_dim: int, *, batches: int = 20, batch_size: int = 256
) -> nn.Module:
    """Return a float32 CPU copy in eval mode whose batch norms hold the exact statistics of its own weights.

    The running statistics of training belong to the unaveraged weights. Draws come from a fixed seed, so that the
    same weights always give the same generator.
    """
    copied = copy.deepcopy(generator).to("cpu")
    norms = [module for module in copied.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
    copied.train()
    rng = torch.Generator().manual_seed(0)
    for _ in range(batches if norms else 0):
        copied(torch.randn(batch_size, latent_dim, generator=rng))
    return copied.eval().requires_grad_(False)
