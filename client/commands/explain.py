"""A selection's diagnosis as text for people: what each source was worth, and what else is worth knowing."""

from __future__ import annotations

from client.commands.output import cell, table
from client.types.diagnosis import CaptureEstimate, Diagnosis, SourceReport
from client.types.selection import Selection

_COLUMNS = {
    "source": "source",
    "share": "share",
    "scored": "scored",
    "mean score": "mean_score",
    "picked": "picked",
    "labels so far": "labeled",
    "contradicted": "contradicted",
    "rarity": "rarity",
    "yield": "yield_",
}


def explain(selection: Selection) -> str:
    """Return a table of the sources, the figures of the batch, and the policy's reasons and warnings.

    A dash is what could not be known.
    """
    diagnosis = selection.diagnosis
    if diagnosis == Diagnosis():
        return "no diagnosis: the server gave none with this selection"
    figures = {
        "match gap": cell(selection.match_gap),
        "unique matches": cell(diagnosis.unique_match_rate),
        "redundancy": cell(diagnosis.redundancy),
        "capture": _capture(diagnosis.capture),
    }
    width = max(map(len, figures))
    parts = [
        table(tuple(_COLUMNS), [_row(report) for report in diagnosis.sources]) if diagnosis.sources else "",
        "\n".join(f"{name:<{width}}  {text}" for name, text in figures.items()),
        "\n".join(f"reason: {reason}" for reason in diagnosis.reasons),
        "\n".join(f"warning: {warning}" for warning in diagnosis.warnings),
    ]
    return "\n\n".join(part for part in parts if part)


def _row(report: SourceReport) -> dict[str, object]:
    return {column: getattr(report, field) for column, field in _COLUMNS.items()}


def _capture(estimate: CaptureEstimate | None) -> str:
    if estimate is None:
        return cell(None)
    return (
        f"{estimate.value:.2f}, between {estimate.low:.2f} and {estimate.high:.2f} with "
        f"{estimate.confidence:.0%} confidence, from {estimate.draws} random draws"
    )
