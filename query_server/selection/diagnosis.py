"""What a selection says of itself: the worth of each source, how alike the picks are, and what deserves attention."""

from __future__ import annotations

import numpy as np

from query_server.selection.board import NUMBER_OF, SOURCES, Entries
from query_server.selection.capture import estimate_capture
from query_server.selection.evidence import yields
from query_server.selection.policy import Allocation, priors
from query_server.selection.ports import Float32
from query_server.selection.round import Round
from query_server.selection.values import Diagnosis, Source, SourceReport

# Below these synthesis deserves a warning.
_POOR_YIELD = 0.9
_FEW_UNIQUE = 0.5
_ENOUGH_LABELED = 20
# Distances between picks, and between random draws, are looked at for no more than so many: both are quadratic.
_PICKS, _DRAWS = 2048, 512


def diagnose(round_: Round, entries: Entries, picked: Entries, allocation: Allocation) -> Diagnosis:
    """Tell what can be told.

    Args:
        round_: The round, its memory settled and without this round's picks.
        entries: All that was scored.
        picked: The picks among them, best first.
        allocation: The shares the sources got.
    """
    reports = tuple(
        _report(source, round_, entries, picked, allocation)
        for source in SOURCES
        if source in allocation.shares or np.any(entries.sources == NUMBER_OF[source])
    )
    drawn = (entries.sources == NUMBER_OF[Source.RANDOM]) & ~np.isnan(entries.scores)
    draws = entries.scores[drawn]
    best_seen = np.sort(entries.scores)[::-1][: len(picked)]
    with round_.clock.stage("diagnose"):
        capture = estimate_capture(
            picked.scores,
            draws,
            best_seen=best_seen,
            pool=round_.open.count + round_.board.scored,
            bound=round_.score_bound,
            rng=round_.rng(Source.RANDOM),
        )
        redundancy = None
        if len(picked) > 1 and len(draws) > 1:
            redundancy = _redundancy(
                round_.pool.features(picked.rows[:_PICKS]),
                round_.pool.features(entries.rows[drawn][:_DRAWS]),
            )
    return Diagnosis(
        sources=reports,
        unique_match_rate=round_.unique_match_rate,
        redundancy=redundancy,
        capture=capture,
        reasons=allocation.reasons,
        warnings=tuple(_warnings(round_, reports)),
    )


def match_gap(round_: Round, entries: Entries) -> float | None:
    """Return the mean synthetic score minus the mean score of the real samples that were matched and scored."""
    matched = (entries.synthetic >= 0) & ~np.isnan(entries.scores)
    if round_.synthetic is None or not matched.any():
        return None
    return float(round_.synthetic.scores.mean() - entries.scores[matched].mean())


def _report(
    source: Source, round_: Round, entries: Entries, picked: Entries, allocation: Allocation
) -> SourceReport:
    number = NUMBER_OF[source]
    own = (entries.sources == number) & ~np.isnan(entries.scores)
    memory = round_.memory
    labeled = int(memory.labeled[number])
    scored = int(np.count_nonzero(own))
    known = yields(memory, dict.fromkeys(SOURCES, 1.0) | priors(round_.labeled))
    return SourceReport(
        source=source,
        share=float(allocation.shares.get(source, 0.0)),
        scored=scored,
        mean_score=float(entries.scores[own].mean()) if scored else None,
        picked=int(np.count_nonzero(picked.sources == number)),
        labeled=labeled,
        contradicted=int(memory.contradicted[number]),
        rarity=float(memory.rarity[number] / labeled) if labeled else None,
        yield_=known.get(source) if labeled else None,
    )


def _redundancy(picks: Float32, draws: Float32) -> float:
    """Return the part of picks [B, D] closer to a better pick than half of draws [n, D] are to their nearest other."""
    typical = np.median(_nearest(draws, before_only=False))
    return float(np.mean(_nearest(picks, before_only=True)[1:] < typical))


def _nearest(points: Float32, *, before_only: bool) -> Float32:
    """Return the distance [n] of points [n, D] to their nearest other, or nearest earlier, point."""
    norms = np.square(points).sum(1)
    squared = np.maximum(norms[:, None] + norms - 2 * (points @ points.T), 0)
    squared[np.triu_indices(len(points)) if before_only else np.diag_indices(len(points))] = np.inf
    nearest: Float32 = np.sqrt(squared.min(1))
    return nearest


def _warnings(round_: Round, reports: tuple[SourceReport, ...]) -> list[str]:
    warnings = []
    for report in reports:
        if report.source is not Source.SYNTHESIS:
            continue
        enough = report.labeled >= _ENOUGH_LABELED
        if enough and report.yield_ is not None and report.yield_ < _POOR_YIELD:
            warnings.append(
                f"synthesis is not earning its keep: a pick of it is worth {report.yield_:.2f} random ones; "
                "the generator may not cover what is informative; train it longer, weighted by rarity "
                "(dowser-trainer train --labels), or give synthesis no share"
            )
    if round_.unique_match_rate is not None and round_.unique_match_rate < _FEW_UNIQUE:
        warnings.append(
            f"synthetic samples share their matches ({round_.unique_match_rate:.0%} are distinct): use fewer "
            "latents, or repulsion between them"
        )
    return warnings
