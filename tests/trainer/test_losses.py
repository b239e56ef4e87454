from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from trainer import losses


def test_the_gradient_penalty_of_a_linear_critic_is_that_of_its_weight() -> None:
    weight = torch.tensor([3.0, 4.0])  # norm 5
    penalty = losses.gradient_penalty(
        lambda x: x @ weight, torch.randn(6, 2), torch.randn(6, 2), torch.rand(6)
    )
    assert penalty.item() == pytest.approx((5 - 1) ** 2, rel=1e-5)


def test_the_gradient_penalty_is_taken_between_real_and_fake() -> None:
    seen: list[torch.Tensor] = []

    def critic(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.detach())
        return x.flatten(1).sum(dim=1)

    real, fake = torch.ones(3, 1, 2, 2), torch.zeros(3, 1, 2, 2)
    mix = torch.tensor([0.0, 0.25, 1.0])
    losses.gradient_penalty(critic, real, fake, mix)
    assert seen[0][:, 0, 0, 0].tolist() == mix.tolist()


def test_the_gradient_penalty_trains_the_critic_to_slope_one() -> None:
    critic = nn.Linear(3, 1)
    optimizer = torch.optim.Adam(critic.parameters(), 0.05)
    for _ in range(200):
        optimizer.zero_grad()
        losses.gradient_penalty(
            lambda x: critic(x).squeeze(1), torch.randn(8, 3), torch.randn(8, 3), torch.rand(8)
        ).backward()
        optimizer.step()
    assert critic.weight.norm().item() == pytest.approx(1, abs=1e-3)


def test_wasserstein_losses_pull_in_opposite_directions() -> None:
    real, fake = torch.tensor([3.0, 5.0]), torch.tensor([1.0, -1.0])
    assert losses.wasserstein_distance(real, fake).item() == 4
    assert losses.wasserstein_generator_loss(fake).item() == 0
    assert losses.wasserstein_generator_loss(fake + 2).item() == -2


def test_non_saturating_losses_are_the_cross_entropies_of_the_paper() -> None:
    real, fake = torch.tensor([0.3, -2.0]), torch.tensor([1.5, 0.1])

    def log_sigmoid(values: list[float]) -> float:
        return sum(math.log(1 / (1 + math.exp(-v))) for v in values) / len(values)

    wanted = -log_sigmoid([0.3, -2.0]) - log_sigmoid([-1.5, -0.1])
    assert losses.discriminator_loss(real, fake).item() == pytest.approx(wanted, rel=1e-6)
    assert losses.non_saturating_generator_loss(fake).item() == pytest.approx(
        -log_sigmoid([1.5, 0.1]), rel=1e-6
    )


def test_the_generator_gets_a_gradient_even_when_the_discriminator_is_sure() -> None:
    sure = torch.tensor([-30.0], requires_grad=True)
    losses.non_saturating_generator_loss(sure).backward()
    assert sure.grad is not None and sure.grad.item() == pytest.approx(-1)
