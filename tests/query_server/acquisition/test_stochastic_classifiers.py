"""Every acquisition head for stochastic logits [T, B, C], against values worked by hand and torch's autograd."""

import math

import numpy as np
import onnxruntime
import pytest
import torch

from graphs import GraphKind, check
from query_server.acquisition import FUNCTIONS, HeadCondition, acquisition_function
from query_server.acquisition.function import Reads
from query_server.errors import DowserError, Reason

EVERY_PASS = sorted(name for name, function in FUNCTIONS.items() if function.reads is Reads.EVERY_PASS)
ONE_DISTRIBUTION = sorted(set(FUNCTIONS) - {*EVERY_PASS, "own_score"})
OF_LOGITS = sorted({*EVERY_PASS, *ONE_DISTRIBUTION})


def targets(passes, classes):
    """Probabilities [T, 5, C] of target samples, C at least 2."""
    generator = torch.Generator().manual_seed(classes)
    return (2 * torch.randn(passes, 5, max(2, classes), generator=generator)).softmax(2)


def condition_for(name, classes, passes):
    """The targets of a function that needs them, and of no other."""
    if not acquisition_function(name).needs_targets:
        return None
    return HeadCondition(targets=targets(passes, classes).numpy())


def run(name, logits):
    passes, _, classes = logits.shape
    head = acquisition_function(name).head(classes, passes, condition=condition_for(name, classes, passes))
    session = onnxruntime.InferenceSession(head.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(("score", "dlogits"), {"logits": logits.astype(np.float32)})


def entropy(p, axis=-1):
    return -(p * p.log()).sum(axis)


def reference(name, logits):
    """Scores of logits [T, B, C], and what their gradient is the gradient of."""
    two = torch.cat([torch.zeros_like(logits), logits], 2) if logits.shape[2] == 1 else logits
    p = two.softmax(2)
    mean = p.mean(0)
    first, second = mean.topk(2).values.unbind(1)
    highest, next_highest = two.mean(0).topk(2).values.unbind(1)
    votes = torch.nn.functional.one_hot(two.argmax(2), two.shape[2]).float().mean(0)
    aims = targets(*logits.shape[::2]).double()
    joint = torch.einsum("tbc,tmd->bmcd", p, aims) / len(p)
    apart = torch.einsum("bc,md->bmcd", mean, aims.mean(0))
    soft_votes = 1 - mean.gather(1, votes.argmax(1, keepdim=True))[:, 0]
    one = {
        "maximum_entropy": entropy(mean),
        "least_confidence": 1 - first,
        "margin": 1 - (first - second),
        "minimum_distance": -(highest - next_highest),
        "bald": entropy(mean) - entropy(p).mean(0),
        "mean_standard_deviation": p.std(0, correction=0).mean(1),
        "epig": (joint * (joint / apart).log()).sum((2, 3)).mean(1),
    }
    if name == "variation_ratio":
        return 1 - votes.max(1).values, soft_votes
    return one[name], one[name]


def distributions(*passes):
    """Logits [T, 1, C] whose softmax is given pass by pass."""
    return np.log(np.array(passes))[:, None]


@pytest.mark.parametrize("passes", [2, 3, 8])
@pytest.mark.parametrize("classes", [1, 2, 10])
@pytest.mark.parametrize("name", OF_LOGITS)
def test_score_and_gradient_equal_autograd(name, classes, passes):
    generator = torch.Generator().manual_seed(100 * classes + passes)
    logits = 3 * torch.randn(passes, 17, classes, generator=generator, dtype=torch.float64)
    logits = logits.float().double().requires_grad_()
    expected, climbed = reference(name, logits)
    (gradient,) = torch.autograd.grad(climbed.sum(), logits)
    score, dlogits = run(name, logits.detach().numpy())
    assert dlogits.shape == logits.shape
    np.testing.assert_allclose(score, expected.detach().numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(dlogits, gradient.numpy(), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("classes", [1, 2, 10])
@pytest.mark.parametrize("name", ONE_DISTRIBUTION)
def test_one_pass_scores_and_climbs_as_the_deterministic_classifier(name, classes):
    logits = 3 * np.random.default_rng(0).standard_normal((9, classes)).astype(np.float32)
    head = acquisition_function(name).head(classes)
    session = onnxruntime.InferenceSession(head.SerializeToString(), providers=["CPUExecutionProvider"])
    score, dlogits = session.run(("score", "dlogits"), {"logits": logits})
    stochastic_score, stochastic_dlogits = run(name, logits[None])
    np.testing.assert_allclose(stochastic_score, score, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(stochastic_dlogits[0], dlogits, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "passes", "expected"),
    [
        # Two passes that contradict each other surely: the label is one bit, all of it about the weights.
        ("bald", [(1 - 1e-7, 1e-7), (1e-7, 1 - 1e-7)], math.log(2)),
        ("bald", [(0.75, 0.25), (0.25, 0.75)], math.log(2) - (math.log(4) - 0.75 * math.log(3))),
        ("bald", [(0.5, 0.5), (0.5, 0.5)], 0.0),
        ("maximum_entropy", [(0.9, 0.1), (0.1, 0.9)], math.log(2)),
        ("least_confidence", [(0.9, 0.1), (0.5, 0.5)], 0.3),
        ("margin", [(0.6, 0.3, 0.1), (0.2, 0.5, 0.3)], 1.0),
        ("minimum_distance", [(0.8, 0.2), (0.2, 0.8)], 0.0),
        ("minimum_distance", [(0.8, 0.2), (0.5, 0.5)], -math.log(4) / 2),
        ("mean_standard_deviation", [(0.9, 0.1), (0.5, 0.5)], 0.2),
        ("mean_standard_deviation", [(0.6, 0.3, 0.1), (0.6, 0.1, 0.3)], 0.2 / 3),
        ("variation_ratio", [(0.9, 0.1), (0.6, 0.4), (0.1, 0.9), (0.8, 0.2)], 0.25),
        ("variation_ratio", [(0.4, 0.3, 0.3), (0.3, 0.4, 0.3), (0.3, 0.3, 0.4)], 2 / 3),
        ("variation_ratio", [(0.51, 0.49), (0.99, 0.01)], 0.0),
    ],
)
def test_scores_worked_by_hand(name, passes, expected):
    score, _ = run(name, distributions(*passes))
    assert score[0] == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", EVERY_PASS)
def test_passes_that_agree_score_zero_however_uncertain_they_are(name):
    score, dlogits = run(name, np.tile(np.array([[[0.1, 0.0, -0.1]]]), (5, 1, 1)))
    assert score[0] == pytest.approx(0.0, abs=1e-7)
    assert np.isfinite(dlogits).all()


def test_the_variation_ratio_climbs_although_its_own_gradient_is_zero():
    logits = distributions((0.9, 0.1), (0.8, 0.2), (0.6, 0.4))
    score, dlogits = run("variation_ratio", logits)
    # Half a unit along the gradient turns the pass that was least sure, and no other.
    later, _ = run("variation_ratio", logits + 0.5 * dlogits / np.abs(dlogits).max())
    assert score[0] == 0
    assert later[0] == pytest.approx(1 / 3)


@pytest.mark.parametrize("name", OF_LOGITS)
def test_extreme_logits_stay_finite(name):
    logits = np.array([[[1e4, -1e4, 0.0], [80.0, 80.0, -80.0]], [[-1e4, 1e4, 0.0], [80.0, 80.0, -80.0]]])
    score, dlogits = run(name, logits)
    assert np.isfinite(score).all()
    assert np.isfinite(dlogits).all()


@pytest.mark.parametrize("classes", [1, 2, 10])
@pytest.mark.parametrize("name", OF_LOGITS)
def test_heads_keep_the_acquisition_contract(name, classes):
    head = acquisition_function(name).head(classes, 4, condition=condition_for(name, classes, 4))
    info = check(head, GraphKind.ACQUISITION)
    assert info.input_shape == (classes,)
    assert info.passes == 4


@pytest.mark.parametrize("passes", [0, 1])
@pytest.mark.parametrize("name", EVERY_PASS)
def test_a_function_of_disagreement_needs_two_passes_and_says_so(name, passes):
    with pytest.raises(DowserError, match="at least 2 passes") as refused:
        acquisition_function(name).head(10, passes)
    assert refused.value.reason is Reason.ACQUISITION_UNSUPPORTED
    assert refused.value.metadata == {"acquisition": name, "passes": str(passes)}
