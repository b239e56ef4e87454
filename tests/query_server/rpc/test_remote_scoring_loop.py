"""Active learners on a pool whose samples are not on the server."""

from __future__ import annotations

import uuid

import numpy as np
import pytest

from client import ActiveLearner, Dowser, Exhaustive, InvalidArgumentError, Scores


def learner_on(client, digits, train, **changes):
    arguments = {
        "campaign": f"loop-{uuid.uuid4().hex}",
        "train": train,
        "oracle": lambda ids: digits.pool_labels[ids.astype(int)],
        "budget": 10,
        "strategy": Dowser(max_scored=60, steps=5),
        "max_labels": 40,
        "seed": 2,
    }
    learner = ActiveLearner(client, **(arguments | changes))
    learner.seed_labels(np.arange(20, dtype=np.uint64), digits.pool_labels[:20])
    return learner


def test_an_active_learner_scores_here_what_it_would_have_the_server_score(
    client, storeless, digits, classifier_bytes
):
    picked = []
    for each, options in ((client, {}), (storeless, {"samples": lambda ids: digits.pool[ids.astype(int)]})):
        learner = learner_on(each, digits, lambda ids, labels: classifier_bytes, **options)
        reports = learner.run()
        assert [report.labeled for report in reports] == [30, 40]
        assert all(report.selection.scored == 60 for report in reports)
        assert each.get_campaign(learner.campaign).leased == 0
        picked.append([report.selection.pool_ids.tolist() for report in reports])
    assert picked[0] == picked[1]


def test_an_active_learner_scores_with_any_function(storeless, digits):
    from sklearn.neighbors import KNeighborsClassifier

    x = digits.pool.reshape(len(digits.pool), -1) / 255

    def train(ids, labels):
        return KNeighborsClassifier(5).fit(x[ids.astype(int)], labels)

    def score(classifier, ids):
        return Scores.from_probabilities(classifier.predict_proba(x[ids.astype(int)]), "margin")

    reports = learner_on(storeless, digits, train, score=score).run()
    assert [report.labeled for report in reports] == [30, 40]
    assert all(report.classifier_info is None for report in reports)
    assert {pick.source for report in reports for pick in report.selection.picks} <= {
        "random",
        "labeled_neighbors",
    }


@pytest.mark.parametrize(
    ("options", "why"),
    [({}, "`samples`"), ({"samples": np.asarray, "strategy": Exhaustive()}, "Dowser alone")],
)
def test_an_active_learner_says_what_it_needs(storeless, digits, options, why):
    with pytest.raises(InvalidArgumentError, match=why):
        learner_on(storeless, digits, lambda ids, labels: b"", **options)
