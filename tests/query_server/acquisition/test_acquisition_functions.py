"""Every acquisition head against values worked by hand and against torch's autograd."""

import math

import numpy as np
import onnxruntime
import pytest
import torch

from graphs import GraphKind, check
from query_server.acquisition import FUNCTIONS, acquisition_function
from query_server.acquisition.function import Reads
from query_server.errors import DowserError, Reason

# Functions of one distribution apply to every classifier; those of every pass have a test file of their own.
ONE_DISTRIBUTION = sorted(
    name for name, function in FUNCTIONS.items() if function.reads not in (Reads.EVERY_PASS, Reads.OWN_SCORE)
)


def run(name, logits):
    head = acquisition_function(name).head(logits.shape[1])
    session = onnxruntime.InferenceSession(head.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(("score", "dlogits"), {"logits": logits.astype(np.float32)})


def reference(name, logits):
    two = torch.cat([torch.zeros_like(logits), logits], 1) if logits.shape[1] == 1 else logits
    p = two.softmax(1)
    first, second = p.topk(2).values.unbind(1)
    highest, next_highest = two.topk(2).values.unbind(1)
    return {
        "maximum_entropy": -(p * p.log()).sum(1),
        "least_confidence": 1 - first,
        "margin": 1 - (first - second),
        "minimum_distance": -(highest - next_highest),
    }[name]


@pytest.mark.parametrize("classes", [1, 2, 3, 10])
@pytest.mark.parametrize("name", ONE_DISTRIBUTION)
@pytest.mark.parametrize("batch", [1, 17])
def test_score_and_gradient_equal_autograd(name, classes, batch):
    logits = 3 * torch.randn(batch, classes, generator=torch.Generator().manual_seed(classes))
    logits.requires_grad_()
    expected = reference(name, logits)
    (gradient,) = torch.autograd.grad(expected.sum(), logits)
    score, dlogits = run(name, logits.detach().numpy())
    np.testing.assert_allclose(score, expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dlogits, gradient.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "logits", "expected"),
    [
        ("maximum_entropy", [0.0, 0.0, 0.0, 0.0], math.log(4)),
        ("maximum_entropy", [math.log(3), 0.0], math.log(4) - 0.75 * math.log(3)),
        ("maximum_entropy", [0.0], math.log(2)),
        ("least_confidence", [math.log(3), 0.0], 0.25),
        ("margin", [math.log(3), 0.0], 0.5),
        ("margin", [math.log(6), math.log(3), 0.0], 1 - 0.3),
        ("minimum_distance", [2.0, -1.0, 0.5], -1.5),
        ("minimum_distance", [-0.7], -0.7),
    ],
)
def test_scores_worked_by_hand(name, logits, expected):
    score, _ = run(name, np.array([logits]))
    assert score[0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ONE_DISTRIBUTION)
def test_a_more_certain_sample_scores_lower(name):
    score, _ = run(name, np.array([[0.1, 0.0, -0.1], [9.0, 0.0, -9.0]]))
    assert score[0] > score[1]


@pytest.mark.parametrize("name", ONE_DISTRIBUTION)
def test_extreme_logits_stay_finite(name):
    score, dlogits = run(name, np.array([[1e4, -1e4, 0.0], [80.0, 80.0, -80.0]]))
    assert np.isfinite(score).all()
    assert np.isfinite(dlogits).all()


@pytest.mark.parametrize("classes", [1, 2, 10])
@pytest.mark.parametrize("name", ONE_DISTRIBUTION)
def test_heads_keep_the_acquisition_contract(name, classes):
    info = check(acquisition_function(name).head(classes), GraphKind.ACQUISITION)
    assert info.input_shape == (classes,)


def test_an_unknown_name_is_refused_and_the_names_there_are_are_listed():
    with pytest.raises(DowserError) as refused:
        acquisition_function("astrology")
    assert refused.value.reason is Reason.INVALID_ARGUMENT
    assert "maximum_entropy" in str(refused.value)
