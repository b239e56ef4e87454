"""Shortlists of given parts; what is not given is arbitrary but fixed."""

import numpy as np
import pytest

from query_server.selection.batches.rule import Shortlist


def _shortlist(
    *,
    scores=None,
    size=None,
    classes=3,
    predicted=None,
    probabilities=None,
    passes=None,
    features=None,
    embedding=None,
    labeled=None,
    labeled_classes=None,
    label_counts=None,
    seed=0,
):
    rng = np.random.default_rng(seed)
    known = [part for part in (scores, predicted, probabilities, embedding, features) if part is not None]
    if passes is not None:
        passes = np.asarray(passes, np.float32)
        probabilities = passes.mean(axis=0)
        known = [probabilities]
    size = size or len(known[0])
    if scores is None:
        scores = np.sort(rng.random(size))[::-1]
    if probabilities is None:
        probabilities = rng.dirichlet(np.ones(classes), size)
    probabilities = np.asarray(probabilities, np.float32)
    if predicted is None:
        predicted = probabilities.argmax(axis=1)
    if embedding is None:
        embedding = rng.normal(size=(size, 4))
    embedding = np.asarray(embedding, np.float32)
    if labeled is None:
        labeled = np.empty((0, embedding.shape[1]))
    if label_counts is None:
        label_counts = np.zeros(probabilities.shape[1])
    return Shortlist(
        scores=np.asarray(scores, np.float32),
        predicted=np.asarray(predicted, np.int64),
        probabilities=probabilities,
        passes=passes,
        features=np.asarray(embedding if features is None else features, np.float32),
        embedding=embedding,
        labeled_embedding=lambda: np.asarray(labeled, np.float32),
        labeled_classes=np.zeros(len(labeled), np.int64)
        if labeled_classes is None
        else np.asarray(labeled_classes),
        label_counts=np.asarray(label_counts, np.int64),
    )


@pytest.fixture
def shortlist_of():
    return _shortlist


@pytest.fixture
def rng():
    return np.random.default_rng(7)
