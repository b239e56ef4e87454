"""Class-prior weighting of every head against torch's autograd, and what it does to rankings."""

import numpy as np
import onnxruntime
import pytest
import torch

from graphs import GraphKind, check
from query_server.acquisition import FUNCTIONS, HeadCondition, acquisition_function, class_prior_weights
from query_server.acquisition.function import Reads

CASES = [
    (name, passes)
    for name, function in sorted(FUNCTIONS.items())
    for passes in (0, 1, 3)
    if function.reads is not Reads.OWN_SCORE and (passes > 1 or function.reads is not Reads.EVERY_PASS)
]


def run(head, logits):
    session = onnxruntime.InferenceSession(head.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(("score", "dlogits"), {"logits": np.asarray(logits, np.float32)})


def rarity(logits, weights):
    """Expected rarity [B] of logits [B, C] or [T, B, C]."""
    two = torch.cat([torch.zeros_like(logits), logits], -1) if logits.shape[-1] == 1 else logits
    p = two.softmax(-1)
    return (p.mean(0) if p.ndim == 3 else p) @ weights


@pytest.mark.parametrize("classes", [1, 2, 5])
@pytest.mark.parametrize(("name", "passes"), CASES)
def test_weighted_score_and_gradient_equal_autograds(name, passes, classes):
    """The product rule on top of the plain head, which other tests hold to autograd itself."""
    function = acquisition_function(name)
    generator = torch.Generator().manual_seed(10 * classes + passes)
    shape = (*((passes,) if passes else ()), 17, classes)
    logits = (2 * torch.randn(shape, generator=generator, dtype=torch.float64)).float().double()
    weights = torch.rand(max(2, classes), generator=generator) * 3 + 0.1
    targets = None
    if function.needs_targets:
        targets = torch.randn(passes, 4, max(2, classes), generator=generator).softmax(2).numpy()
    plain = function.head(classes, passes, condition=HeadCondition(targets=targets))
    condition = HeadCondition(class_weights=weights.numpy(), targets=targets)
    weighted = function.head(classes, passes, condition=condition)
    score, dlogits = (torch.from_numpy(each).double() for each in run(plain, logits))

    # A function whose value and gradient at these logits are the plain head's.
    moved = logits.clone().requires_grad_()
    linear = score + ((moved - logits) * dlogits).sum(-1).reshape(-1, 17).sum(0)
    expected_rarity = rarity(moved, weights.double())
    expected = linear / expected_rarity if name == "minimum_distance" else linear * expected_rarity
    (gradient,) = torch.autograd.grad(expected.sum(), moved)

    got_score, got_dlogits = run(weighted, logits)
    np.testing.assert_allclose(got_score, expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got_dlogits, gradient.numpy(), rtol=1e-4, atol=1e-6)
    info = check(weighted, GraphKind.ACQUISITION)
    assert (info.input_shape, info.passes) == ((classes,), passes or None)


@pytest.mark.parametrize("name", ["maximum_entropy", "least_confidence", "margin", "minimum_distance"])
def test_of_two_equally_uncertain_samples_the_one_that_may_be_rare_scores_higher(name):
    logits = np.array([[1.0, 0.5, -3.0], [-3.0, 0.5, 1.0]])
    plain, _ = run(acquisition_function(name).head(3), logits)
    assert plain[0] == pytest.approx(plain[1], rel=1e-6)
    weights = class_prior_weights(np.array([50, 40, 2]), 1.0)
    score, _ = run(acquisition_function(name).head(3, condition=HeadCondition(class_weights=weights)), logits)
    assert score[1] > score[0]


def test_weights_are_the_inverse_of_counts_to_a_power():
    counts = np.array([0, 11, 4])
    np.testing.assert_allclose(class_prior_weights(counts, 1.0), [6, 0.5, 1.2])
    np.testing.assert_allclose(class_prior_weights(counts, 2.0), [36, 0.25, 1.44], rtol=1e-6)
    np.testing.assert_array_equal(class_prior_weights(counts, 0.0), [1, 1, 1])


def test_class_weights_for_other_classes_are_refused():
    weights = HeadCondition(class_weights=np.ones(3, np.float32))
    with pytest.raises(ValueError, match="class_weights"):
        acquisition_function("margin").head(1, condition=weights)


def test_conditions_are_told_apart_by_content():
    values = np.full((2, 3, 2), 0.5, np.float32)
    digests = {
        HeadCondition().digest,
        HeadCondition(targets=values).digest,
        HeadCondition(targets=values.reshape(3, 2, 2)).digest,
        HeadCondition(class_weights=values.ravel()).digest,
        HeadCondition(class_weights=values.ravel() * 2).digest,
    }
    assert len(digests) == 5
    assert HeadCondition(targets=values.copy()).digest == HeadCondition(targets=values).digest
