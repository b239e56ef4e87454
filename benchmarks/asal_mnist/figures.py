"""The recipe's figures."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.asal_mnist.findings import best_features
from benchmarks.common import curves, plots
from benchmarks.common.mnist_bundles import FEATURES

BASELINES = {"exhaustive": "exhaustive entropy", "subset": "top of a random subset", "random": "random"}


def _main_groups(records: curves.Records) -> dict[str, tuple[str, str]]:
    """Return {record group: (name, color)} of the five strategies that matter, each with its best features."""
    dowser, plain = best_features(records, "dowser"), best_features(records, "plain")
    return {
        f"dowser-{dowser}": (f"Dowser ({dowser})", plots.COLORS["dowser"]),
        "exhaustive": (BASELINES["exhaustive"], plots.COLORS["exhaustive"]),
        "subset": (BASELINES["subset"], plots.COLORS["subset"]),
        f"plain-{plain}": (f"plain ASAL ({plain})", plots.COLORS["plain"]),
        "random": (BASELINES["random"], plots.COLORS["random"]),
    }


def _accuracy(ax: Any, records: curves.Records, group: str, name: str, color: str, line: str = "-") -> None:
    runs = 100 * curves.accuracies(records[group])
    plots.curve(ax, curves.labels_of(records[group]), runs, name=name, color=color, line=line)


def accuracy_figure(records: curves.Records) -> Any:
    """Draw test accuracy over labels: the five strategies, and the same from 93 % up where they come close."""
    made, (whole, close) = plots.figure(2, width=6.0, height=4.4)
    for ax in (whole, close):
        for group, (name, color) in reversed(_main_groups(records).items()):
            _accuracy(ax, records, group, name, color)
        plots.label_axes(ax, x="labeled samples", y="test accuracy, %")
    top = max(float(100 * curves.accuracies(each).max()) for each in records.values())
    close.set_ylim(min(93.0, top - 3), top + 0.3)
    whole.set_title("all rounds", loc="left", fontsize=11)
    close.set_title("the upper end", loc="left", fontsize=11)
    whole.legend(frameon=False, loc="lower right")
    return made


def features_figure(records: curves.Records) -> Any:
    """Draw the three kinds of features: re-scored on the left, plain matching on the right."""
    made, axes = plots.figure(2, width=6.0, height=4.4)
    titles = (("dowser", "Dowser: neighbors re-scored"), ("plain", "plain ASAL: the nearest match"))
    for ax, (how, title) in zip(axes, titles, strict=True):
        _accuracy(ax, records, "random", "random", plots.COLORS["random"])
        for kind in FEATURES:
            _accuracy(ax, records, f"{how}-{kind}", kind, plots.COLORS[how], plots.LINES[kind])
        plots.label_axes(ax, x="labeled samples", y="test accuracy, %", title=title)
        ax.legend(frameon=False, loc="lower right")
    low = min(ax.get_ylim()[0] for ax in axes)
    high = max(ax.get_ylim()[1] for ax in axes)
    for ax in axes:
        ax.set_ylim(low, high)
    return made


def entropy_figure(records: curves.Records) -> Any:
    """Draw the mean entropy of each round's picks, by the round's own classifier."""
    made, (ax,) = plots.figure(width=7.5, height=4.2)
    for group, (name, color) in _main_groups(records).items():
        values = curves.pick_entropies(records[group])
        plots.curve(ax, curves.labels_of(records[group])[: values.shape[1]], values, name=name, color=color)
    plots.label_axes(ax, x="labeled samples", y="mean entropy of the picks, nats")
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False)
    return made


def labels_figure(records: curves.Records) -> Any:
    """Draw which digits each strategy asked for, over all rounds."""
    made, (ax,) = plots.figure(width=10, height=3.8)
    groups = _main_groups(records)
    for position, (group, (name, color)) in enumerate(groups.items()):
        shares = 100 * curves.label_shares(records[group])
        places = np.arange(len(shares)) + 0.16 * (position - (len(groups) - 1) / 2)
        ax.bar(places, shares, width=0.14, color=color, label=name)
    plots.label_axes(ax, x="digit", y="share of the picks, %")
    ax.set_xticks(range(10))
    ax.grid(visible=False, axis="x")
    ax.legend(frameon=False, fontsize=8, ncols=5, loc="lower left", bbox_to_anchor=(0, 1))
    return made


def time_figure(records: curves.Records) -> Any:
    """Draw where a round's time goes at the client, and a selection's inside the server."""
    made, (left, right) = plots.figure(2, width=6.2, height=3.4)
    groups = _main_groups(records)
    plots.stacked_bars(
        left, {name: curves.mean_seconds(records[group]) for group, (name, _) in groups.items()}
    )
    plots.stacked_bars(
        right, {name: curves.mean_stages(records[group]) for group, (name, _) in groups.items()}
    )
    plots.label_axes(left, x="seconds a round, at the client", y="")
    plots.label_axes(right, x="seconds a selection, inside the server", y="")
    return made
