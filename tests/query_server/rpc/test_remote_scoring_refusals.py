"""What is refused of a pool whose samples are not on the server: no sense, and what it would have to score."""

from __future__ import annotations

import uuid

import numpy as np
import pytest

from client import (
    Batch,
    Dowser,
    Exhaustive,
    FailedPreconditionError,
    InvalidArgumentError,
    Random,
    RandomSubset,
    Scores,
)
from tests.query_server.rpc.made_scores import some_scores


@pytest.fixture
def campaign(remote_campaign):
    return remote_campaign


@pytest.mark.parametrize(
    "strategy",
    [Dowser(), Exhaustive(), RandomSubset(max_scored=50), Random()],
    ids=lambda s: type(s).__name__,
)
def test_the_server_refuses_what_it_would_have_to_score(storeless, campaign, remote_classifier, strategy):
    with pytest.raises(FailedPreconditionError) as refused:
        storeless.select_samples(campaign, classifier=remote_classifier, budget=5, strategy=strategy)
    assert refused.value.reason == "SAMPLES_NOT_STORED"
    assert storeless.get_campaign(campaign).leased == 0


def test_a_function_that_asks_about_the_pool_is_refused(storeless, campaign, digits):
    import torch
    from torch import nn

    from client import export_classifier

    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 10)).eval()
    uploaded = storeless.upload_classifier(export_classifier(module, (1, 8, 8), passes=4))
    with pytest.raises(InvalidArgumentError, match="not on this server") as refused:
        storeless.propose_samples(campaign, budget=5, classifier=uploaded, acquisition="epig")
    assert refused.value.reason == "ACQUISITION_UNSUPPORTED"


BAD_SCORES = {
    "ids of no candidate": ({"pool_ids": [1_000_000]}, "pool_ids"),
    "repeated ids": ({"pool_ids": "twice"}, "pool_ids"),
    "fewer than the budget": ({"budget": 21}, "budget"),
    "no budget": ({"budget": 0}, "budget"),
    "too few scores": ({"scores": np.zeros(3)}, "SHAPE_MISMATCH"),
    "scores of nan": ({"scores": np.full(20, np.nan)}, "NOT_FINITE"),
    "logits": ({"probabilities": np.full((20, 10), 3.0)}, "probabilities"),
    "negative probabilities": ({"probabilities": np.tile([1.5, -0.5], (20, 1))}, "probabilities"),
    "probabilities of nan": ({"probabilities": np.full((20, 2), np.nan)}, "NOT_FINITE"),
    "one class": ({"probabilities": np.ones((20, 1))}, "SHAPE_MISMATCH"),
    "probabilities of others": ({"probabilities": np.full((19, 2), 0.5)}, "SHAPE_MISMATCH"),
    "no passes": ({"probabilities": np.empty((0, 20, 2))}, "SHAPE_MISMATCH"),
    "a flat embedding": ({"embedding": np.ones(20)}, "SHAPE_MISMATCH"),
    "a rule for passes": ({"batch": Batch(rule="batch_bald")}, "batch.rule"),
    "another proposal": ({"proposal": "no-such-proposal"}, "proposal_id"),
    "a huge class prior": ({"class_prior_weight": 1e6}, "class_prior_weight"),
}


@pytest.mark.parametrize("name", BAD_SCORES)
def test_a_commit_that_makes_no_sense_is_refused_and_changes_nothing(storeless, campaign, name):
    changes, field_or_reason = BAD_SCORES[name]
    changes = dict(changes)
    held = storeless.propose_samples(campaign, budget=5, strategy=Dowser(max_scored=20))
    pool_ids = changes.pop("pool_ids", held.pool_ids)
    if isinstance(pool_ids, str):
        pool_ids = np.repeat(held.pool_ids[:10], 2)
    elif isinstance(pool_ids, list):
        pool_ids = np.array([*held.pool_ids[:19].tolist(), *pool_ids], np.uint64)
    plain = some_scores(pool_ids)
    scores = Scores(
        scores=changes.pop("scores", plain.scores),
        probabilities=changes.pop("probabilities", plain.probabilities),
        embedding=changes.pop("embedding", None),
    )
    options = {"budget": 5, "pool_ids": pool_ids} | changes
    with pytest.raises(InvalidArgumentError) as refused:
        storeless.commit_selection(campaign, options.pop("proposal", held), scores, **options)
    assert field_or_reason in (refused.value.reason, refused.value.metadata.get("field"))
    info = storeless.get_campaign(campaign)
    assert (info.leased, info.rounds) == (20, 0)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"budget": 0}, "budget"),
        ({"strategy": Dowser(max_scored=0)}, "max_scored"),
        ({"strategy": Dowser(max_scored=100_001)}, "max_scored"),
        ({"strategy": Dowser(shares={"random": -1})}, "shares"),
    ],
)
def test_a_proposal_that_makes_no_sense_is_refused(storeless, campaign, options, field):
    with pytest.raises(InvalidArgumentError) as refused:
        storeless.propose_samples(campaign, **({"budget": 5} | options))
    assert refused.value.metadata["field"] == field
    assert storeless.get_campaign(campaign).leased == 0


def test_a_proposal_of_another_campaign_is_not_committed(storeless, campaign):
    held = storeless.propose_samples(campaign, budget=5, strategy=Dowser(max_scored=20))
    other = storeless.create_campaign(f"other-{uuid.uuid4().hex}")
    with pytest.raises(InvalidArgumentError, match="propose again"):
        storeless.commit_selection(other, held, some_scores(held.pool_ids), budget=5)
    assert storeless.get_campaign(campaign).leased == 20


@pytest.mark.parametrize("wild", [2**40, 2**63 - 1])
def test_a_wild_label_costs_neither_the_proposal_nor_memory(storeless, campaign, wild):
    storeless.record_labels(campaign, {0: wild, 1: 3, 2: 3})
    assert len(storeless.propose_samples(campaign, budget=2, strategy=Dowser(max_scored=20)).candidates) == 20
