"""VAE-ACGAN: encoder, generator, discriminator and classifier trained jointly on labeled samples (BGADL, Algorithm 1).

With x of label y, x' = g(e(x), y) and g(u, v) of a random latent u and class v (equations 3, 7, 8, 9):

    L_rec   = |x - x'|^2 / 2, summed over a sample's values,    L_prior = KL(q(z | x) || N(0, I))
    e minimizes  L_rec + L_prior
    d minimizes  -log d(x) - log(1 - d(x')) - log(1 - d(g(u, v)))
    c minimizes  -log c_y(x) - (log c_y(x') + log c_v(g(u, v))) / 2
    g minimizes  gamma L_rec - log d(x') - log d(g(u, v)) - log c_y(x') - log c_v(g(u, v)),   gamma = 0.75

ACGAN is the same without the encoder, thus without x': Bayesian data augmentation (BDA; Tran et al. 2017), whose
generated samples do not depend on the informative ones. "pmda" has deformed samples in place of x' and no networks but
the classifier, "none" the classifier alone: the rivals of BGADL section 5, trained by the same steps.

Where this differs from the paper: the signs of Algorithm 1 have g help the discriminator, as printed; here it opposes
it, by the non-saturating loss (Goodfellow et al. 2014, section 3). L_rec, which has no unit there, is in nats: as a
mean over the values it leaves x' farther from x. c counts each real sample as much as all of its generated ones
(section 5: as many artificial samples as real ones), and takes them only once g has had `warm_up` updates: until then
they are noise with labels. The class reaches g as its last C latents (`trainer.networks.conditional`), and what is
trained on is of one class for certain.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.losses import non_saturating_generator_loss
from trainer.networks.conditional import ClassLatents, class_latents
from trainer.networks.convolutional import Critic, conv_critic, conv_generator
from trainer.networks.dropout_classifier import dropout_classifier
from trainer.networks.variational import Posterior, conv_posterior
from trainer.seeding import seeded
from trainer.transforms import deformed
from trainer.vae import drawn, kl_divergence

GAMMA = 0.75
WARM_UP = 1000
ADAM_BETAS = (0.5, 0.999)
CLASSIFIER_LEARNING_RATE = 0.01
CLASSIFIER_MOMENTUM = 0.9
AUGMENTATIONS = ("none", "pmda", "acgan", "vae-acgan")


class JointTraining:
    """A classifier and what augments its labeled samples, with their optimizers.

    Args:
        sample_shape: (C, H, W); samples lie in [-1, 1].
        class_count: C.
        augmentation: One of `AUGMENTATIONS`.
        latent_dim: Z of the generator, the C latents of the class included.
        width: Channels that scale generator, discriminator and encoder.
        learning_rate: Of their Adam optimizers.
        seed: Of the first weights.
        device: Where to train.
        classifier: Freshly made u [B, ...] -> logits [B, C]; None makes a small one with dropout.
        warm_up: Updates of the generator before the classifier takes what it makes.

    Attributes:
        classifier: c.
        generator: g, z [B, Z] -> u; None where nothing is generated.
        posterior: e, u -> mean and log variance [B, Z - C]; None but for "vae-acgan".
        discriminator: d; None where nothing is generated.
        updates: Made so far.
    """

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        class_count: int,
        *,
        augmentation: str,
        latent_dim: int,
        width: int,
        learning_rate: float,
        seed: int,
        device: torch.device,
        classifier: nn.Module | None = None,
        warm_up: int = WARM_UP,
    ) -> None:
        self.augmentation = augmentation
        self.latent_dim = latent_dim
        self.class_count = class_count
        self.device = device
        self.warm_up = warm_up
        self.updates = 0
        self.generator: nn.Module | None = None
        self.discriminator: Critic | None = None
        self.posterior: Posterior | None = None
        self._optimizers: dict[str, torch.optim.Optimizer] = {}
        with seeded(seed):
            made = classifier if classifier is not None else dropout_classifier(sample_shape, class_count)
            self.classifier: nn.Module = made.to(device)
            if augmentation in ("acgan", "vae-acgan"):
                layers = conv_generator(latent_dim, sample_shape, width)
                self.generator = nn.Sequential(ClassLatents(class_count), *layers).to(device)
                self.discriminator = conv_critic(sample_shape, width, batch_norm=False).to(device)
            if augmentation == "vae-acgan":
                self.posterior = conv_posterior(latent_dim - class_count, sample_shape, width).to(device)
        self._optimizers["classifier"] = torch.optim.SGD(
            self.classifier.parameters(), CLASSIFIER_LEARNING_RATE, CLASSIFIER_MOMENTUM
        )
        for name, network in self._generative().items():
            self._optimizers[name] = torch.optim.Adam(network.parameters(), learning_rate, ADAM_BETAS)

    def update(self, u: Tensor, classes: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """Take one step of every network on labeled u [B, ...] of `classes` [B]; return the losses as scalars."""
        self.classifier.train()
        generated: list[tuple[Tensor, Tensor]] = []
        losses: dict[str, Tensor] = {}
        # Dropout draws from the global state, which a resumed run does not have.
        with seeded(int(torch.randint(2**62, (1,), generator=rng)), self.device):
            if self.augmentation == "pmda":
                generated = [(deformed(u, rng), classes)]
            elif self.generator is not None:
                generated, losses = self._update_generative(u, classes, rng)
                if self.updates < self.warm_up:
                    generated = []
            losses |= self._update_classifier(u, classes, generated)
        self.updates += 1
        return losses

    @torch.no_grad()
    def companions(self, u: Tensor, classes: Tensor) -> Tensor:
        """Return x' = g(mean of e(x), y) [B, ...] of labeled u [B, ...] (BGADL equation 3).

        Raises:
            ValueError: If there is no encoder.
        """
        if self.generator is None or self.posterior is None:
            raise ValueError(f"{self.augmentation} has no encoder; only vae-acgan reconstructs samples")
        mean, _ = self.posterior.eval()(u)
        latents = class_latents(mean, classes, self.class_count)
        return _evaluated(self.generator, latents)

    @torch.no_grad()
    def samples(self, classes: Tensor, rng: torch.Generator) -> Tensor:
        """Return g(u, y) [B, ...] of random latents u and `classes` [B].

        Raises:
            ValueError: If there is no generator.
        """
        if self.generator is None:
            raise ValueError(f"{self.augmentation} has no generator")
        return _evaluated(self.generator, self._random_latents(classes, rng))

    def state(self) -> dict[str, Any]:
        """Return everything a checkpoint needs."""
        networks = {"classifier": self.classifier, **self._generative()}
        return {
            "networks": {name: network.state_dict() for name, network in networks.items()},
            "optimizers": {name: each.state_dict() for name, each in self._optimizers.items()},
            "updates": self.updates,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        for name, network in {"classifier": self.classifier, **self._generative()}.items():
            network.load_state_dict(state["networks"][name])
            self._optimizers[name].load_state_dict(state["optimizers"][name])
        self.updates = state["updates"]

    def _generative(self) -> dict[str, nn.Module]:
        every = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "posterior": self.posterior,
        }
        return {name: network for name, network in every.items() if network is not None}

    def _update_classifier(
        self, u: Tensor, classes: Tensor, generated: list[tuple[Tensor, Tensor]]
    ) -> dict[str, Tensor]:
        parts = [u, *(fake.detach() for fake, _ in generated)]
        labels = torch.cat([classes, *(each for _, each in generated)])
        losses = F.cross_entropy(self.classifier(torch.cat(parts)), labels, reduction="none")
        loss = losses[: len(u)].mean()
        if generated:
            loss = loss + losses[len(u) :].mean()
        self._step("classifier", loss)
        return {"classifier_loss": loss.detach()}

    def _update_generative(
        self, u: Tensor, classes: Tensor, rng: torch.Generator
    ) -> tuple[list[tuple[Tensor, Tensor]], dict[str, Tensor]]:
        """Update d, then e and g; return what g made with its classes, and the losses."""
        assert self.generator is not None and self.discriminator is not None  # of this augmentation
        self.generator.train()
        losses: dict[str, Tensor] = {}
        latents: list[Tensor] = []
        made: list[Tensor] = []
        prior: Tensor | None = None
        if self.posterior is not None:
            mean, log_variance = self.posterior.train()(u)
            prior = kl_divergence(mean, log_variance).mean()
            latents.append(class_latents(drawn(mean, log_variance, rng), classes, self.class_count))
            made.append(classes)
        seen = torch.unique(classes)  # a class without labels has nothing to be generated from
        made.append(seen[torch.randint(len(seen), (len(u),), generator=rng).to(self.device)])
        latents.append(self._random_latents(made[-1], rng))
        fake = self.generator(torch.cat(latents))  # [B or 2 B, ...], x' before g(u, v)

        scores = self.discriminator(torch.cat([u, fake.detach()]))
        real, generated = scores[: len(u)], scores[len(u) :]
        loss = F.softplus(-real).mean() + len(made) * F.softplus(generated).mean()
        self._step("discriminator", loss)
        losses["discriminator_loss"] = loss.detach()

        # Both through networks that must not change here.
        self.discriminator.requires_grad_(False)
        self.classifier.requires_grad_(False)
        adversarial = non_saturating_generator_loss(self.discriminator(fake))
        objective = len(made) * (adversarial + F.cross_entropy(self.classifier(fake), torch.cat(made)))
        reconstruction = torch.zeros(())
        if prior is not None:
            reconstruction = 0.5 * ((u - fake[: len(u)]) ** 2).flatten(1).sum(dim=1).mean()
            objective = objective + GAMMA * reconstruction
        self._optimizers["generator"].zero_grad(set_to_none=True)
        objective.backward(  # type: ignore[no-untyped-call]
            inputs=list(self.generator.parameters()), retain_graph=prior is not None
        )
        if self.posterior is not None and prior is not None:
            self._optimizers["posterior"].zero_grad(set_to_none=True)
            evidence = reconstruction + prior
            evidence.backward(inputs=list(self.posterior.parameters()))  # type: ignore[no-untyped-call]
            self._optimizers["posterior"].step()
            losses |= {"reconstruction_loss": reconstruction.detach(), "kl_divergence": prior.detach()}
        self._optimizers["generator"].step()
        self.discriminator.requires_grad_(True)
        self.classifier.requires_grad_(True)
        losses["generator_loss"] = objective.detach()
        return [(fake, torch.cat(made))], losses

    def _random_latents(self, classes: Tensor, rng: torch.Generator) -> Tensor:
        """Return z [B, Z] of random noise and certain `classes` [B]."""
        noise = torch.randn(len(classes), self.latent_dim - self.class_count, generator=rng)
        return class_latents(noise.to(self.device), classes, self.class_count)

    def _step(self, name: str, loss: Tensor) -> None:
        self._optimizers[name].zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizers[name].step()


def _evaluated(generator: nn.Module, latents: Tensor) -> Tensor:
    """Return what a generator makes with the batch norms of evaluation; its mode is left as it was."""
    training = generator.training
    generator.eval()
    made: Tensor = generator(latents)
    generator.train(training)
    return made
