"""REPORT.md: every number and every judgment in it is made from the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.asal_mnist.findings import verdict
from benchmarks.common import curves
from benchmarks.common.mnist_bundles import FEATURES


def render_report(result: Mapping[str, Any], records: curves.Records, labels: Sequence[int]) -> str:
    """Return the report as Markdown."""
    hardware, parameters = result["hardware"], result["parameters"]
    seeds, found = len(result["seeds"]), result["findings"]
    training = result["bundles"][FEATURES[0]].get("training", {})
    about = (
        f"MNIST, ten classes, the protocol of ASAL §5.5 through `dowser-server`: LeNet trained from scratch in every "
        f"round, {10 * parameters['initial_per_class']} initial labels, {parameters['budget']} more a round to "
        f"{parameters['max_labels']}; {parameters['latents']} latents, {parameters['synthesis_steps']} steps; at most "
        f"{parameters['max_scored']} real samples scored a round by Dowser and by the random subset, all of them by "
        f"the exhaustive strategy. {seeds} seed(s); a seed fixes initial labels and first weights, the same for every "
        "strategy."
    )
    made = (
        f"Generator: {result['bundles'][FEATURES[0]].get('generator')}, {training.get('iterations')} iterations, "
        f"width {training.get('width')}. {hardware['cpu']}, {hardware['cores']} cores, "
        f"{parameters['processes']} campaigns at a time, {result['seconds'] / 60:.0f} minutes for the last run of the "
        f"recipe (finished campaigns are kept), {result['time']}. Deviations from the paper are listed in "
        "`benchmarks/asal_mnist/__init__.py`."
    )
    return (
        "\n\n".join(
            [
                "# MNIST, ten classes, through the server",
                f"{about}\n\n{made}",
                "## Test accuracy, %",
                _table(records, labels),
                "![accuracy](accuracy.png)",
                "## What the numbers say",
                _claims(found),
                "![features](features.png)",
                "## What was picked",
                _picked(found),
                "![entropy](entropy.png)\n![labels](labels.png)",
                "## Time",
                _time(records),
                "![time](time.png)",
                "## How to read this",
                f"Means of {seeds} seed(s), ± one standard deviation. Comparisons are paired by seed and averaged over "
                "the rounds after the shared start. The best kind of features is chosen on the same test accuracies "
                "it is then reported with, which flatters it; all three are in the table. Times are of campaigns that "
                "shared the cores; `python -m benchmarks latency` measures a selection alone.",
            ]
        )
        + "\n"
    )


def _table(records: curves.Records, labels: Sequence[int]) -> str:
    shown = [at for at in labels if at in curves.labels_of(records["random"])]
    lines = [
        "| strategy | "
        + " | ".join(str(at) for at in shown)
        + " | mean of the rounds | labels to 95 % | scored a round |",
        "|---" * (len(shown) + 4) + "|",
    ]
    last = curves.labels_of(records["random"])[-1]
    for name, each in records.items():
        cells = []
        for at in shown:
            mean, spread = curves.accuracy_at(each, at) or (float("nan"), float("nan"))
            cells.append(f"{100 * mean:.2f} ± {100 * spread:.2f}")
        mean, spread = curves.mean_curve_accuracy(each)
        reached = curves.labels_to_reach(each, 0.95)
        cells += [
            f"{100 * mean:.2f} ± {100 * spread:.2f}",
            str(reached) if reached is not None else f"over {last}",
            f"{curves.mean_of(each, 'scored') or 0:.0f}",
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _claims(found: Mapping[str, Any]) -> str:
    by_pair = {(each["ours"], each["theirs"]): each for each in found["comparisons"]}

    def say(ours: str, theirs: str) -> str:
        return f"`{ours}` against `{theirs}`: {verdict(by_pair[ours, theirs])}"

    best, best_plain = found["best_dowser"], found["best_plain"]
    lines = [
        f"- Does choosing help at all? {say('exhaustive', 'random')}; {say('subset', 'random')}.",
        "- ASAL's claim, plain matching exceeds random sampling: "
        + "; ".join(say(f"plain-{kind}", "random") for kind in FEATURES)
        + ".",
        "- With re-scoring: " + "; ".join(say(f"dowser-{kind}", "random") for kind in FEATURES) + ".",
        "- What re-scoring adds: "
        + "; ".join(say(f"dowser-{kind}", f"plain-{kind}") for kind in FEATURES)
        + ".",
        "- The rival of equal cost, the top of a random subset: "
        + "; ".join(say(f"dowser-{kind}", "subset") for kind in FEATURES)
        + ".",
        f"- Against scoring everything: {say(best, 'exhaustive')}; {say('subset', 'exhaustive')}.",
        f"- Best features by mean accuracy: {best.partition('-')[2]} with re-scoring, "
        f"{best_plain.partition('-')[2]} without.",
    ]
    return "\n".join(lines)


def _picked(found: Mapping[str, Any]) -> str:
    lines = [
        "| strategy | mean entropy of the picks, nats | times random's | largest excess of a digit, points |"
    ]
    lines.append("|---|---|---|---|")
    for name, entropy in found["entropy_of_picks_nats"].items():
        times, imbalance = found["entropy_over_random"][name], found["class_imbalance"][name]
        lines.append(f"| {name} | {entropy:.3f} | {times:.1f} | {imbalance:.1f} |")
    return "\n".join(lines)


def _time(records: curves.Records) -> str:
    lines = ["| strategy | selection, median s | training s | export s | upload s |", "|---|---|---|---|---|"]
    for name, each in records.items():
        means = curves.mean_seconds(each)
        lines.append(
            f"| {name} | {curves.median_seconds(each, 'select'):.2f} | {means['train']:.2f} | {means['export']:.2f} | "
            f"{means['upload']:.2f} |"
        )
    return "\n".join(lines)
