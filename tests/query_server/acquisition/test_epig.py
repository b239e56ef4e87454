"""EPIG with targets chosen by hand; its formula and gradient are held to autograd with the other stochastic heads."""

import math

import numpy as np
import onnxruntime
import pytest

from query_server.acquisition import HeadCondition, acquisition_function, target_count
from query_server.acquisition.epig import MAX_TARGETS, MAX_VALUES_PER_SAMPLE
from query_server.errors import DowserError, Reason


def scores(name, samples, targets):
    """Scores [B] of samples [T, B, C] given target probabilities [T, M, C]."""
    samples, targets = np.array(samples, np.float32), np.array(targets, np.float32)
    condition = HeadCondition(targets=targets) if acquisition_function(name).needs_targets else None
    head = acquisition_function(name).head(samples.shape[2], len(samples), condition=condition)
    session = onnxruntime.InferenceSession(head.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(("score",), {"logits": np.log(np.maximum(samples, 1e-30))})[0]


def entropy(p):
    return -p * math.log(p) - (1 - p) * math.log(1 - p)


@pytest.mark.parametrize(
    ("sample", "targets", "expected"),
    [
        # Where the target is sure in every pass, its label is the pass: EPIG is BALD.
        ([(0.75, 0.25), (0.25, 0.75)], [[(1, 0)], [(0, 1)]], math.log(2) - entropy(0.25)),
        # Joint probabilities 0.3125 on the diagonal, 0.1875 off it.
        ([(0.75, 0.25), (0.25, 0.75)], [[(0.75, 0.25)], [(0.25, 0.75)]], math.log(2) - entropy(0.375)),
        # Of two targets, one is the same in both passes and so learns nothing.
        ([(1, 0), (0, 1)], [[(1, 0), (0.3, 0.7)], [(0, 1), (0.3, 0.7)]], math.log(2) / 2),
        ([(0.5, 0.5), (0.5, 0.5)], [[(1, 0)], [(0, 1)]], 0.0),
    ],
)
def test_scores_worked_by_hand(sample, targets, expected):
    score = scores("epig", np.array(sample)[:, None], targets)
    assert score[0] == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_a_label_that_tells_about_the_targets_beats_one_that_tells_more_about_the_weights():
    # Four passes, two bits of weights. The targets depend on the first bit alone; so does the first sample, noisily.
    # The second sample depends, nearly surely, on the second bit.
    def either(bits, p):
        return [(p, 1 - p) if bit else (1 - p, p) for bit in bits]

    first, second = (0, 0, 1, 1), (0, 1, 0, 1)
    samples = np.stack([either(first, 0.85), either(second, 0.99)], axis=1)
    targets = np.stack([either(first, 0.95), either(first, 0.1)], axis=1)
    bald, epig = scores("bald", samples, targets), scores("epig", samples, targets)
    assert bald[1] > bald[0]
    assert epig[0] > epig[1]
    assert epig[1] == pytest.approx(0, abs=1e-7)


def test_no_sample_tells_more_about_the_targets_than_about_the_weights():
    rng = np.random.default_rng(0)
    samples, targets = rng.dirichlet(np.ones(4), (6, 30)), rng.dirichlet(np.ones(4), (6, 8))
    epig = scores("epig", samples, targets)
    assert (epig > 0).all()
    assert (epig < scores("bald", samples, targets)).all()


def test_without_targets_it_is_refused_and_so_are_targets_of_other_passes():
    epig = acquisition_function("epig")
    with pytest.raises(DowserError, match="none were given") as refused:
        epig.head(3, 4)
    assert refused.value.reason is Reason.ACQUISITION_UNSUPPORTED
    with pytest.raises(ValueError, match=r"\[2, 5, 3\].*\[4, 5, 3\]"):
        epig.head(3, 4, condition=HeadCondition(targets=np.full((2, 5, 3), 1 / 3, np.float32)))


@pytest.mark.parametrize("classes", [2, 10, 100, 512])
def test_targets_are_as_many_as_memory_allows(classes):
    count = target_count(classes)
    assert 1 <= count <= MAX_TARGETS
    assert classes * count * classes <= MAX_VALUES_PER_SAMPLE
    assert count == MAX_TARGETS or classes * (count + 1) * classes > MAX_VALUES_PER_SAMPLE
