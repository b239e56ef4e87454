"""The batch rules a request can name."""

from __future__ import annotations

from collections.abc import Mapping

from query_server.selection.batches.anchor_confidence import ANCHOR_CONFIDENCE
from query_server.selection.batches.anchor_distance import ANCHOR_DISTANCE
from query_server.selection.batches.badge import BADGE
from query_server.selection.batches.batch_bald import BATCH_BALD
from query_server.selection.batches.class_balanced import CLASS_BALANCED
from query_server.selection.batches.cluster_margin import CLUSTER_MARGIN
from query_server.selection.batches.k_center import K_CENTER
from query_server.selection.batches.power import GIBBS, POWER
from query_server.selection.batches.rule import BatchRule
from query_server.selection.batches.top import TOP
from query_server.selection.values import BatchRuleName

BATCH_RULES: Mapping[BatchRuleName, BatchRule] = {
    rule.name: rule
    for rule in (
        *(TOP, POWER, GIBBS, BADGE, K_CENTER, CLUSTER_MARGIN, CLASS_BALANCED, BATCH_BALD),
        *(ANCHOR_DISTANCE, ANCHOR_CONFIDENCE),
    )
}


def batch_rule(name: BatchRuleName) -> BatchRule:
    """Look a batch rule up by name."""
    return BATCH_RULES[name]
