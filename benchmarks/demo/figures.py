"""The demo's figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import curves, plots

NAMES = {
    "dowser": "Dowser",
    "exhaustive": "exhaustive entropy",
    "subset": "top entropy of a random subset",
    "random": "random",
}

SOURCES = {
    "random": "random draws",
    "labeled_neighbors": "neighbors of labeled",
    "synthesis": "synthesis",
    "carry_over": "carried over",
}
SOURCE_COLORS = {
    "random": "#9ca3af",
    "labeled_neighbors": "#1d4ed8",
    "synthesis": "#0f766e",
    "carry_over": "#d97706",
}


def accuracy_figure(records: curves.Records) -> Any:
    """Draw test accuracy over labels, mean and spread of the seeds."""
    made, (ax,) = plots.figure(width=8.2, height=4.4)
    for name in reversed(NAMES):  # Dowser last, on top
        labels = curves.labels_of(records[name])
        values = 100 * curves.accuracies(records[name])
        plots.curve(ax, labels, values, name=NAMES[name], color=plots.COLORS[name])
    plots.label_axes(ax, x="labeled samples", y="test accuracy, %")
    handles, names = ax.get_legend_handles_labels()
    ax.legend(handles[::-1], names[::-1], frameon=False, loc="lower right")
    return made


def picks_figure(records: curves.Records) -> Any:
    """Draw how uncertain the picks were in each round, and of which classes."""
    made, (left, right) = plots.figure(2, width=5.6, height=3.6)
    for position, name in enumerate(NAMES):
        entropies = curves.pick_entropies(records[name])
        labels = curves.labels_of(records[name])[: entropies.shape[1]]
        plots.curve(left, labels, entropies, name=NAMES[name], color=plots.COLORS[name])
        shares = 100 * curves.label_shares(records[name])
        places = np.arange(len(shares)) + 0.2 * (position - 1.5)
        right.bar(places, shares, width=0.18, color=plots.COLORS[name], label=NAMES[name])
    plots.label_axes(left, x="labeled samples", y="mean entropy of the picks, nats", title="how uncertain")
    plots.label_axes(right, x="digit", y="share of the picks, %", title="which digits")
    right.set_xticks(range(10))
    right.grid(visible=False, axis="x")
    left.legend(frameon=False, fontsize=8)
    return made


def sources_figure(records: curves.Records) -> Any:
    """Draw each source's share of what Dowser scored, and of what it picked, by round, mean of the seeds."""
    made, (left, right) = plots.figure(2, width=5.6, height=3.0)
    for ax, field, title in ((left, "scored", "scored"), (right, "picked", "picked")):
        shares = {name: _by_round(records["dowser"], name, field) for name in SOURCES}
        shown = {name: values for name, values in shares.items() if values.any()}
        total = np.sum(list(shown.values()), axis=0)
        rounds = np.arange(1, len(total) + 1)
        colors = [SOURCE_COLORS[name] for name in shown]
        parts = [100 * values / total for values in shown.values()]
        ax.stackplot(rounds, parts, labels=[SOURCES[name] for name in shown], colors=colors, alpha=0.85)
        ax.set_ylim(0, 100)
        plots.label_axes(ax, x="round", y="share, %", title=title)
    left.legend(frameon=False, fontsize=8, loc="lower left")
    return made


def _by_round(runs: Sequence[Mapping[str, Any]], source: str, field: str) -> NDArray[np.float64]:
    """Return the mean over the seeds of a count of one source, by round [R]."""
    counts = [
        [
            sum(each[field] for each in one["diagnosis"]["sources"] if each["source"] == source)
            for one in run["rounds"]
        ]
        for run in runs
    ]
    mean: NDArray[np.float64] = np.mean(counts, axis=0)
    return mean


def time_figure(records: Mapping[str, Sequence[Mapping[str, Any]]]) -> Any:
    """Draw where a round's time goes at the client, and a selection's time inside the server."""
    made, (left, right) = plots.figure(2, width=5.6, height=3.0)
    plots.stacked_bars(left, {NAMES[n]: curves.mean_seconds(records[n]) for n in NAMES})
    plots.stacked_bars(right, {NAMES[n]: curves.mean_stages(records[n]) for n in NAMES})
    plots.label_axes(left, x="seconds a round, at the client", y="")
    plots.label_axes(right, x="seconds a selection, inside the server", y="")
    return made
