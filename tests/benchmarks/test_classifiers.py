from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.common.classifiers import (
    Sgd,
    TrainingPlan,
    WithEmbedding,
    accuracy,
    all_cnn,
    digits_net,
    entropies,
    lenet,
    logits_of,
    recalls,
    train_classifier,
)

PLAN = TrainingPlan(build=digits_net, epochs=8, batch_size=20, learning_rate=2e-3)


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    loaded = load_digits()
    x = (loaded.images[:, None] / 8 - 1).astype(np.float32)
    return x, loaded.target.astype(np.int64)


def test_training_learns_digits(digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits
    module = train_classifier(PLAN, x[:300], y[:300], seed=0)
    assert accuracy(module, x[1000:], y[1000:]) > 0.8


def test_the_same_seed_trains_the_same_classifier(digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits
    first, second, other = (train_classifier(PLAN, x[:60], y[:60], seed=seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


def test_training_leaves_the_global_random_state_alone(digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits
    before = torch.get_rng_state()
    train_classifier(PLAN, x[:20], y[:20], seed=5)
    assert torch.equal(torch.get_rng_state(), before)


def test_entropy_is_that_of_the_softmax() -> None:
    module = nn.Flatten()
    x = np.log(np.array([[0.5, 0.5, 1e-9], [1.0, 1e-9, 1e-9]], np.float32))
    assert entropies(module, x) == pytest.approx([np.log(2), 0.0], abs=1e-5)


def test_lenet_has_the_sizes_of_lenet() -> None:
    module = lenet()
    assert module(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert sum(weights.numel() for weights in module.parameters()) == 431_080


def test_all_cnn_has_the_sizes_of_all_cnn_c() -> None:
    module = all_cnn().eval()
    assert module(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert module[:-2](torch.zeros(1, 3, 32, 32)).shape == (1, 10, 6, 6)
    assert sum(weights.numel() for weights in module.parameters()) == 1_369_738


def test_what_dropout_leaves_out_follows_the_seed() -> None:
    x, y = np.random.default_rng(0).normal(size=(8, 3, 32, 32)).astype(np.float32), np.arange(8)
    plan = TrainingPlan(build=all_cnn, epochs=1, batch_size=4, learning_rate=0.01, sgd=Sgd(momentum=0.9))
    torch.rand(3)  # what was drawn before must not matter
    first = train_classifier(plan, x, y, seed=1)
    torch.rand(5)
    second = train_classifier(plan, x, y, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_gradient_descent_learns_digits_and_its_rate_falls_when_said(
    digits: tuple[np.ndarray, np.ndarray],
) -> None:
    x, y = digits

    def trained(*falls: int) -> nn.Module:
        sgd = Sgd(momentum=0.9, weight_decay=1e-4, decay_epochs=falls)
        return train_classifier(replace(PLAN, learning_rate=0.02, sgd=sgd), x[:300], y[:300], seed=0)

    constant, early, afterwards = trained(), trained(2), trained(PLAN.epochs)
    assert accuracy(constant, x[1000:], y[1000:]) > 0.8
    weights = [next(module.parameters()) for module in (constant, early, afterwards)]
    assert torch.equal(weights[0], weights[2]) and not torch.equal(weights[0], weights[1])
    described = [replace(PLAN, sgd=sgd).describe() for sgd in (None, Sgd(momentum=0.9))]
    assert described[0] == PLAN.describe() != described[1]


def test_bfloat16_learns_as_well_and_leaves_float32_weights_in_the_usual_layout(
    digits: tuple[np.ndarray, np.ndarray],
) -> None:
    x, y = digits
    module = train_classifier(replace(PLAN, bfloat16=True), x[:300], y[:300], seed=0)
    assert all(each.dtype == torch.float32 and each.is_contiguous() for each in module.parameters())
    exact, rough = logits_of(module, x[1000:]), logits_of(module, x[1000:], bfloat16=True)
    assert rough.dtype == torch.float32 and not torch.equal(exact, rough)
    assert (exact.argmax(1) == rough.argmax(1)).double().mean() > 0.97
    assert accuracy(module, x[1000:], y[1000:]) > 0.8


def test_recalls_are_those_of_each_class() -> None:
    logits = torch.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 1.0], [3.0, 1.0]])  # predicts 0, 1, 1, 0
    assert recalls(logits, np.array([0, 0, 1, 0])).tolist() == pytest.approx([2 / 3, 1.0])


def test_the_embedding_is_what_the_last_layer_sees() -> None:
    classifier = digits_net()
    x = torch.randn(3, 1, 8, 8)
    logits, embedding = WithEmbedding(classifier)(x)
    assert torch.equal(logits, classifier(x)) and embedding.shape == (3, 64)
    assert torch.equal(classifier[-1](embedding), logits)
