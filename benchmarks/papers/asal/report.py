"""ASAL's own parts of the report: what was added, how its labels are spread, how matches agree, and USPS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.common import plots
from benchmarks.common.markdown import NONE, table
from benchmarks.papers.asal.measures import mean_entropy, transfer
from benchmarks.papers.figures import style
from benchmarks.papers.paper import Setting
from benchmarks.papers.records import Results, Runs


def sections(results: Results) -> Sequence[str]:
    """Return the parts as Markdown."""
    parts = []
    for setting in results.preset.settings:
        finished = {
            name: runs
            for name, runs in results.finished.get(setting.name, {}).items()
            if _first(runs).get("entropy")
        }
        if finished:
            parts += [f"## What was added: {setting.name}", _added(setting, finished)]
            parts += [f"![entropy](entropy-{setting.name}.png)", f"![labels](labels-{setting.name}.png)"]
        if matches := {
            name: runs
            for name, runs in results.finished.get(setting.name, {}).items()
            if "agreement" in _first(runs)
        }:
            parts += [f"## Labels of matches: {setting.name}", _agreement(setting, matches)]
    return parts


def figures(results: Results) -> Mapping[str, Any]:
    """Return the entropy of what was added, and the classes of what is labeled, over the labels."""
    made = {}
    for setting in results.preset.settings:
        finished = {
            name: runs
            for name, runs in results.finished.get(setting.name, {}).items()
            if _first(runs).get("entropy")
        }
        if finished:
            made[f"entropy-{setting.name}"] = _entropy_figure(setting, finished)
            made[f"labels-{setting.name}"] = _labels_figure(setting, finished)
    return made


def _first(runs: Runs) -> Mapping[str, Any]:
    return next(iter(runs.values()))


def _added(setting: Setting, finished: Mapping[str, Runs]) -> str:
    random = {
        loss: np.mean([mean_entropy(record) for record in finished[f"random-{loss}"].values()])
        for loss in ("entropy", "hinge")
        if f"random-{loss}" in finished
    }
    rows = []
    for name, runs in finished.items():
        records = list(runs.values())
        entropy = np.array([mean_entropy(record) for record in records])
        shares = 100 * np.array([record["label_shares"][-1] for record in records]).mean(0)
        loss = str(setting.strategies[name].parameters["loss"])
        tested = [transfer(record) for record in records if "usps" in record.get("transfer", {})]
        rows.append(
            [
                f"{setting.strategies[name].text} (`{name}`)",
                _spread(entropy, 3),
                f"{entropy.mean() / random[loss]:.2f}" if loss in random else NONE,
                ", ".join(f"{share:.0f}" for share in shares),
                _spread(np.array(tested), 2) if tested else NONE,
                f"{np.mean([record['select_seconds'] for record in records]):.2f}",
            ]
        )
    head = ["strategy", "mean entropy, nats", "times random's", "classes at the end, %"]
    told = table([*head, "USPS over the rounds, %", "s a selection"], rows)
    return f"{told}\n\nSeconds are those of the caller, with whatever else ran on the machine."


def _agreement(setting: Setting, finished: Mapping[str, Runs]) -> str:
    kinds = list(_first(next(iter(finished.values())))["agreement"])
    rows = []
    for name, runs in finished.items():
        shares = [
            _spread(100 * np.array([record["agreement"][kind] for record in runs.values()]), 1)
            for kind in kinds
        ]
        counts = np.mean([record["counts"] for record in runs.values()], axis=0)
        rows.append([setting.strategies[name].text, *shares, ", ".join(f"{count:.0f}" for count in counts)])
    return table(["", *(f"{kind}, %" for kind in kinds), "synthetic samples by class"], rows)


def _spread(values: Any, digits: int) -> str:
    deviation = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{deviation}"


def _entropy_figure(setting: Setting, finished: Mapping[str, Runs]) -> Any:
    made, (ax,) = plots.figure(width=9.5, height=5.0)
    for name, runs in finished.items():
        color, line = style(list(setting.strategies).index(name))
        records = list(runs.values())
        values = np.array([record["entropy"] for record in records])
        plots.curve(ax, records[0]["labels"][: values.shape[1]], values, name=name, color=color, line=line)
    plots.label_axes(ax, x="labeled samples", y="mean entropy of what is added, nats", title=setting.text)
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return made


def _labels_figure(setting: Setting, finished: Mapping[str, Runs]) -> Any:
    """Draw the share of the first class over the labels where there are two, of every class at the end otherwise."""
    made, (ax,) = plots.figure(width=9.5, height=5.0)
    classes = setting.parameters["classes"]
    for name, runs in finished.items():
        color, line = style(list(setting.strategies).index(name))
        records = list(runs.values())
        shares = 100 * np.array([record["label_shares"] for record in records])  # [S, P, C]
        if len(classes) == 2:
            plots.curve(ax, records[0]["labels"], shares[:, :, 0], name=name, color=color, line=line)
        else:
            plots.curve(ax, classes, shares[:, -1], name=name, color=color, line=line)
    if len(classes) == 2:
        plots.label_axes(ax, x="labeled samples", y=f"labels of class {classes[0]}, %", title=setting.text)
    else:
        plots.label_axes(ax, x="class", y="labels at the end, %", title=setting.text)
    ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return made
