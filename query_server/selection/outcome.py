"""What becomes of a board: the order of the picks, what is told of them, and what the campaign remembers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from query_server.selection.batches.choose import choose_batch
from query_server.selection.batches.rule import BatchRule, Shortlist
from query_server.selection.board import SOURCES, Entries
from query_server.selection.evidence import remember_picks
from query_server.selection.memory import MAX_CARRIED, Memory
from query_server.selection.ports import Float32, Int64, UInt64
from query_server.selection.round import Round
from query_server.selection.values import BatchChoice, Pick, SyntheticSamples


def choose(rule: BatchRule, choice: BatchChoice, round_: Round, entries: Entries) -> Int64:
    """Return positions in the entries int64 [M], the batch first and the best of the others after it."""
    ranked = entries.by_score()
    ordered = entries.take(ranked)
    features = round_.pool.features(ordered.rows)

    def labeled_embedding() -> Float32:
        rows = round_.labeled.rows
        if ordered.embedding is None or not len(rows):
            return round_.pool.features(rows)
        embedding = round_.classifier.score(round_.pool.inputs(rows), embedding=True).embedding
        assert embedding is not None  # the candidates have theirs
        return embedding

    shortlist = Shortlist(
        scores=ordered.scores,
        predicted=ordered.predicted,
        probabilities=ordered.probabilities,
        passes=ordered.passes,
        features=features,
        embedding=features if ordered.embedding is None else ordered.embedding,
        labeled_embedding=labeled_embedding,
        label_counts=round_.labeled.counts(),
    )
    rng = np.random.default_rng(np.random.SeedSequence([round_.seed, len(SOURCES), 1]))
    order: Int64 = ranked[choose_batch(rule, shortlist, count=round_.budget, choice=choice, rng=rng)]
    return order


def picks_of(picked: Entries, pool_ids: UInt64, synthetic: SyntheticSamples | None) -> tuple[Pick, ...]:
    """Return what is told of the picks: entries [B] and their pool ids uint64 [B], in one order."""
    picks = []
    for position, pool_id in enumerate(pool_ids.tolist()):
        led_by = int(picked.synthetic[position])
        found_by = synthetic if led_by >= 0 else None
        score = float(picked.scores[position])
        predicted = int(picked.predicted[position])
        picks.append(
            Pick(
                pool_id=pool_id,
                source=SOURCES[picked.sources[position]],
                score=None if math.isnan(score) else score,
                predicted_class=None if predicted < 0 else predicted,
                synthetic_index=led_by if found_by is not None else None,
                synthetic_score=float(found_by.scores[led_by]) if found_by is not None else None,
                distance=float(picked.distances[position]) if found_by is not None else None,
            )
        )
    return tuple(picks)


def remember(round_: Round, entries: Entries, picked: Entries, pool_ids: UInt64) -> Memory:
    """Return the campaign's memory after a round: its picks pending, and the best of the others carried over."""
    memory = remember_picks(round_.memory, picked, pool_ids)
    best = entries.rows[entries.by_score()]
    best = best[~np.isin(best, picked.rows)][:MAX_CARRIED]
    latents = memory.latents if round_.synthetic is None else round_.synthetic.latents
    return replace(memory, latents=latents, carried_ids=round_.pool.ids_of(best))
