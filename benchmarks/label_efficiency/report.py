"""REPORT.md: every number and every judgment in it is made from the results."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.common.markdown import NONE, mean_and_spread, p_text, table
from benchmarks.label_efficiency.findings import (
    better_subset,
    closing_values,
    over_rounds,
    p_value,
    rare_found_ratio,
    ratio,
)
from benchmarks.label_efficiency.ratios import FIRST_LEVEL, LEVELS, LabelRatio, labels_needed
from benchmarks.label_efficiency.strategies import EXHAUSTIVE, OURS, RANDOM, STRATEGIES, SUBSET

Result = Mapping[str, Any]
SIGNIFICANT = 0.05


def render_report(results: Sequence[Result]) -> str:
    """Return the report as Markdown."""
    parts = [
        "# Labels needed, on a portfolio of pools",
        "Balanced accuracy (the mean of the classes' recalls) of a classifier trained from scratch in every round, on "
        "a balanced test set. All strategies of a seed share initial labels, drawn at random with at least one of each "
        "class, and first weights. The generator and the encoder are trained on each pool as it is, thinned classes "
        "thin. Dowser and the random subset score equally many real samples a round.",
        "## Labels Dowser needs for one of its rivals'",
        _ratios(results),
        f"Geometric means of {LEVELS} levels between {FIRST_LEVEL:.0%} and all of what the rival gains; in brackets "
        "one jackknife standard error over the seeds. ≥ marks a lower bound: some levels were never reached and count "
        "with the last label count.",
        "![ratios](ratios.png)",
        *(["![rare samples found](rare.png)"] if any(each["pool"]["rare"] for each in results) else []),
        *(part for each in results for part in _pool(each)),
        "## How to read this",
        "The p-value is that of a paired t-test over the seeds on the mean over the rounds, against the top scores of "
        "the random subset, not corrected for the number of strategies; with so few seeds it finds large differences "
        'only, and its absence is no proof of a tie. "The better subset" is chosen on the numbers it is then '
        "compared by, which favors it. The policy's constants and the default score were chosen on mnist, fashion and "
        "their thinned forms, with other features and some of the same seeds, which favors Dowser there; the other "
        "pools had no part in it. Pools with a thinned class were thinned with a fixed seed: the spread is that "
        "of initial labels, first weights and selections, not of the thinning or the generator, which was trained "
        "once. Seconds are of campaigns that shared the cores.",
    ]
    return "\n\n".join(parts) + "\n"


def _ratios(results: Sequence[Result]) -> str:
    head = [
        "pool",
        "vs subset, top",
        "vs the better subset",
        "vs exhaustive, top",
        "vs random",
        "rare found vs subset",
    ]
    rows = []
    for each in results:
        better = better_subset(each)
        found = rare_found_ratio(each, OURS, SUBSET)
        rows.append(
            [
                each["pool"]["name"],
                _ratio(ratio(each, OURS, SUBSET)),
                f"{_ratio(ratio(each, OURS, better))} ({better})" if better is not None else NONE,
                _ratio(ratio(each, OURS, EXHAUSTIVE)),
                _ratio(ratio(each, OURS, RANDOM)),
                f"{found:.2f} times" if found is not None else NONE,
            ]
        )
    closing = {
        key: NONE if math.isnan(value) else f"{value:.2f}" for key, value in closing_values(results).items()
    }
    lines = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in closing.items())
    return f"{table(head, rows)}\n\nGeometric means over the pools: {lines}."


def _ratio(found: LabelRatio | None) -> str:
    if found is None:
        return NONE
    bound = "≥ " if found.unreached else ""
    notes = [f"{found.low:.2f} to {found.high:.2f}"] if found.high > found.low else []
    notes += [f"{found.unreached} of {found.levels} levels unreached"] if found.unreached else []
    return f"{bound}{found.value:.2f}" + (f" ({', '.join(notes)})" if notes else "")


def _pool(result: Result) -> list[str]:
    pool, parameters = result["pool"], result["parameters"]
    rare = ", ".join(map(str, pool["rare"]))
    training = pool["bundle"].get("training", {})
    iterations = f", {training['iterations']} iterations" if int(training.get("iterations", 1)) > 1 else ""
    about = (
        f"{pool['text']}: {pool['size']:,} samples, {len(pool['class_counts'])} classes"
        f"{f', rare are {rare}' if rare else ''}. {parameters['initial']} initial labels, {parameters['budget']} a "
        f"round up to {parameters['max_labels']}, at most {parameters['max_scored']} scored. Classifier "
        f"{parameters['classifier']}, {parameters['epochs']} epochs. Generator {pool['bundle'].get('generator')}"
        f"{iterations}, features {pool['bundle'].get('features')}. {result['hardware']['cpu']}, "
        f"{result['hardware']['cores']} cores, {result['time']}."
    )
    parts = [f"## {pool['name']}", about, _strategies(result), _verdict(result)]
    if sources := _sources(result):
        parts += [f"Sources of `{OURS}`, means over rounds and seeds:", sources]
    return [*parts, f"![{pool['name']}]({pool['name']}.png)"]


def _targets(result: Result) -> list[float]:
    """Return three balanced accuracies, 60, 80 and 100 % of what the subset (or the first strategy) gains."""
    strategies = result["strategies"]
    entry = strategies.get(SUBSET) or next(iter(strategies.values()))
    mean = np.array(entry["balanced_accuracy"]).mean(0)
    return [float(mean[0] + part * (mean.max() - mean[0])) for part in (0.6, 0.8, 1.0)]


def _strategies(result: Result) -> str:
    targets = _targets(result)
    rare = bool(result["pool"]["rare"])
    head = [
        "strategy",
        "mean over rounds, %",
        "last round, %",
        *(f"labels to {100 * at:.1f} %" for at in targets),
    ]
    head += ["rare found"] if rare else []
    head += ["p vs subset-top", "scored a round", "s a selection"]
    rows = []
    entries = result["strategies"]
    for name in sorted(entries, key=lambda each: -over_rounds(entries[each]).mean()):
        entry = entries[name]
        accuracy = np.array(entry["balanced_accuracy"])
        needed = [labels_needed(entry["labels"], accuracy.mean(0), at) for at in targets]
        p = p_value(result, name, SUBSET)
        rows.append(
            [
                f"{STRATEGIES[name].text} (`{name}`)",
                mean_and_spread(100 * accuracy.mean(1), 1),
                mean_and_spread(100 * accuracy[:, -1], 1),
                *(f"{each:.0f}" if each is not None else f"> {entry['labels'][-1]}" for each in needed),
                *([mean_and_spread(np.array(entry["rare_found"])[:, -1], 1)] if rare else []),
                NONE if p is None else p_text(p, 3),
                f"{entry['scored_a_round']:,.0f}",
                f"{entry['seconds_a_round']['select']:.2f}",
            ]
        )
    seeds = max(len(entry["seeds"]) for entry in entries.values())
    return f"{table(head, rows)}\n\nMean ± standard deviation, {seeds} seed(s)."


def _verdict(result: Result) -> str:
    """Say how Dowser did against each rival, no stronger than the seeds allow."""
    sentences = []
    entries = result["strategies"]
    for rival in dict.fromkeys([SUBSET, better_subset(result), EXHAUSTIVE, RANDOM]):
        if rival is None or OURS not in entries or rival not in entries:
            continue
        difference = 100 * (over_rounds(entries[OURS]).mean() - over_rounds(entries[rival]).mean())
        p = p_value(result, OURS, rival)
        told = "above" if difference > 0 else "below"
        if p is None:
            verdict = f"{told} by {abs(difference):.1f} points, too few seeds to tell"
        elif p < SIGNIFICANT:
            verdict = f"{told} by {abs(difference):.1f} points (p {p_text(p, 3, relation=True)})"
        else:
            verdict = f"not told apart ({difference:+.1f} points, p {p_text(p, 2, relation=True)})"
        sentences.append(f"against `{rival}` {verdict}")
    return f"Dowser over the rounds: {'; '.join(sentences)}." if sentences else "Dowser was not run here."


def _sources(result: Result) -> str:
    reports = result["strategies"].get(OURS, {}).get("sources", {})
    if not reports:
        return ""
    rows = [
        [
            source,
            f"{each['share']:.2f}",
            f"{each['scored_a_round']:.0f}",
            f"{each['picked_a_round']:.1f}",
            f"{each['yield']:.2f}" if "yield" in each else NONE,
        ]
        for source, each in reports.items()
    ]
    return table(["source", "share", "scored a round", "picked a round", "yield"], rows)
