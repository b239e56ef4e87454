"""Scores that a caller might make."""

from __future__ import annotations

import numpy as np

from client import Scores


def some_scores(pool_ids, *, classes=10):
    """Scores that fall with the id."""
    probabilities = np.full((len(pool_ids), classes), 1 / classes, np.float32)
    return Scores(scores=-pool_ids.astype(np.float32), probabilities=probabilities)
