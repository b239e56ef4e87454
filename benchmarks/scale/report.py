"""The recipe's report, made from the results."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.common.markdown import NONE, table
from benchmarks.scale.findings import GIB, Findings

CALLS = {
    "select": "SelectSamples, Dowser",
    "plain": "SelectSamples, plain ASAL",
    "propose": "ProposeSamples and CommitSelection",
}
_PARTS = ("encode", "train", "add", "merge", "measure")


def render_report(result: Mapping[str, Any], findings: Findings) -> str:
    """Return the report as Markdown."""
    parameters = result["parameters"]
    hardware = result["hardware"]
    parts = [
        "# Scale: a round from a small pool to a large one",
        f"MNIST grown by seeded distortion; each pool is the beginning of the next. Budget {parameters['budget']}, "
        f"{parameters['max_scored']:,} scored, {parameters['threads']} threads, over gRPC to server processes of which "
        "all sizes of a table take turns, request by request. A campaign starts with 300 labels and has five rounds, "
        "each with a classifier of its own that the servers have compiled; ratios are of one run. "
        f"{hardware['cpu']}, {hardware['cores']} cores, {hardware['memory_gib']} GiB, commit {result['commit']}. "
        + " ".join(_when(findings, name, each) for name, each in result["turns"].items()),
        "## What was promised",
        table(
            ["", "bar", "measured", "held"],
            [[bar.text, bar.bar, bar.measured, "yes" if bar.held else "**no**"] for bar in findings.bars()],
        ),
        *_how_sure(findings),
        "## A round",
        _rounds(findings, "with_samples", findings.with_samples, ("select", "plain")),
        f"Times of a row are of {findings.count('with_samples', 'select')} second and later rounds and "
        f"{findings.count('with_samples', 'select', first=True)} first ones: a p99 of so few is nearly their largest. "
        f"From {findings.base} on, time grows as N^{findings.slope('select'):.3f} (Dowser) and "
        f"N^{findings.slope('plain'):.3f} (plain ASAL). "
        "Capture is the mean score (margin) of the picks over that of the best 10 of the pool that the campaign had "
        "not labeled, in the rounds that had an exhaustive selection with the same classifier (up to a million "
        "samples, first rounds at least); the estimate is the reply's own, of second and later rounds.",
    ]
    for name in findings.without:
        parts += [
            f"At {name} there are features alone, so the server proposes and the caller scores. The same calls at "
            f"{findings.base}, in one run; what the caller takes to score is not counted:",
            _rounds(findings, name, [findings.base, name], ("propose", "plain")),
        ]
    parts += [
        "By stage, p50 / p99 in ms of second and later rounds:",
        _stages(findings, "with_samples", findings.with_samples, "select"),
        *(_stages(findings, name, [findings.base, name], "propose") for name in findings.without),
        "![seconds a round](rounds.png)",
        "## Exhaustive scoring",
        "Whole up to a million samples, by a selection with `Exhaustive()`; above, a score job over a slice of a "
        "million, **extrapolated** to the pool. Preparation is the training of the generator "
        f"({_seconds(parameters['training']['seconds'])} by the bundle's manifest, which leaves the auto-encoder out), "
        "encoding and indexing; growing the pool is not part of it.",
        _exhaustive(findings),
        "![when the preparation has paid](worth.png)",
        "## Indexes",
        _indexes(result),
        "Built with `--link`: the pool's file is not copied. Seconds by part, of `manifest.json`:",
        _builds(result, findings),
        *_pieced_together(result),
        "Memory in GiB: resident, and without pages of files. Builds at their peak; server and workers after all "
        "rounds. Opening: from the start of the process until it serves, and the pool alone.",
        _memory(result, findings),
    ]
    for name in findings.without:
        likeness = result["built"][name].get("likeness")
        if likeness:
            parts += [f"## The features of {name}", *_likeness(likeness)]
    return "\n\n".join(parts) + "\n"


def _how_sure(findings: Findings) -> list[str]:
    """Say how far the ratios of medians would go with other rounds."""
    ratios = [("with_samples", findings.largest, "select")] if findings.largest != findings.base else []
    ratios += [(name, name, "propose") for name in findings.without]
    told = []
    for group, name, call in ratios:
        low, high = findings.ratio_interval(group, name, call)
        told.append(f"{findings.ratio(group, name, call):.2f} at {name} is {low:.2f} to {high:.2f}")
    if not told:
        return []
    return [
        "Held is what the medians measured say. With other rounds of the same kind (bootstrap, nine of ten) "
        f"{'; '.join(told)}: an interval that holds its bar needs more rounds to be sure."
    ]


def _when(findings: Findings, name: str, turns: Mapping[str, Any]) -> str:
    sizes = "sizes with samples" if name == "with_samples" else f"{findings.base} and {name}"
    return f"The {sizes}: {turns['time']}, load {turns['hardware']['load_average'][0]} before."


def _rounds(findings: Findings, group: str, names: Sequence[str], calls: Sequence[str]) -> str:
    rows = []
    for call in calls:
        for name in names:
            rows.append(
                [
                    CALLS[call],
                    name,
                    f"{findings.milliseconds(group, name, call):.0f}",
                    f"{findings.milliseconds(group, name, call, 99):.0f}",
                    f"{findings.milliseconds(group, name, call, first=True):.0f}",
                    f"{findings.ratio(group, name, call):.3f}",
                    f"{findings.mean(group, name, call, 'visited'):,.0f}",
                    _number(findings.mean(group, name, call, "estimate")),
                    _number(findings.capture(group, name, call)),
                ]
            )
    head = [
        "call",
        "pool",
        "p50 ms",
        "p99 ms",
        "first round p50",
        f"of {findings.base}",
        "visited",
        "capture, estimated",
    ]
    return table([*head, "capture"], rows)


def _stages(findings: Findings, group: str, names: Sequence[str], call: str) -> str:
    stages = {name: findings.stages(group, name, call) for name in names}
    every = list(dict.fromkeys(stage for each in stages.values() for stage in each))
    rows = [[stage, *(_pair(stages[name].get(stage, (0.0, 0.0))) for name in names)] for stage in every]
    return table([CALLS[call], *names], rows)


def _exhaustive(findings: Findings) -> str:
    rows = []
    for name in findings.with_samples:
        exhaustive = findings.exhaustive_seconds(name)
        ours = findings.milliseconds("with_samples", name, "select") / 1000
        rows.append(
            [
                name,
                f"{exhaustive:.3g} s",
                f"{ours:.3f} s",
                f"{exhaustive / ours:,.0f}",
                f"{findings.preparation_seconds(name):,.0f} s",
                f"{findings.rounds_until_worth(name):,.1f}",
            ]
        )
    return table(
        ["pool", "exhaustive", "a round", "times faster", "preparation", "rounds until it has paid"], rows
    )


def _indexes(result: Mapping[str, Any]) -> str:
    rows = []
    for name, each in result["built"].items():
        files = each["file_bytes"]
        rows.append(
            [
                name,
                each["factory"],
                str(each["nprobe"]),
                str(each["refine_factor"]),
                f"{each['recall_target']:g}",
                f"{each['recall_at_10']:.3f}",
                _number(each["held_out_recall_at_10"]),
                _gib(files.get("index.faiss")),
                _gib(files.get("features.npy")),
                _gib(files.get("samples.npy")),
            ]
        )
    head = ["pool", "index", "lists probed", "ranked a neighbor", "recall target", "recall@10, synthetic"]
    return table([*head, "held out", "index GiB", "features GiB", "samples GiB"], rows)


def _builds(result: Mapping[str, Any], findings: Findings) -> str:
    rows = [
        [
            name,
            *(_seconds(each["build_seconds"].get(part)) for part in _PARTS),
            _seconds(findings.indexing_seconds(name)),
        ]
        for name, each in result["built"].items()
    ]
    return table(["pool", *_PARTS, "after encoding"], rows)


def _pieced_together(result: Mapping[str, Any]) -> list[str]:
    """Say of which indexes the seconds are not those of one build."""
    return [
        f"**{name} is no single build**: {each['pieced_together']}."
        for name, each in result["built"].items()
        if "pieced_together" in each
    ]


def _memory(result: Mapping[str, Any], findings: Findings) -> str:
    rows = []
    for name, each in result["built"].items():
        peaks, mine = each["build_memory"], findings.group_of(name)
        end = mine["memory"]["end"]
        rows.append(
            [
                name,
                f"{_gib(peaks.get('peak_resident'))} / {_gib(peaks.get('peak_own'))}",
                f"{_gib(end['server']['resident'])} / {_gib(end['server']['own'])}",
                f"{_gib(end['workers']['resident'])} / {_gib(end['workers']['own'])}",
                f"{mine['start_seconds']:.2f} s",
                f"{1000 * each['pool_open_seconds']:.0f} ms",
            ]
        )
    return table(["pool", "build", "server", "workers", "ready", "pool opened"], rows)


def _likeness(likeness: Mapping[str, Any]) -> list[str]:
    quantiles = [f"{100 * quantile:.0f} %" for quantile in likeness["quantiles"]]
    rows = []
    for name in ("encoded", "made"):
        each = likeness[name]
        rows.append([f"{name}: nearest other", *(f"{value:.3f}" for value in each["nearest_within"])])
        rows.append(
            [
                f"{name}: tenth nearest of an encoded sample that is in neither",
                *(f"{value:.3f}" for value in each["tenth_from_other_encoded"]),
            ]
        )
    lists = {name: likeness[name]["lists"] for name in ("encoded", "made")}
    return [
        "The first of them are encoded samples; the others are made in feature space: of two distortions of one image, "
        "at a random angle around the mean of all its distortions, which keeps each image's mean and covariance "
        f"(`made_features.py`). {likeness['count']:,} made ones beside as many encoded, distances at quantiles:",
        table(["", *quantiles], rows),
        f"Sorted into the {lists['encoded']['number']:,} lists of one index, the lists' sizes vary by "
        f"{lists['encoded']['variation']:.3f} of their mean (encoded) and {lists['made']['variation']:.3f} (made), the "
        f"largest has {lists['encoded']['largest_over_mean']:.1f} and {lists['made']['largest_over_mean']:.1f} times "
        f"the mean, and {likeness['moved_between_lists']:.1%} of the one kind would have to move to other lists to lie "
        "as the other does.",
    ]


def _pair(values: tuple[float, float]) -> str:
    return f"{values[0]:.1f} / {values[1]:.1f}"


def _number(value: float | None) -> str:
    return NONE if value is None or math.isnan(value) else f"{value:.3f}"


def _gib(count: int | None) -> str:
    return NONE if count is None else f"{count / GIB:.2f}"


def _seconds(value: float | None) -> str:
    return NONE if value is None else f"{value:,.1f} s"
