"""REPORT.md of a paper: claim by claim, then setting by setting; every number in it is made from the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.common.markdown import NONE, mean_and_spread, table
from benchmarks.papers.claims import Judged, Verdict
from benchmarks.papers.finished import PUBLISHED
from benchmarks.papers.paper import Paper, Preset, Setting
from benchmarks.papers.records import LEAST_SEEDS, Results, Runs


def render_report(
    paper: Paper, preset_name: str, results: Results, judged: Sequence[Judged], environment: Mapping[str, Any]
) -> str:
    """Return the report as Markdown."""
    hardware = environment["hardware"]
    counts = ", ".join(f"{verdict} {sum(each.verdict is verdict for each in judged)}" for verdict in Verdict)
    parts = [
        f"# {paper.title}",
        f"Preset `{preset_name}`: `python -m benchmarks papers --paper {paper.name} --preset {preset_name}`; an "
        f"interrupted run goes on where it was. {hardware['cpu']}, {hardware['cores']} cores, {environment['time']}."
        + _published(results),
        f"## Claims: {counts}",
        _claims(judged),
        "An ordering holds where it is found in every seed, paired by seed, in the accuracy averaged over the rounds "
        f"after the shared start, where nothing else is said. At least {LEAST_SEEDS} seeds judge a claim.",
        *_reductions(results.preset),
        *paper.sections(results),
        *(part for setting in results.preset.settings for part in _setting(setting, results)),
    ]
    return "\n\n".join(parts) + "\n"


def _published(results: Results) -> str:
    """Say how much was taken up from earlier runs."""
    records = [
        record
        for strategies in results.finished.values()
        for runs in strategies.values()
        for record in runs.values()
    ]
    times = [record[PUBLISHED]["time"] for record in records if PUBLISHED in record]
    if not times:
        return ""
    return (
        f" Of {len(records)} units, {len(times)} are of runs published before, until {max(times)}; the JSON says of "
        f"each when and on what (`{PUBLISHED}`)."
    )


def _claims(judged: Sequence[Judged]) -> str:
    rows = [
        [
            f"{each.claim.text} ({each.claim.where})",
            each.claim.paper,
            each.ours or NONE,
            f"**{each.verdict}**",
            each.why or NONE,
        ]
        for each in judged
    ]
    measured = "\n".join(f"- {each.claim.text}: {each.claim.measured}." for each in judged)
    return f"{table(['claim', 'the paper', 'ours', 'verdict', 'why'], rows)}\n\nHow each is measured:\n\n{measured}"


def _reductions(preset: Preset) -> list[str]:
    if not preset.reductions:
        return []
    rows = [[each.what, each.paper, each.ours, each.why] for each in preset.reductions]
    return ["## Reductions and deviations", table(["what", "the paper", "ours", "why"], rows)]


def _setting(setting: Setting, results: Results) -> list[str]:
    finished = results.finished.get(setting.name, {})
    if not finished:
        return [f"## {setting.name}", f"{setting.text}. Not run yet."]
    missing = [name for name in setting.strategies if len(finished.get(name, {})) < len(setting.seeds)]
    notes = [f"Not or not wholly finished: {', '.join(missing)}."] if missing else []
    curves = [f"![{setting.name}]({setting.name}.png)"] if has_curves(finished) else []
    return [f"## {setting.name}", f"{setting.text}.", _strategies(setting, finished), *notes, *curves]


def has_curves(finished: Mapping[str, Runs]) -> bool:
    """Whether the setting's records have accuracies over labels."""
    return all("accuracy" in record for runs in finished.values() for record in runs.values())


def _strategies(setting: Setting, finished: Mapping[str, Runs]) -> str:
    if not has_curves(finished):
        return table(
            ["strategy", "seeds"],
            [
                [f"{setting.strategies[name].text} (`{name}`)", str(len(runs))]
                for name, runs in finished.items()
            ],
        )
    rows = []
    for name, runs in finished.items():
        records = list(runs.values())
        accuracy = 100 * np.array([record["accuracy"] for record in records])  # [S, P]
        rows.append(
            [
                f"{setting.strategies[name].text} (`{name}`)",
                mean_and_spread(accuracy[:, 1:].mean(1), 2),
                mean_and_spread(accuracy[:, -1], 2),
                str(records[0]["labels"][-1]),
                str(len(runs)),
            ]
        )
    head = ["strategy", "mean over rounds, %", "last round, %", "labels there", "seeds"]
    return f"{table(head, rows)}\n\nMean ± standard deviation over the seeds."
