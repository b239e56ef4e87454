"""The score that an uploaded graph gives by itself, against torch: read, climbed, and refused where there is none."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from client import export_classifier
from graphs import GraphError, GraphKind, check, derive_pullback, score_as_logits
from query_server.acquisition import HeadCondition, acquisition_function
from query_server.ascending import AscentOptions
from query_server.errors import DowserError, Reason
from query_server.models import Bundle, ClassifierStore, Runtime


class Scoring(nn.Module):
    """A classifier with an embedding and a score that another network gives."""

    def __init__(self, *, steps: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.Tanh())
        self.head = nn.Linear(12, 10)
        self.judge = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 1))
        self.steps = steps

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        embedding = self.body(x)
        score = self.judge(x).squeeze(1)
        return self.head(embedding), embedding, score.round() if self.steps else score


@pytest.fixture(scope="module")
def runtime():
    return Runtime(device="cpu")


@pytest.fixture(scope="module")
def bundle(digits_bundle, runtime):
    return Bundle.open(digits_bundle, runtime)


@pytest.fixture
def store(bundle, runtime, tmp_path):
    return ClassifierStore(tmp_path / "classifiers", bundle=bundle, runtime=runtime)


@pytest.fixture(scope="module")
def scoring():
    return Scoring().eval()


@pytest.fixture(scope="module")
def x(digits):
    return digits.pool[:300, None].astype(np.float32) * np.float32(2 / 255) - 1


def test_the_score_is_the_networks_own_and_the_logits_stay(store, scoring, x):
    info = store.add(export_classifier(scoring, (1, 8, 8)))
    assert info.has_score and info.has_pullback and info.embedding_dim == 12
    said = store.compiled(info.id, acquisition_function("own_score")).score(x, embedding=True)
    with torch.no_grad():
        logits, embedding, score = scoring(torch.from_numpy(x))
    np.testing.assert_allclose(said.scores, score.numpy(), atol=1e-5)
    np.testing.assert_allclose(said.probabilities, logits.softmax(1).numpy(), atol=1e-5)
    np.testing.assert_allclose(said.embedding, embedding.numpy(), atol=1e-5)


def test_the_gradient_of_the_score_equals_autograd(scoring, x, runtime):
    uploaded = onnx.load_from_string(export_classifier(scoring, (1, 8, 8)))
    session = runtime.session(derive_pullback(score_as_logits(uploaded)))
    (dx,) = session.run(("dx",), {"x": x, "dlogits": np.ones((len(x), 1), np.float32)})
    given = torch.from_numpy(x).requires_grad_(True)
    (wanted,) = torch.autograd.grad(scoring(given)[2].sum(), given)
    np.testing.assert_allclose(dx, wanted.numpy(), atol=1e-6)


def test_an_ascent_climbs_the_score_by_its_gradient(store, scoring, bundle):
    climber = store.compiled(
        store.add(export_classifier(scoring, (1, 8, 8))).id, acquisition_function("own_score")
    )
    z = np.random.default_rng(0).standard_normal((8, bundle.latent_dim), dtype=np.float32)
    ended = climber.ascend(z, options=AscentOptions(steps=40), before_step=lambda: None)
    assert climber.has_gradient
    assert (ended.scores > ended.initial_scores).all()
    with torch.no_grad():
        np.testing.assert_allclose(ended.scores, scoring(torch.from_numpy(ended.x))[2].numpy(), atol=1e-4)


def test_a_score_without_a_derivative_is_climbed_without_one(store, bundle):
    """Its classifier is differentiable all the same; that gradient says nothing of the score and must not be used."""
    info = store.add(export_classifier(Scoring(steps=True).eval(), (1, 8, 8)))
    climber = store.compiled(info.id, acquisition_function("own_score"))
    z = np.random.default_rng(0).standard_normal((8, bundle.latent_dim), dtype=np.float32)
    ended = climber.ascend(z, options=AscentOptions(steps=60), before_step=lambda: None)
    assert info.has_pullback and not climber.has_gradient
    assert (ended.scores >= ended.initial_scores).all()


def test_a_classifier_without_a_score_is_refused(store, classifier_bytes):
    info = store.add(classifier_bytes)
    with pytest.raises(DowserError, match="score") as refused:
        store.compiled(info.id, acquisition_function("own_score"))
    assert refused.value.reason is Reason.ACQUISITION_UNSUPPORTED


def test_a_class_prior_is_refused():
    weights = HeadCondition(class_weights=np.ones(10, np.float32))
    with pytest.raises(DowserError, match="class_prior_weight") as refused:
        acquisition_function("own_score").head(10, condition=weights, has_score=True)
    assert refused.value.reason is Reason.ACQUISITION_UNSUPPORTED


def test_a_score_that_is_no_number_a_sample_is_refused(scoring):
    uploaded = onnx.load_from_string(export_classifier(scoring, (1, 8, 8)))
    score = next(value for value in uploaded.graph.output if value.name == "score")
    score.type.tensor_type.shape.dim.add(dim_value=1)
    with pytest.raises(GraphError, match="score"):
        check(uploaded, GraphKind.CLASSIFIER)
