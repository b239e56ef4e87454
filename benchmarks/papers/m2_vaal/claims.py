"""What the M2-VAAL report claims, and how each claim is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.common.markdown import table
from benchmarks.papers.claims import Claim, Finding, ordering
from benchmarks.papers.paper import Record
from benchmarks.papers.records import Results, compare

ORDERING = "test accuracy averaged over the rounds, paired by seed, in every seed"
SAME_POINTS = 2.0
"""Mean differences up to this many points of accuracy count as none."""


def wrong_share(record: Record) -> float:
    """Return how many of the picks the round's own classifier got wrong, %."""
    return float(100 * np.mean(record["wrong"]))


def _order(setting: str, ours: str, *theirs: str) -> Callable[[Results], Finding]:
    return lambda results: ordering([compare(results, setting, ours, each) for each in theirs])


def _alike(setting: str, ours: str, *theirs: str) -> Callable[[Results], Finding]:
    def check(results: Results) -> Finding:
        found = [compare(results, setting, ours, each) for each in theirs]
        return Finding(
            ours="; ".join(each.describe() for each in found),
            holds=all(abs(each.mean) <= SAME_POINTS for each in found),
        )

    return check


def _wrong(results: Results) -> Finding:
    found = compare(
        results, "algorithms", "algorithm-2", "random", measure=wrong_share, unit="% of the picks"
    )
    shares = {
        name: np.mean([wrong_share(each) for each in results.runs("algorithms", name).values()])
        for name in ("algorithm-2", "random")
    }
    said = f"{shares['algorithm-2']:.0f} % against {shares['random']:.0f} %; {found.describe()}"
    return Finding(ours=said, holds=found.holds)


CLAIMS = (
    Claim(
        name="wrong",
        text="Algorithm 2 picks more wrongly predicted samples than random",
        where="section 4.2.3",
        paper="more than 60 % against about 30 %",
        measured="share of the picks that the round's classifier predicts wrongly, over the rounds, paired by seed, in "
        "every seed",
        check=_wrong,
    ),
    Claim(
        name="algorithms",
        text="Algorithms 1 and 2, random, least confidence and entropy perform alike",
        where="figure 4",
        paper="no method outperforms the others",
        measured=f"mean differences from Algorithm 2 of at most {SAME_POINTS:g} points",
        check=_alike("algorithms", "algorithm-2", "algorithm-1", "random", "least-confidence", "entropy"),
    ),
    Claim(
        name="adversarial",
        text="Without the adversarial loss M2-VAAL is better than with it",
        where="figure 2b",
        paper="better",
        measured=ORDERING,
        check=_order("three-classes", "m2-vaal", "m2-vaal-adversarial"),
    ),
    Claim(
        name="random",
        text="From three classes, M2-VAAL without the adversarial loss is above random",
        where="figure 2b",
        paper="better than random",
        measured=ORDERING,
        check=_order("three-classes", "m2-vaal", "random"),
    ),
    Claim(
        name="vaal",
        text="From three classes, VAAL is above M2-VAAL",
        where="figure 2b",
        paper="VAAL is better, with the adversarial loss and without",
        measured=ORDERING,
        check=_order("three-classes", "vaal", "m2-vaal", "m2-vaal-adversarial"),
    ),
    Claim(
        name="task-aware",
        text="From a thousand labels, TA-VAAL is above M2-VAAL",
        where="figure 2a",
        paper="M2-VAAL performs poorer than TA-VAAL",
        measured=ORDERING,
        check=_order("thousand", "ta-vaal", "m2-vaal-adversarial"),
    ),
    Claim(
        name="thousand",
        text="From a thousand labels, M2-VAAL is level with VAAL and random",
        where="figure 2a",
        paper="equivalent",
        measured=f"mean differences of at most {SAME_POINTS:g} points",
        check=_alike("thousand", "m2-vaal-adversarial", "vaal", "random"),
    ),
)


def sections(results: Results) -> Sequence[str]:
    """Return what each strategy picks, and what the sub-linear forms lose and save."""
    rows = []
    for setting, finished in results.finished.items():
        for name, runs in finished.items():
            records = list(runs.values())
            rows.append(
                [
                    setting,
                    name,
                    f"{np.mean([wrong_share(each) for each in records]):.0f}",
                    f"{np.mean([each['scored'] for each in records]):.0f}",
                    f"{np.mean([each['select_seconds'] for each in records]):.2f}",
                ]
            )
    if not rows:
        return []
    head = ["setting", "strategy", "picks predicted wrongly, %", "scored a round", "seconds a selection"]
    return [
        "## What is picked, and what it costs",
        "Exhaustive forms score the whole pool; the sub-linear ones a tenth of it, proposed by the default selection. "
        "Seconds are those of the caller, with whatever else ran.",
        table(head, rows),
    ]
