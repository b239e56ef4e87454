"""ASAL's figures 7 and 8 for these pools: a round against the pool's size, and when the preparation has paid."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.common import plots
from benchmarks.scale.findings import Findings

_PROPOSE_COLOR = "#7c3aed"


def rounds_figure(findings: Findings) -> Any:
    """Draw seconds a round against the pool's size, both logarithmic."""
    made, (ax,) = plots.figure(width=7.6, height=4.6)
    counts = [findings.sizes[name] for name in findings.with_samples]
    lines = {
        "exhaustive": [findings.exhaustive_seconds(name) for name in findings.with_samples],
        "dowser": [_seconds(findings, "with_samples", name, "select") for name in findings.with_samples],
        "plain": [_seconds(findings, "with_samples", name, "plain") for name in findings.with_samples],
    }
    names = {
        "exhaustive": "exhaustive (above 1M a slice, extrapolated)",
        "dowser": f"Dowser, 1,000 scored (N^{findings.slope('select'):.3f})",
        "plain": f"plain ASAL (N^{findings.slope('plain'):.3f})",
    }
    for line, seconds in lines.items():
        ax.plot(
            counts,
            seconds,
            marker="o",
            markersize=4,
            linewidth=2,
            color=plots.COLORS[line],
            label=names[line],
        )
    for position, name in enumerate(findings.without):
        pair = [findings.base, name]
        sizes = [findings.sizes[each] for each in pair]
        for call, text, color in (
            ("propose", "Dowser, 1,000 proposed and committed", _PROPOSE_COLOR),
            ("plain", "plain ASAL, of the run with features alone", plots.COLORS["plain"]),
        ):
            seconds = [_seconds(findings, name, each, call) for each in pair]
            label = text if not position else None
            ax.plot(sizes, seconds, "--", marker="s", markersize=4, linewidth=1.5, color=color, label=label)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.legend(frameon=False, fontsize=8)
    plots.label_axes(ax, x="samples in the pool", y="seconds a round, p50 of second and later rounds")
    return made


def worth_figure(findings: Findings) -> Any:
    """Draw the time spent after so many rounds at the largest size, and where the two meet for every size."""
    made, (left, right) = plots.figure(2, width=5.6, height=4.0)
    name = findings.largest
    ours = _seconds(findings, "with_samples", name, "select")
    exhaustive, preparation = findings.exhaustive_seconds(name), findings.preparation_seconds(name)
    meet = findings.rounds_until_worth(name)
    rounds = np.linspace(0, 2.5 * meet if np.isfinite(meet) else 100, 50)
    left.plot(rounds, rounds * exhaustive, color=plots.COLORS["exhaustive"], linewidth=2, label="exhaustive")
    left.plot(
        rounds,
        preparation + rounds * ours,
        color=plots.COLORS["dowser"],
        linewidth=2,
        label="Dowser, with training, encoding and indexing",
    )
    left.legend(frameon=False, fontsize=8)
    plots.label_axes(left, x="rounds", y="seconds in all", title=f"{name} samples")
    worth = [findings.rounds_until_worth(each) for each in findings.with_samples]
    right.plot(
        [findings.sizes[each] for each in findings.with_samples],
        worth,
        marker="o",
        color=plots.COLORS["dowser"],
    )
    right.set_xscale("log")
    right.set_yscale("log")
    plots.label_axes(right, x="samples in the pool", y="rounds until the preparation has paid")
    return made


def _seconds(findings: Findings, group: str, name: str, call: str) -> float:
    return findings.milliseconds(group, name, call) / 1000
