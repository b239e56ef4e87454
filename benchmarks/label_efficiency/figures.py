"""The recipe's figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.common import plots
from benchmarks.label_efficiency.findings import better_subset, ratio
from benchmarks.label_efficiency.strategies import EXHAUSTIVE, OURS, RANDOM, SUBSET

Result = Mapping[str, Any]

COLORS = {
    OURS: plots.COLORS["dowser"],
    SUBSET: plots.COLORS["subset"],
    "subset-class_balanced": "#92400e",
    EXHAUSTIVE: plots.COLORS["exhaustive"],
    "exhaustive-class_balanced": "#7c3aed",
    RANDOM: plots.COLORS["random"],
    "plain": plots.COLORS["plain"],
    "asal": "#65a30d",
    "seals": "#0891b2",
}
SHOWN = (OURS, SUBSET, EXHAUSTIVE, "seals", "asal", "plain", RANDOM)  # lines that still can be told apart


def curves_figure(result: Result) -> Any:
    """Draw balanced accuracy over labels, mean and one standard deviation; beside it rare samples found, if any."""
    rare = bool(result["pool"]["rare"])
    made, axes = plots.figure(2 if rare else 1, width=6.2, height=4.4)
    chosen = [name for name in SHOWN if name in result["strategies"]] or list(result["strategies"])
    for name in reversed(chosen):
        entry = result["strategies"][name]
        color = COLORS.get(name, plots.MUTED)
        runs = 100 * np.array(entry["balanced_accuracy"])
        plots.curve(axes[0], entry["labels"], runs, name=name, color=color)
        if rare:
            plots.curve(axes[1], entry["labels"], np.array(entry["rare_found"]), name=name, color=color)
    plots.label_axes(
        axes[0], x="labeled samples", y="balanced test accuracy, %", title=result["pool"]["text"]
    )
    axes[0].legend(frameon=False, loc="lower right", fontsize=8)
    if rare:
        plots.label_axes(axes[1], x="labeled samples", y="rare samples found")
    return made


def ratios_figure(results: Sequence[Result]) -> Any:
    """Draw the labels Dowser needs for one of each rival, a row a pool, with one standard error over the seeds."""
    made, (ax,) = plots.figure(width=7.5, height=1.2 + 0.6 * len(results))
    rivals: dict[str, Callable[[Result], str | None]] = {
        "the better random subset": better_subset,
        "exhaustive": lambda _: EXHAUSTIVE,
        "random": lambda _: RANDOM,
    }
    colors = [plots.COLORS["subset"], plots.COLORS["exhaustive"], plots.COLORS["random"]]
    for position, ((label, rival), color) in enumerate(zip(rivals.items(), colors, strict=True)):
        for row, result in enumerate(results):
            name = rival(result)
            found = ratio(result, OURS, name) if name is not None else None
            if found is None:
                continue
            y = row + 0.18 * (position - 1)
            ax.plot([found.low, found.high], [y, y], color=color, linewidth=2)
            ax.plot(
                [found.value], [y], "o", color=color, markerfacecolor="white" if found.unreached else color
            )
        ax.plot([], [], "o-", color=color, label=label)
    ax.axvline(1.0, color=plots.INK, linewidth=1)
    ax.set_yticks(range(len(results)), [each["pool"]["name"] for each in results])
    ax.set_ylim(len(results) - 0.5, -0.5)
    plots.label_axes(ax, x="labels Dowser needs for one of the rival's (hollow: a lower bound)", y="")
    ax.legend(frameon=False, fontsize=8, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    return made


def rare_figure(results: Sequence[Result]) -> Any:
    """Draw rare samples found by the end, a row a pool that has rare classes."""
    pools = [each for each in results if each["pool"]["rare"]]
    made, (ax,) = plots.figure(width=7.5, height=1.2 + 0.7 * len(pools))
    for row, result in enumerate(pools):
        chosen = [name for name in SHOWN if name in result["strategies"]]
        for position, name in enumerate(chosen):
            found = np.array(result["strategies"][name]["rare_found"])[:, -1]
            y = row + 0.1 * (position - (len(chosen) - 1) / 2)
            ax.plot(found, np.full(len(found), y), ".", color=COLORS[name], alpha=0.5)
            ax.plot([found.mean()], [y], "o", color=COLORS[name])
    for name in SHOWN:
        if any(name in each["strategies"] for each in pools):
            ax.plot([], [], "o", color=COLORS[name], label=name)
    ax.set_yticks(range(len(pools)), [each["pool"]["name"] for each in pools])
    ax.set_ylim(len(pools) - 0.5, -0.5)
    plots.label_axes(ax, x="rare samples found by the end (dots: seeds)", y="")
    ax.legend(frameon=False, fontsize=8, ncols=4, loc="lower left", bbox_to_anchor=(0, 1))
    return made
