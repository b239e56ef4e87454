"""The highest scores: what active learning does by default, and what every other rule is held against."""

from __future__ import annotations

import numpy as np

from query_server.selection.batches.rule import BatchRule, Shortlist
from query_server.selection.ports import Int64
from query_server.selection.values import BatchRuleName


def choose_top(shortlist: Shortlist, budget: int, coldness: float, rng: np.random.Generator) -> Int64:
    """Take the first of the shortlist."""
    return np.arange(min(budget, len(shortlist)), dtype=np.int64)


TOP = BatchRule(name=BatchRuleName.TOP, choose=choose_top)
