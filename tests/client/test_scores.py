"""Scores that the client computes are those that the server would have."""

from __future__ import annotations

import asyncio

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from client import InvalidArgumentError, OnnxScorer, Pool, Scores, export_classifier
from client.calls.scored_selection import _scored
from client.scores import _OF_ONE, _OF_PASSES
from query_server.acquisition import FUNCTIONS, acquisition_function


def heads(name: str, logits: np.ndarray) -> np.ndarray:
    """The scores of the server's own head."""
    passes = len(logits) if logits.ndim == 3 else 0
    head = acquisition_function(name).head(logits.shape[-1], passes)
    session = onnxruntime.InferenceSession(head.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(("score",), {"logits": logits.astype(np.float32)})[0]


@pytest.mark.parametrize(
    ("name", "shape"),
    [(name, shape) for name in _OF_ONE for shape in ((40, 1), (40, 2), (40, 7), (5, 40, 3))]
    + [(name, shape) for name in _OF_PASSES for shape in ((5, 40, 3), (2, 40, 1))],
)
def test_scores_are_those_of_the_servers_heads(name: str, shape: tuple[int, ...]) -> None:
    logits = 3 * np.random.default_rng(0).standard_normal(shape)
    if name == "variation_ratio":
        logits = logits[:4]  # shares of a power of two are exact
    scored = Scores.from_logits(logits, name)
    np.testing.assert_allclose(scored.scores, heads(name, logits), rtol=1e-4, atol=2e-6)
    np.testing.assert_allclose(scored.probabilities.sum(axis=-1), 1, atol=1e-6)
    again = Scores.from_probabilities(scored.probabilities, name)
    np.testing.assert_allclose(again.scores, scored.scores, rtol=1e-3, atol=2e-6)


def test_every_function_of_the_server_is_here_or_refused() -> None:
    missing = set(FUNCTIONS) - {*_OF_ONE, *_OF_PASSES}
    assert missing == {"epig", "own_score"}
    with pytest.raises(InvalidArgumentError, match="server alone"):
        Scores.from_logits(np.zeros((2, 3, 4)), "epig")


def test_functions_of_passes_need_them() -> None:
    with pytest.raises(InvalidArgumentError, match="2 stochastic passes"):
        Scores.from_logits(np.zeros((3, 4)), "bald")


def test_certain_probabilities_have_finite_scores() -> None:
    certain = np.eye(3)
    for name in _OF_ONE:
        assert np.isfinite(Scores.from_probabilities(certain, name).scores).all()


def vectors(size: int) -> Pool:
    return Pool(
        **dict.fromkeys(("name", "index_factory", "bundle_digest"), ""),
        **dict.fromkeys(("size", "latent_dim", "index_version", "recall_at_10"), 1),
        raw_shape=(size,),
        raw_dtype=np.dtype(np.float32),
        input_shape=(size,),
        input_min=-1,
        input_max=1,
        scale=1,
        offset=0,
        feature_dim=size,
        has_samples=False,
    )


def test_a_graph_is_run_here_with_its_embedding_or_its_passes() -> None:
    import torch
    from torch import nn

    class Embeds(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.Linear(4, 6), nn.Linear(6, 3)

        def forward(self, x):
            embedding = self.body(x).relu()
            return self.head(embedding), embedding

    torch.manual_seed(0)
    module = Embeds().eval()
    samples = np.random.default_rng(0).standard_normal((700, 4)).astype(np.float32)
    scorer = OnnxScorer(export_classifier(module, (4,)), vectors(4), lambda ids: samples[ids.astype(int)])
    ids = np.arange(700, dtype=np.uint64)[::-1]
    scored = scorer(ids)
    with torch.no_grad():
        logits, embedding = module(torch.from_numpy(samples[::-1].copy()))
    np.testing.assert_allclose(scored.embedding, embedding, atol=1e-5)
    np.testing.assert_allclose(scored.probabilities, logits.softmax(1), atol=1e-5)

    members = [nn.Linear(4, 3).eval() for _ in range(3)]
    ensemble = OnnxScorer(
        export_classifier(members, (4,)), vectors(4), lambda ids: samples[ids.astype(int)], "bald"
    )
    with torch.no_grad():
        expected = torch.stack([member(torch.from_numpy(samples)).softmax(1) for member in members])
    np.testing.assert_allclose(ensemble(ids[::-1]).probabilities, expected, atol=1e-5)


def test_a_classifiers_own_score_is_taken_as_it_is() -> None:
    from torch import nn

    class Judging(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 3)

        def forward(self, x):
            return self.head(x), x.square().sum(dim=1)

    samples = np.random.default_rng(0).standard_normal((300, 4)).astype(np.float32)
    graph = export_classifier(Judging().eval(), (4,))
    scored = OnnxScorer(graph, vectors(4), lambda ids: samples[ids.astype(int)], "own_score")(
        np.arange(300, dtype=np.uint64)
    )
    np.testing.assert_allclose(scored.scores, (samples**2).sum(axis=1), rtol=1e-5)
    with pytest.raises(InvalidArgumentError, match="output score"):
        Scores.from_logits(np.zeros((2, 3)), "own_score")


def test_too_few_samples_are_noticed(classifier_bytes: bytes) -> None:
    scorer = OnnxScorer(classifier_bytes, vectors(64), lambda ids: np.zeros((1, 64), np.float32))
    with pytest.raises(InvalidArgumentError, match="got 1"):
        scorer(np.arange(3, dtype=np.uint64))


def test_a_scoring_function_of_any_kind_is_called_without_blocking() -> None:
    scores = Scores.from_probabilities(np.full((2, 2), 0.5))

    async def coroutine(pool_ids: NDArray[np.uint64]) -> Scores:
        return scores

    class Awaitable:
        async def __call__(self, pool_ids: NDArray[np.uint64]) -> Scores:
            return scores

    for score in (coroutine, Awaitable(), lambda pool_ids: scores):
        assert asyncio.run(_scored(score, np.arange(2, dtype=np.uint64))) is scores
