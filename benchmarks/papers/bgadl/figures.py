"""BGADL's figures 4 and 6: how near companions are to their samples, and how informative what is generated is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.common import plots
from benchmarks.papers.figures import style
from benchmarks.papers.records import Results


def figures(results: Results) -> Mapping[str, Any]:
    """Return the figures of every setting in which something was generated."""
    made: dict[str, Any] = {}
    for setting, strategies in results.finished.items():
        generating = {
            name: list(runs.values())
            for name, runs in strategies.items()
            if all(record["information"] for record in runs.values())
        }
        if not generating:
            continue
        figure, (information, distance) = plots.figure(2, width=5.6, height=3.8)
        for position, (name, records) in enumerate(generating.items()):
            labels = records[0]["labels"][:-1]
            for kind, line in (("generated", "-"), ("picks", ":")):
                values = np.array([[each[kind] for each in record["information"]] for record in records])
                label = name if kind == "generated" else f"{name}, picks"
                plots.curve(information, labels, values, name=label, color=style(position)[0], line=line)
            if records[0]["distance"]:
                values = np.array([record["distance"] for record in records])
                plots.curve(distance, records[0]["labels"][1:], values, name=name, color=style(position)[0])
        plots.label_axes(
            information, x="labeled samples", y="mean BALD, nats", title="information (figure 6)"
        )
        plots.label_axes(distance, x="labeled samples", y="mean |x' - x|", title="reconstruction (figure 4)")
        named = information.get_legend_handles_labels()
        figure.legend(*named, loc="outside center right", frameon=False, fontsize=8, handlelength=3.2)
        made[f"{setting}-generated"] = figure
    return made
