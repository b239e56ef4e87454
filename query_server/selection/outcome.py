"""What becomes of a board: the order of the picks, what is told of them, and what the campaign remembers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from query_server.campaigns.values import Answer, AnswerBuilder, Lease
from query_server.selection.batches.choose import choose_batch
from query_server.selection.batches.rule import BatchRule, Shortlist
from query_server.selection.board import SOURCES, Entries
from query_server.selection.diagnosis import diagnose, match_gap
from query_server.selection.evidence import remember_picks
from query_server.selection.memory import MAX_CARRIED, Memory
from query_server.selection.policy import Allocation
from query_server.selection.ports import Checkpoint, Float32, Int64, UInt64
from query_server.selection.round import Round
from query_server.selection.values import BatchChoice, Diagnosis, Pick, Selection, SyntheticSamples
from query_server.timing import StageClock


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
        labeled_classes=round_.labeled.labels,
        label_counts=round_.labeled.counts(),
    )
    rng = np.random.default_rng(np.random.SeedSequence([round_.seed, len(SOURCES), 1]))
    order: Int64 = ranked[choose_batch(rule, shortlist, count=round_.budget, choice=choice, rng=rng)]
    return order


def conclusion(
    round_: Round | None,
    *,
    entries: Entries,
    order: Int64,
    budget: int,
    allocation: Allocation,
    remembers: bool,
    clock: StageClock,
    seed: int,
    index_version: int,
    answer: Callable[[Selection], bytes],
    checkpoint: Checkpoint,
) -> AnswerBuilder:
    """Return what makes the answer of what was leased, to run inside the ledger's transaction.

    Args:
        round_: The round; None is one that drew its picks and looked at nothing.
        entries: All that could be picked.
        order: Their positions in the order in which they were offered to the ledger int64 [n].
        budget: Samples to pick, B.
        allocation: The shares of the sources.
        remembers: Whether the campaign remembers the round.
        clock: Timed the stages so far.
        seed: That was used.
        index_version: Of the index that answered.
        answer: Turns the selection into the bytes that are stored and returned.
        checkpoint: Raises once the caller no longer waits; then nothing is changed.
    """

    def explained(positions: Int64) -> tuple[Entries, Diagnosis]:
        picked = entries.take(order[positions])
        return picked, Diagnosis() if round_ is None else diagnose(round_, entries, picked, allocation)

    # Before the lease, which holds the ledger's lock: it rarely takes others than those.
    expected = explained(np.arange(min(budget, len(order))))

    def build(lease: Lease) -> Answer:
        checkpoint("commit")  # the last moment to change nothing
        picked, diagnosis = expected
        if len(lease.positions) and lease.positions[-1] >= budget:  # others took of what was chosen
            picked, diagnosis = explained(lease.positions)
        with clock.stage("pick"):
            picks = picks_of(picked, lease.pool_ids, None if round_ is None else round_.synthetic)
            memory = None
            if remembers and round_ is not None:
                memory = remember(round_, entries, picked, lease.pool_ids).to_bytes()
        selection = Selection(
            picks=picks,
            round=lease.round,
            timings=clock.timings(),
            total_seconds=clock.total_seconds(),
            scored=0 if round_ is None else round_.board.scored,
            visited=0 if round_ is None else round_.board.visited,
            index_version=index_version,
            seed=seed,
            match_gap=None if round_ is None else match_gap(round_, entries),
            synthetic_samples=None if round_ is None else round_.synthetic,
            diagnosis=diagnosis,
        )
        return Answer(reply=answer(selection), memory=memory)

    return build


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
    latents, made = memory.latents, round_.synthetic
    if made is not None:
        latents = made.latents[np.argsort(-made.scores, kind="stable")]
    return replace(memory, latents=latents, carried_ids=round_.pool.ids_of(best))
