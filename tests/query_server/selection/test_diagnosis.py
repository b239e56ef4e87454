"""What a round says of itself."""

from dataclasses import replace

import numpy as np
import pytest

from query_server.selection import strategies
from query_server.selection.board import NUMBER_OF, SOURCES
from query_server.selection.diagnosis import diagnose, match_gap
from query_server.selection.memory import Memory
from query_server.selection.policy import fixed
from query_server.selection.values import Source

LABELS = {row: row % 3 for row in range(30)}


def by_source(**counts):
    values = np.zeros(len(SOURCES))
    for name, count in counts.items():
        values[NUMBER_OF[Source(name)]] = count
    return values


@pytest.fixture
def searched(make_round):
    """A round after its search, and its shares."""

    def search(shares, *, scored=200, **changes):
        round_ = make_round(**({"labels": LABELS, "classes": 3} | changes))
        allocation = fixed(shares)
        strategies.search(round_, allocation, scored)
        return round_, allocation

    return search


def best(entries, count=10):
    return entries.take(entries.by_score()[:count])


def test_the_numbers_of_the_sources_add_up(searched):
    round_, allocation = searched({Source.RANDOM: 2, Source.SYNTHESIS: 1, Source.LABELED_NEIGHBORS: 1})
    entries = round_.board.entries()
    picked = best(entries)
    told = diagnose(round_, entries, picked, allocation)
    assert {report.source for report in told.sources} == set(allocation.shares)
    assert sum(report.scored for report in told.sources) == len(entries) == 200
    assert sum(report.picked for report in told.sources) == 10
    assert sum(report.share for report in told.sources) == pytest.approx(1)
    for report in told.sources:
        own = entries.sources == NUMBER_OF[report.source]
        assert report.scored == np.count_nonzero(own)
        assert report.mean_score == pytest.approx(float(entries.scores[own].mean()))
        assert report.picked == np.count_nonzero(picked.sources == NUMBER_OF[report.source])
    assert told.unique_match_rate == round_.unique_match_rate
    assert told.capture.low <= told.capture.value <= told.capture.high <= 1
    assert told.capture.draws == 100


def test_a_source_that_found_nothing_and_one_that_only_helped_out_are_reported(searched):
    round_, allocation = searched({Source.CARRY_OVER: 1.0})
    entries = round_.board.entries()
    told = {r.source: r for r in diagnose(round_, entries, best(entries), allocation).sources}
    assert (told[Source.CARRY_OVER].scored, told[Source.CARRY_OVER].mean_score) == (0, None)
    assert (told[Source.RANDOM].scored, told[Source.RANDOM].share) == (200, 0.0)


def test_evidence_of_earlier_rounds_is_told(searched):
    memory = Memory(
        settled=by_source(random=1000, synthesis=1000),
        worth=by_source(random=500, synthesis=1000),
        labeled=by_source(synthesis=8),
        contradicted=by_source(synthesis=6),
        rarity=by_source(synthesis=12),
    )
    round_, allocation = searched({Source.RANDOM: 1, Source.SYNTHESIS: 1}, memory=memory)
    entries = round_.board.entries()
    told = {r.source: r for r in diagnose(round_, entries, best(entries), allocation).sources}
    synthesis = told[Source.SYNTHESIS]
    assert (synthesis.labeled, synthesis.contradicted, synthesis.rarity) == (8, 6, 1.5)
    assert 1.5 < synthesis.yield_ <= 2
    assert told[Source.RANDOM].rarity is None


def test_alike_picks_are_redundant_and_far_ones_are_not(searched, exact_pool):
    rng = np.random.default_rng(0)
    spread = rng.random((300, 2)) * 100
    spread[280:] = 50 + rng.random((20, 2)) * 1e-3  # twenty of a kind
    round_, allocation = searched(
        {Source.RANDOM: 1.0}, pool=exact_pool(spread.astype(np.float32)), scored=270
    )
    entries = round_.board.entries()
    alike = entries.take(np.flatnonzero(entries.rows >= 280)[:8])
    assert diagnose(round_, entries, alike, allocation).redundancy == 1
    # Farthest first: each lies as far as can be from those before it.
    points = round_.pool.all[entries.rows]
    chosen = [0]
    for _ in range(7):
        gaps = np.linalg.norm(points[:, None] - points[chosen][None], axis=2).min(1)
        chosen.append(int(gaps.argmax()))
    assert diagnose(round_, entries, entries.take(np.array(chosen)), allocation).redundancy == 0


def test_of_two_alike_picks_only_the_worse_is_redundant(searched, exact_pool):
    spread = np.random.default_rng(0).random((300, 2)) * 100
    spread[298:] = [[200, 200], [200, 200.001]]
    round_, allocation = searched(
        {Source.RANDOM: 1.0}, pool=exact_pool(spread.astype(np.float32)), scored=270
    )
    entries = round_.board.entries()
    far = int(np.flatnonzero(entries.rows < 298)[0])
    alike = np.flatnonzero(entries.rows >= 298)
    assert len(alike) == 2
    told = diagnose(round_, entries, entries.take(np.array([far, *alike])), allocation)
    assert told.redundancy == 0.5


def test_redundancy_is_unknown_without_random_draws(searched):
    round_, allocation = searched({Source.LABELED_NEIGHBORS: 1.0}, scored=40)
    entries = round_.board.entries()
    told = diagnose(round_, entries, best(entries), allocation)
    assert told.redundancy is None
    assert told.capture is None


@pytest.mark.parametrize(("found", "warned"), [(100, True), (300, False)])
def test_a_synthesis_that_earns_nothing_is_warned_of(searched, found, warned):
    memory = Memory(
        settled=by_source(random=500, synthesis=500),
        worth=by_source(random=250, synthesis=found),
        labeled=by_source(random=500, synthesis=500),
    )
    round_, allocation = searched({Source.RANDOM: 1, Source.SYNTHESIS: 1}, memory=memory)
    round_.unique_match_rate = 1.0
    entries = round_.board.entries()
    told = diagnose(round_, entries, best(entries), allocation)
    assert any("not earning its keep" in line for line in told.warnings) == warned


def test_no_warning_without_evidence(searched):
    round_, allocation = searched({Source.RANDOM: 1, Source.SYNTHESIS: 1})
    round_.unique_match_rate = 1.0
    entries = round_.board.entries()
    assert diagnose(round_, entries, best(entries), allocation).warnings == ()


def test_synthetic_samples_that_share_their_matches_are_warned_of(searched):
    round_, allocation = searched({Source.SYNTHESIS: 1.0})
    entries = round_.board.entries()
    for rate, warned in ((0.2, True), (0.9, False)):
        round_.unique_match_rate = rate
        told = diagnose(round_, entries, best(entries), allocation)
        assert any("share their matches" in line for line in told.warnings) == warned


def test_the_match_gap_is_synthetic_minus_matched_scores(searched):
    round_, _ = searched({Source.RANDOM: 1, Source.SYNTHESIS: 1})
    entries = round_.board.entries()
    matched = entries.scores[entries.sources == NUMBER_OF[Source.SYNTHESIS]]
    assert match_gap(round_, entries) == pytest.approx(
        float(round_.synthetic.scores.mean() - matched.mean()), abs=1e-6
    )
    assert match_gap(replace(round_, synthetic=None), entries) is None
