"""The figure every setting has: test accuracy over labels, strategy by strategy."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.common import plots
from benchmarks.papers.paper import Setting
from benchmarks.papers.records import Runs

SHADES = (
    *("#0f766e", "#1d4ed8", "#d97706", "#be185d", "#7c3aed", "#0891b2", "#65a30d", "#a16207", "#475569"),
    *("#f472b6", "#92400e", "#111827"),
)
LINES = ("-", "--", ":", "-.")
_MOST_BANDS = 8


def style(position: int) -> tuple[str, str]:
    """Return color and line of the strategy at a position, told apart up to 48."""
    return SHADES[position % len(SHADES)], LINES[position // len(SHADES) % len(LINES)]


def curves_figure(setting: Setting, finished: dict[str, Runs]) -> Any:
    """Draw accuracy over labels, the mean over the finished seeds; one standard deviation too where lines are few.

    What has the same labels all along is drawn over those of the others, round by round, and says how many it has.
    """
    made, (ax,) = plots.figure(width=9.5, height=5.0)
    positions = list(setting.strategies)
    labels = {name: next(iter(runs.values()))["labels"] for name, runs in finished.items()}
    growing: list[int] = max((each for each in labels.values() if each[0] < each[-1]), key=len, default=[])
    for name, runs in finished.items():
        color, line = style(positions.index(name))
        accuracy = 100 * np.array([record["accuracy"] for record in runs.values()])
        x, said = labels[name], name
        if x[0] == x[-1] and growing:
            x, said = growing[: len(x)], f"{name}, {x[0]:,} labels"
        plots.curve(ax, x, accuracy, name=said, color=color, line=line, band=len(finished) <= _MOST_BANDS)
    plots.label_axes(ax, x="labeled samples", y="test accuracy, %", title=setting.text)
    ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1), handlelength=3.2)
    return made
