"""Rounds of every size in turns: campaigns that select, label and select again, and exhaustive scoring beside them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.common.classifiers import logits_of
from benchmarks.common.results import UnitStore
from benchmarks.scale.building import Bench
from benchmarks.scale.exhaustive import Best, best_of_pool, slice_seconds
from benchmarks.scale.memory import memory_of_family
from benchmarks.scale.servers import ACQUISITION, Networks, Served, serve_all
from benchmarks.scale.sizes import Size
from client import Dowser, NotFoundError, Scores, StageTiming

BUDGET = 10
MAX_SCORED = 1000
WHOLE = 1_000_000  # up to so many samples exhaustive scoring is done whole, above on a slice of as many
EXHAUSTIVE_TURNS = 2  # of those above

Ids = NDArray[np.uint64]
Record = dict[str, Any]
#: Selects in a campaign with a round's classifier; returns the picks and what was measured.
Call = Callable[[Served, str, int], tuple[Ids, Record]]


class Turns:
    """Campaigns of several sizes and calls, one request of each after the other.

    Args:
        bench: Where the indexes are.
        sizes: Served at once.
        calls: "select", "plain" or "propose"; a size without samples is not asked to select.
        rounds: Of a campaign.
        exhaustive_turns: Sessions that begin with exhaustive scoring, each with another round's classifier.
    """

    def __init__(
        self,
        bench: Bench,
        sizes: Sequence[Size],
        calls: Sequence[str],
        *,
        rounds: int,
        exhaustive_turns: int,
    ) -> None:
        self._bench = bench
        self._sizes = tuple(sizes)
        self._calls = tuple(calls)
        self._rounds = rounds
        self._exhaustive_turns = exhaustive_turns
        self._networks = Networks(bench, sizes[0].count, rounds)
        self._ways: dict[str, Call] = {"select": self._select, "plain": self._plain, "propose": self._propose}
        self._best: dict[tuple[str, int], Best] = {}

    def run(self, sessions: int, options: Sequence[str], *, warm_up: int, kept: UnitStore) -> dict[str, Any]:
        """Return what was measured of each size.

        Args:
            sessions: Campaigns of each size and call.
            options: More flags of the servers.
            warm_up: Campaigns that go before them and are not counted: what is mapped is touched for the first time.
            kept: Of finished sessions; those are not done again.
        """
        with serve_all(self._bench, self._sizes, self._networks, options) as served:
            asked = [
                (each, call)
                for each in served
                for call in self._calls
                if each.size.has_samples or call != "select"
            ]
            for session in range(-warm_up, 0):
                self._session(asked, session)
            named = ", ".join(size.name for size in self._sizes)
            done = [
                self._kept(served, asked, session, kept)
                for session in tqdm(range(sessions), desc=f"campaigns of {named}", unit="turn")
            ]
            return {
                each.size.name: {
                    "calls": {
                        call: [record for one in done for record in one["records"][each.size.name][call]]
                        for call in done[0]["records"][each.size.name]
                    },
                    "exhaustive_seconds": [
                        seconds for one in done for seconds in one["exhaustive"][each.size.name]
                    ],
                    "exhaustive_samples": min(each.size.count, WHOLE),
                    "start_seconds": each.start_seconds,
                    "memory": {"start": each.start_memory, "end": memory_of_family(each.process.pid)},
                }
                for each in served
            }

    def _kept(
        self, served: Sequence[Served], asked: Sequence[tuple[Served, str]], session: int, kept: UnitStore
    ) -> dict[str, Any]:
        """Return a session, done now unless it is kept."""
        unit = "-".join(["session", *(size.name for size in self._sizes), str(session)])
        if (done := kept.load(unit)) is not None:
            return done
        exhaustive = {each.size.name: self._score_exhaustively(each, session) for each in served}
        records: dict[str, dict[str, list[Record]]] = {each.size.name: {} for each in served}
        for each, call, record in self._session(asked, session):
            records[each.size.name].setdefault(call, []).append(record)
        result = {"exhaustive": exhaustive, "records": records}
        kept.save(unit, result)
        return result

    def _session(self, asked: Sequence[tuple[Served, str]], session: int) -> list[tuple[Served, str, Record]]:
        """Go through one campaign of each size and call."""
        taken = {}
        for each, call in asked:
            with contextlib.suppress(NotFoundError):
                each.client.delete_campaign(_campaign(call))
            each.client.create_campaign(_campaign(call), seed=session % 2**32)
            self._label(each, call, self._networks.initial)
            taken[each.size.name, call] = self._networks.initial
        records = []
        for round_ in range(self._rounds):
            shift = (session + round_) % len(asked)
            for each, call in (*asked[shift:], *asked[:shift]):  # nobody always goes first
                picks, record = self._ways[call](each, _campaign(call), round_)
                self._label(each, call, picks)
                best = self._best.get((each.size.name, round_))
                if best is not None and record["score"] is not None:
                    record["capture"] = record["score"] / best.mean(
                        BUDGET, without=taken[each.size.name, call]
                    )
                taken[each.size.name, call] = np.concatenate([taken[each.size.name, call], picks])
                records.append((each, call, record | {"session": session, "round": round_}))
        return records

    def _label(self, served: Served, call: str, ids: Ids) -> None:
        labels = self._bench.grown.labels_of(ids)
        served.client.record_labels(_campaign(call), zip(ids.tolist(), labels.tolist(), strict=True))

    def _score_exhaustively(self, served: Served, session: int) -> list[float]:
        """Score the pool, or a slice of it, where it is this session's turn; return the seconds."""
        if not served.size.has_samples:
            return []
        if served.size.count > WHOLE:
            if session >= min(EXHAUSTIVE_TURNS, self._exhaustive_turns):
                return []
            return [slice_seconds(served, served.classifiers[session % self._rounds], WHOLE)]
        if session >= min(self._rounds, self._exhaustive_turns):
            return []
        seconds, best = best_of_pool(
            served, served.classifiers[session], self._networks, count=BUDGET * self._rounds
        )
        self._best[served.size.name, session] = best
        return [seconds]

    def _select(
        self, served: Served, campaign: str, round_: int, max_scored: int = MAX_SCORED
    ) -> tuple[Ids, Record]:
        started = time.perf_counter()
        reply = served.client.select_samples(
            campaign,
            classifier=served.classifiers[round_],
            budget=BUDGET,
            acquisition=ACQUISITION,
            strategy=Dowser(max_scored=max_scored),
        )
        seconds = time.perf_counter() - started
        scores = reply.scores[~np.isnan(reply.scores)]
        estimate = reply.diagnosis.capture
        return reply.pool_ids, {
            "seconds": seconds,
            "server_seconds": reply.total_seconds,
            "stages": _stages(reply.timings),
            "visited": reply.visited,
            "scored": reply.scored,
            "score": float(scores.mean()) if len(scores) else None,
            "estimate": None if estimate is None else estimate.value,
        }

    def _plain(self, served: Served, campaign: str, round_: int) -> tuple[Ids, Record]:
        return self._select(served, campaign, round_, 0)

    def _propose(self, served: Served, campaign: str, round_: int) -> tuple[Ids, Record]:
        """Propose and commit; between them, not timed, a candidate's score is that of the image it was made from."""
        started = time.perf_counter()
        proposal = served.client.propose_samples(
            campaign,
            budget=BUDGET,
            classifier=served.classifiers[round_],
            acquisition=ACQUISITION,
            strategy=Dowser(max_scored=MAX_SCORED),
        )
        proposed = time.perf_counter() - started
        ids = proposal.pool_ids
        x = self._networks.inputs(self._bench.grown.images[self._bench.grown.originals_of(ids)])
        probabilities = logits_of(self._networks.modules[round_], x).softmax(1).numpy()
        top = np.sort(probabilities, axis=1)[:, -2:]
        margins = (1 - (top[:, 1] - top[:, 0])).astype(np.float32)
        started = time.perf_counter()
        reply = served.client.commit_selection(
            campaign, proposal, Scores(scores=margins, probabilities=probabilities), budget=BUDGET
        )
        committed = time.perf_counter() - started
        return reply.pool_ids, {
            "seconds": proposed + committed,
            "server_seconds": proposal.total_seconds + reply.total_seconds,
            "commit_seconds": committed,
            "stages": _stages((*proposal.timings, *reply.timings)),
            "visited": proposal.visited,
            "scored": len(ids),
            "score": None,
            "estimate": None,
        }


def _campaign(call: str) -> str:
    return f"scale-{call}"


def _stages(timings: Sequence[StageTiming]) -> dict[str, float]:
    stages: dict[str, float] = {}
    for timing in timings:
        stages[timing.stage] = stages.get(timing.stage, 0.0) + timing.seconds
    return {stage: round(seconds, 6) for stage, seconds in stages.items()}
