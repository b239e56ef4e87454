"""The demo's page: one HTML file with everything in it, every number and every sentence made from the results."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import curves, plots
from benchmarks.common.campaigns import LabelingTask
from benchmarks.demo import figures

SHOWN_LABELS = (20, 50, 70, 100, 150)


def render_report(
    summary: Mapping[str, Any], records: curves.Records, gallery: Mapping[str, Any], task: LabelingTask
) -> str:
    """Return the page.

    Args:
        summary: What summary.json holds.
        records: Of all campaigns, by strategy.
        gallery: From `make_gallery`.
        task: Has the images.
    """
    parts = [
        _header(summary),
        _cards(records),
        _accuracy(summary, records),
        _sources(records),
        _why(gallery),
        _first_round(records, task),
        _section(
            "What each strategy asked for, over all rounds",
            "<p>Left: how uncertain the classifier of that round was about the samples it then got labels for. "
            "Right: which digits they turned out to be. High entropy alone is not the goal: samples that look alike "
            "are all uncertain and teach the same thing.</p>" + _image(figures.picks_figure(records)),
        ),
        _time(summary, records),
        _footer(summary),
    ]
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>Dowser demo</title><style>{style}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def _header(summary: Mapping[str, Any]) -> str:
    pool = summary["pool"]
    return (
        "<h1>Which digits should be labeled next?</h1><p class='lead'>"
        f"A pool of {pool['size']:,} unlabeled digits behind a Dowser server, a small classifier that is trained again "
        "after every round, and four ways to choose the next samples to label. All of them start from the same labels "
        "and the same weights; only what they ask for differs. Dowser never scores the whole pool: it makes "
        "uncertain digits with a generator and looks up the real ones nearest to them, looks around what is labeled, "
        "draws at random, and scores only those.</p>"
    )


def _cards(records: curves.Records) -> str:
    last = curves.labels_of(records["dowser"])[-1]
    at = next((labels for labels in (100, 50) if labels < last), last)
    cards = []
    for name in ("dowser", "subset", "exhaustive", "random"):
        mean, _ = curves.accuracy_at(records[name], at) or (float("nan"), 0.0)
        scored = f"{curves.mean_of(records[name], 'scored') or 0:,.0f}"
        note = f"{figures.NAMES[name]}, {at} labels; scored {scored} samples a round"
        cards.append(
            f"<div class='card'><b style='color:{plots.COLORS[name]}'>{100 * mean:.1f} %</b>"
            f"<span>{note}</span></div>"
        )
    return f"<div class='cards'>{''.join(cards)}</div>"


def _accuracy(summary: Mapping[str, Any], records: curves.Records) -> str:
    labels = curves.labels_of(records["dowser"])
    shown = [at for at in SHOWN_LABELS if at in labels]
    head = "".join(f"<th>{at}</th>" for at in shown)
    rows = []
    for name, title in figures.NAMES.items():
        cells = []
        for at in shown:
            mean, spread = curves.accuracy_at(records[name], at) or (float("nan"), 0.0)
            cells.append(f"<td>{100 * mean:.1f} <small>± {100 * spread:.1f}</small></td>")
        reached = curves.labels_to_reach(records[name], 0.95)
        cells.append(f"<td>{reached if reached is not None else f'over {labels[-1]}'}</td>")
        cells.append(f"<td>{1000 * curves.median_seconds(records[name], 'select'):.0f} ms</td>")
        rows.append(f"<tr><td>{_dot(name)}{title}</td>{''.join(cells)}</tr>")
    table = (
        f"<table><tr><th>accuracy in % at … labels</th>{head}<th>labels to 95 %</th><th>selection</th></tr>"
        f"{''.join(rows)}</table>"
    )
    seeds = len(summary["seeds"])
    text = (
        f"<p>{_verdict(records)} Lines are means of {seeds} seed{'s' if seeds > 1 else ''}, bands one standard "
        "deviation: where bands overlap, so few seeds cannot tell the strategies apart. On a pool this small and "
        "balanced, the top of a random subset is a strong rival; exhaustive scoring is affordable here only because "
        "the pool is tiny.</p>"
    )
    return _section("Accuracy for the labels spent", text + _image(figures.accuracy_figure(records)) + table)


def _verdict(records: curves.Records) -> str:
    """Say what the means over all rounds show, whichever way it went."""
    means = {name: 100 * curves.mean_curve_accuracy(records[name])[0] for name in figures.NAMES}
    ranked = sorted(means, key=lambda name: -means[name])
    listed = ", ".join(f"{figures.NAMES[name]} {means[name]:.1f} %" for name in ranked)
    against = means["dowser"] - means["random"]
    word = "above" if against > 0 else "below"
    return f"Averaged over all rounds: {listed}. Dowser is {abs(against):.1f} points {word} random."


def _sources(records: curves.Records) -> str:
    last = records["dowser"][0]["rounds"][-1]
    diagnosis = last["diagnosis"]
    columns = {
        "share": "share",
        "scored": "scored",
        "mean_score": "mean score",
        "picked": "picked",
        "labeled": "labeled",
        "contradicted": "wrong",
        "rarity": "rarity",
        "yield_": "worth",
    }
    head = "".join(f"<th>{title}</th>" for title in columns.values())
    rows = []
    for source in diagnosis["sources"]:
        cells = "".join(f"<td>{_number(source[name])}</td>" for name in columns)
        rows.append(f"<tr><td>{figures.SOURCES[source['source']]}</td>{cells}</tr>")
    said = "".join(
        f"<li>{html.escape(each)}</li>" for each in (*diagnosis["reasons"], *diagnosis["warnings"])
    )
    capture = diagnosis["capture"]
    estimate = ""
    if capture is not None:
        estimate = (
            f"From its random draws Dowser estimates that the batch has {100 * capture['value']:.0f} % of the score "
            f"of the best batch of the whole pool ({100 * capture['low']:.0f} to {100 * capture['high']:.0f} %). "
        )
    text = (
        "<p>Candidates come from several sources, and a policy shares the samples that may be scored among them, by "
        "what the labels said of each source's picks: a pick is worth the rarity of its class, more where the "
        "classifier was wrong about it. Random draws are the yardstick, with a worth of 1 a pick. On balanced digits "
        "nothing is rare, so the policy should leave most to random draws; on pools with rare classes it turns to "
        f"neighbors of labeled samples. {estimate}This is what it said in round {last['round']} of the first seed: "
        "each source's share of the scored samples, their mean score (margin), its picks, its earlier picks that have "
        "labels, how many of those the classifier had wrong, how rare their classes are, and what a pick is worth.</p>"
    )
    table = f"<table><tr><th>source</th>{head}</tr>{''.join(rows)}</table><ul>{said}</ul>"
    return _section("Which source earned its keep", text + table + _image(figures.sources_figure(records)))


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.2f}"


def _why(gallery: Mapping[str, Any]) -> str:
    rows = []
    for row in gallery["rows"]:
        match = row["nearest"]
        picked = {pick["pool_id"] for pick in row["picks"]}
        synthetic = _picture(row["image"], "synthetic", [f"<b>{row['score']:.2f}</b> nats"])
        kind = "pick" if match["pool_id"] in picked else "unpicked"
        nearest = _picture(
            match["image"],
            kind,
            [f"<b>{match['score']:.2f}</b> nats", f"d {match['distance']:.1f}", f"a {match['label']}"],
        )
        picks = "".join(
            _picture(
                pick["image"],
                "pick",
                [f"<b>{pick['score']:.2f}</b> nats", f"d {pick['distance']:.1f}", _said(pick)],
            )
            for pick in row["picks"]
        )
        picks = picks or "<small style='padding-top:22px'>none of its neighbors scored high enough</small>"
        rows.append(
            f"<div class='row'>{synthetic}<div class='arrow'>→</div>{nearest}<div class='arrow'>→</div>"
            f"<div class='group'>{picks}</div></div>"
        )
    text = (
        "<p>One selection by synthesis alone, with a classifier trained on "
        f"{gallery['labels']} labels. Each row starts with a "
        "synthetic digit: random latents were moved uphill until the classifier was as unsure as it could be about "
        f"what they generate (mean entropy {gallery['entropy_before']:.2f} before, "
        f"{gallery['entropy_after']:.2f} nats after). Then comes the real digit nearest to it in feature "
        "space, which is what plain matching would take: a neighbor need not be uncertain itself "
        f"(mean {gallery['nearest_entropy']:.2f}). So {gallery['scored']} real neighbors are scored, and the best of "
        f"those are picked (mean {gallery['picked_entropy']:.2f}).</p>"
        "<div class='legend'><span><i style='border-color:#a78bfa'></i>synthetic, its entropy</span>"
        "<span><i style='border-color:#e5e7eb'></i>nearest real, not picked</span>"
        "<span><i style='border-color:#0f766e'></i>picked: real entropy, feature distance d, true digit and what the "
        "classifier took it for</span></div>"
    )
    return _section("How synthesis finds real samples", text + "".join(rows))


def _said(pick: Mapping[str, Any]) -> str:
    if pick["predicted"] is None or pick["predicted"] == pick["label"]:
        return f"a {pick['label']}, known"
    return f"a {pick['label']}, not {pick['predicted']}"


def _first_round(records: curves.Records, task: LabelingTask) -> str:
    strips = []
    for name, title in figures.NAMES.items():
        first = records[name][0]["rounds"][0]
        shown = sorted(zip(first["entropy"], first["pool_ids"], strict=True), reverse=True)[:10]
        pictures = "".join(
            _picture(task.pool_raw[i], "", [f"<b>{entropy:.2f}</b> nats", f"a {task.pool_y[i]}"])
            for entropy, i in shown
        )
        strips.append(
            f"<div class='row'><div class='strip-name'>{_dot(name)}{title}</div>"
            f"<div class='group'>{pictures}</div></div>"
        )
    text = (
        "<p>In the first round of the first seed all four strategies had the very same classifier. These are the "
        "samples each of them asked for, with the entropy of its prediction and the digit they turned out to be.</p>"
    )
    return _section("The same question, four answers", text + "".join(strips))


def _time(summary: Mapping[str, Any], records: curves.Records) -> str:
    steps = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{seconds:.1f} s</td></tr>"
        for name, seconds in summary["step_seconds"].items()
    )
    text = (
        "<p>Two campaigns ran at the same time and shared the cores. Synthesis costs the same at any pool size; "
        "exhaustive scoring grows with the pool, and on a pool this small it is the cheaper of the two.</p>"
    )
    table = f"<table><tr><th>step</th><th>time</th></tr>{steps}</table>"
    return _section("Where the time goes", text + _image(figures.time_figure(records)) + table)


def _footer(summary: Mapping[str, Any]) -> str:
    hardware = summary["hardware"]
    made = {"parameters": summary["parameters"], "hardware": hardware, "versions": summary["versions"]}
    return _section(
        "How this was made",
        f"<p>{html.escape(hardware['cpu'])}, {hardware['cores']} cores, {summary['time']}. All runs and numbers are in "
        "<code>summary.json</code> beside this page.</p><details><summary>parameters and versions</summary>"
        f"<pre>{html.escape(json.dumps(made, indent=2))}</pre></details>",
    )


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{body}</section>"


def _image(made: Any) -> str:
    return f"<img alt='' src='{plots.to_data_uri(made)}'>"


def _picture(image: np.ndarray, kind: str, lines: list[str]) -> str:
    caption = "<br>".join(lines)
    return f"<figure class='{kind}'><img alt='' src='{plots.image_data_uri(image)}'>{caption}</figure>"


def _dot(name: str) -> str:
    return f"<span class='dot' style='background:{plots.COLORS[name]}'></span>"
