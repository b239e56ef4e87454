from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks.latency.torch_reference import TorchSelector

N, F = 400, 5


@pytest.fixture(scope="module")
def selector() -> TorchSelector:
    """Vectors, two classes split by the first coordinate: entropy is highest where that is zero."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pool = torch.randn(N, F) * 3
    classifier = nn.Linear(F, 2)
    with torch.no_grad():
        classifier.weight.zero_()
        classifier.weight[0, 0] = 2.0
        classifier.bias.zero_()
    return TorchSelector(
        generator=nn.Identity(),
        classifier=classifier.requires_grad_(False),
        encoder=nn.Identity(),
        pool_x=pool,
        pool_features=pool,
        latent_dim=F,
    )


def select(selector: TorchSelector, available: torch.Tensor, max_scored: int = 60, seed: int = 0):
    return selector.select(
        available, budget=10, latents=8, steps=40, step_size=0.05, max_scored=max_scored, seed=seed
    )


def test_picks_are_distinct_available_and_the_best_scored(selector: TorchSelector) -> None:
    available = torch.ones(N, dtype=torch.bool)
    available[::2] = False
    found = select(selector, available)
    assert len(set(found.rows)) == 10 and all(row % 2 == 1 for row in found.rows)
    assert found.scored == 60
    assert found.scores == sorted(found.scores, reverse=True)


def test_picks_are_more_uncertain_than_the_pool(selector: TorchSelector) -> None:
    found = select(selector, torch.ones(N, dtype=torch.bool))
    distance = selector.pool_x[:, 0].abs()
    assert distance[found.rows].mean() < 0.2 * distance.mean()


def test_the_stages_make_up_the_time(selector: TorchSelector) -> None:
    found = select(selector, torch.ones(N, dtype=torch.bool))
    assert set(found.stages) == {"synthesize", "encode", "search", "score"}
    assert sum(found.stages.values()) == pytest.approx(found.seconds)


def test_the_same_seed_gives_the_same_picks(selector: TorchSelector) -> None:
    available = torch.ones(N, dtype=torch.bool)
    assert select(selector, available, seed=3).rows == select(selector, available, seed=3).rows
