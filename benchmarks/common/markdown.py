"""What the reports are written in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

NONE = "-"  # a cell with nothing to say


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def mean_and_spread(values: NDArray[Any], digits: int) -> str:
    """Return "mean ± standard deviation", the latter that of a sample (n - 1); of one value the value alone."""
    deviation = f" ± {values.std(ddof=1):.{digits}f}" if values.size > 1 else ""
    return f"{values.mean():.{digits}f}{deviation}"


def p_text(p: float, digits: int, *, relation: bool = False) -> str:
    """Return a p-value with so many digits, never as zero: "0.021", "< 0.001"; "= 0.021" with its relation."""
    least = 10.0**-digits
    if p < least:
        return f"< {least:.{digits}f}"
    return f"{'= ' if relation else ''}{p:.{digits}f}"
