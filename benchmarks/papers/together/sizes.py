"""What a selection costs as the pool grows: a table and a figure of the seconds that the caller waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.common import plots
from benchmarks.common.markdown import NONE, table
from benchmarks.papers.figures import style
from benchmarks.papers.records import Results
from benchmarks.papers.together.presets import TIMED, TIMED_PART


def seconds(results: Results) -> dict[str, dict[int, tuple[float, float]]]:
    """Return by strategy and pool size the median seconds of a selection and the mean number of scored samples."""
    found: dict[str, dict[int, tuple[float, float]]] = {}
    for setting in results.preset.settings:
        if TIMED_PART not in setting.name:
            continue
        for strategy, runs in results.finished.get(setting.name, {}).items():
            records = list(runs.values())
            found.setdefault(strategy, {})[int(setting.parameters["pool"])] = (
                float(np.median([record["select_seconds"] for record in records])),
                float(np.mean([record["scored"] for record in records])),
            )
    return {name: found[name] for name in TIMED if name in found}


def sections(results: Results) -> Sequence[str]:
    """Return the table of time over pool size."""
    measured = seconds(results)
    if not measured:
        return []
    sizes = sorted({size for each in measured.values() for size in each})
    rows = [
        [
            name,
            *(f"{each[size][0]:.2f} ({each[size][1]:,.0f})" if size in each else NONE for size in sizes),
        ]
        for name, each in measured.items()
    ]
    return [
        "## Time of a selection over pool size",
        "Median seconds of SelectSamples as its caller waits, over seeds and rounds, and in brackets the samples "
        "scored; the first round of a classifier includes the compilation of its graph. Training is not in it.",
        table(["strategy", *(f"{size:,}" for size in sizes)], rows),
        "![seconds](seconds.png)",
    ]


def figures(results: Results) -> Mapping[str, Any]:
    """Draw it."""
    measured = seconds(results)
    if not measured:
        return {}
    made, (ax,) = plots.figure(width=8.0, height=4.5)
    for position, (name, each) in enumerate(measured.items()):
        color, line = style(position)
        sizes = sorted(each)
        ax.plot(sizes, [each[size][0] for size in sizes], line, color=color, marker="o", label=name)
    ax.set_xscale("log")
    ax.set_yscale("log")
    marked = sorted({size for each in measured.values() for size in each})
    ax.set_xticks(marked, [f"{size:,}" for size in marked])
    ax.tick_params(axis="x", which="minor", labelbottom=False)
    plots.label_axes(ax, x="samples in the pool", y="seconds of a selection", title="time over pool size")
    ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return {"seconds": made}
