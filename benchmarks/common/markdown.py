"""What the reports are written in."""

from __future__ import annotations

from collections.abc import Sequence

NONE = "-"  # a cell with nothing to say


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
