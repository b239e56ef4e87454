"""The recipe's report and figure, made from the results."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.capture.strategies import BOUNDED, SEARCH, SUBSET, UNBOUNDED
from benchmarks.common import plots
from benchmarks.common.markdown import NONE, mean_and_spread, table

Result = Mapping[str, Any]

COLORS = {
    SEARCH: plots.COLORS["dowser"],
    SUBSET: plots.COLORS["subset"],
    "synthesis": plots.COLORS["plain"],
    "synthesis-climb": "#7c3aed",
    "random-climb": "#0891b2",
    "carry_over": "#65a30d",
    "surrogate": plots.COLORS["exhaustive"],
    "labeled_neighbors": "#92400e",
    "class_anchors": plots.COLORS["random"],
}


def mean_capture(result: Result, name: str) -> float:
    """Return the mean over classifiers and seeds; NaN where the search was not run."""
    entry = result["searches"].get(name)
    return float(np.mean(entry["capture"])) if entry is not None else math.nan


def capture_figure(result: Result) -> Any:
    """Draw capture over the classifier's labels, a panel for each number of samples scored."""
    bounds = sorted({each["scored"] for each in result["searches"].values()} - {0})
    made, axes = plots.figure(max(1, len(bounds)), width=5.0, height=4.2)
    labels = result["parameters"]["labels"]
    for ax, bound in zip(axes, bounds, strict=False):
        for name in reversed(BOUNDED):
            if (entry := result["searches"].get(f"{name}_{bound}")) is not None:
                plots.curve(ax, labels, np.array(entry["capture"]), name=name, color=COLORS[name])
        plots.label_axes(ax, x="labels of the classifier", y="capture", title=f"{bound:,} scored")
        ax.set_ylim(0, 1.02)
    if bounds:
        axes[0].legend(frameon=False, fontsize=8)
    return made


def render_report(results: Sequence[Result]) -> str:
    """Return the report as Markdown."""
    parts = [
        "# Capture: how near a bounded search comes to the highest scores",
        "Mean maximum entropy of the picks, divided by that of the best batch of all unlabeled samples. The "
        "classifiers are trained on labels drawn at random, the same for every search; what a search picks leaves its "
        "pool. High scores are the diagnostic of the search, not the goal: see the report of `label-efficiency`.",
    ]
    for result in results:
        pool, parameters = result["pool"], result["parameters"]
        name = pool["name"]
        seeds = max(len(each["capture"]) for each in result["searches"].values())
        parts += [
            f"## {name}",
            f"{pool['text']}: {pool['size']:,} samples, batches of {parameters['budget']}. Mean ± standard deviation "
            f"of {len(parameters['labels'])} classifiers ({parameters['labels'][0]} to {parameters['labels'][-1]} "
            f"labels) of {seeds} seed(s). {result['hardware']['cpu']}, {result['time']}.",
            _by_bound(result),
            "By labels of the classifier, mean of the seeds:",
            _by_labels(result),
            f"![{name}]({name}.png)",
        ]
    return "\n\n".join(parts) + "\n"


def _by_bound(result: Result) -> str:
    searches = result["searches"]
    bounds = sorted({each["scored"] for each in searches.values()} - {0})
    rows = [
        [searches[name]["text"], *([_spread(searches[name])] * max(1, len(bounds)))]
        for name in UNBOUNDED
        if name in searches
    ]
    for name in BOUNDED:
        entries = [searches.get(f"{name}_{bound}") for bound in bounds]
        found = next((each for each in entries if each is not None), None)
        if found is not None:
            rows.append([found["text"], *(_spread(each) if each is not None else NONE for each in entries)])
    return table(["search", *(f"{bound:,} scored" for bound in bounds)] if bounds else ["search", ""], rows)


def _by_labels(result: Result) -> str:
    rows = [
        [name, *(f"{value:.2f}" for value in np.mean(entry["capture"], axis=0))]
        for name, entry in result["searches"].items()
    ]
    return table(["search", *map(str, result["parameters"]["labels"])], rows)


def _spread(entry: Mapping[str, Any]) -> str:
    return mean_and_spread(np.array(entry["capture"]), 3)
