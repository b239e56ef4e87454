"""What VaB-AL claims, and how each claim is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.common.markdown import table
from benchmarks.papers.claims import Claim, Finding, above, ordering
from benchmarks.papers.paper import Record
from benchmarks.papers.records import NotRunError, Results, compare

RIVALS = ("mc-dropout", "coreset", "vaal", "random")


def _names(results: Results, part: str) -> list[str]:
    names = [setting.name for setting in results.preset.settings if part in setting.name]
    if not names:
        raise NotRunError(f"no setting of the kind {part} is in this preset")
    return names


def _above(part: str, *rivals: str) -> Callable[[Results], Finding]:
    """Return the check that VaB-AL is above these in every finished setting of a kind, at least one."""
    return above(lambda results: _names(results, part), "vab-al", *rivals)


def _dominant(results: Results) -> str:
    return next(name for name in _names(results, "dominant"))


def _ablation(results: Results) -> Finding:
    name = next(
        (
            setting.name
            for setting in results.preset.settings
            if "no-prior" in setting.strategies and "dominant" in setting.name
        ),
        "",
    )
    return ordering(
        [compare(results, name, each, "neither") for each in ("vab-al", "no-difficulty", "no-prior")]
    )


def rare_share(record: Record) -> float:
    """Return the share of the picks that are not of the pool's most frequent class, %."""
    counts = np.array(record["counts"])
    return float(100 * (1 - counts[:, 0].sum() / counts.sum()))


def largest_share(record: Record) -> float:
    """Return the share of the most frequent class in a round's picks, averaged over the rounds, %."""
    counts = np.array(record["counts"])
    return float(100 * (counts.max(axis=1) / counts.sum(axis=1)).mean())


def _balance(results: Results) -> Finding:
    name = _dominant(results)
    return ordering(
        [
            compare(results, name, "vab-al", rival, measure=rare_share, unit="% of the picks")
            for rival in ("mc-dropout", "random")
        ]
    )


ORDERING = "test accuracy averaged over the rounds, paired by seed, in every seed"

CLAIMS = (
    Claim(
        name="dominant",
        text="Where one class dominates, VaB-AL is above MC dropout and CoreSet",
        where="figure 3b",
        paper="above both by a significant margin",
        measured=ORDERING,
        check=_above("dominant", "mc-dropout", "coreset"),
    ),
    Claim(
        name="dominant-all",
        text="Where one class dominates, VaB-AL is above VAAL and random too",
        where="figure 3b",
        paper="above both",
        measured=ORDERING,
        check=_above("dominant", "vaal", "random"),
    ),
    Claim(
        name="balance",
        text="VaB-AL labels more of the rare classes than MC dropout and random",
        where="figure 7",
        paper="above both, and MC dropout above the others",
        measured="share of all picks that are not of the dominant class, paired by seed, in every seed",
        check=_balance,
    ),
    Claim(
        name="ablation",
        text="Prior and difficulty each help where one class dominates",
        where="table 1",
        paper="54.2 % with both, 54.2 with the prior, 51.9 with the difficulty, 48.0 with neither (average)",
        measured=ORDERING,
        check=_ablation,
    ),
    Claim(
        name="rare",
        text="Where one class is rare, VaB-AL is above its rivals",
        where="figure 3d",
        paper="above MC dropout, CoreSet, VAAL and random",
        measured=ORDERING,
        check=_above("rare", *RIVALS),
    ),
    Claim(
        name="neu",
        text="On steel defects VaB-AL is above its rivals",
        where="figure 3a",
        paper="above all, most in the early rounds; VAAL below random",
        measured=ORDERING,
        check=_above("neu", *RIVALS),
    ),
)


def sections(results: Results) -> Sequence[str]:
    """Return what each strategy picks, and what the sub-linear form loses and saves."""
    rows = []
    for setting in results.preset.settings:
        for name, runs in results.finished.get(setting.name, {}).items():
            records = list(runs.values())
            rows.append(
                [
                    setting.name,
                    name,
                    f"{np.mean([rare_share(r) for r in records]):.0f}",
                    f"{np.mean([largest_share(r) for r in records]):.0f}",
                    f"{100 * np.mean([r['wrong'] for r in records]):.0f}",
                    f"{np.mean([r['scored'] for r in records]):,.0f}",
                    f"{np.mean([r['select_seconds'] for r in records]):.2f}",
                ]
            )
    if not rows:
        return []
    head = [
        "setting",
        "strategy",
        "not of the first class, %",
        "of a round's largest class, %",
        "predicted wrongly, %",
        "scored a round",
        "seconds a selection",
    ]
    return [
        "## What is picked, and what it costs",
        "Shares are of the picks. VaB-AL's difficulty is one number a class: where equation 5 is summed over all "
        "classes (vab-al-sum), samples of the hardest class score the higher the surer their class is, so "
        "most of a round's picks are of one class, and few of them are predicted wrongly; the term of the "
        "predicted class alone also rises with a doubtful posterior. Exhaustive forms score the whole pool; "
        "the sub-linear one lets the default selection propose a tenth of it to the same score. Seconds are "
        "those of the caller, with whatever else ran.",
        table(head, rows),
    ]
