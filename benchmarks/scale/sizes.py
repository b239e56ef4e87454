"""The sizes of pools on the command line, and which of them keep samples."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.common.errors import BenchmarkError

SIZES = "100k,1m,4m,16m,100m"
QUICK_SIZES = "2k,6k,20k"
RAW_LIMIT, QUICK_RAW_LIMIT = 16_000_000, 6_000
_FACTORS = {"": 1, "k": 1_000, "m": 1_000_000}


@dataclass(frozen=True, kw_only=True)
class Size:
    """One pool.

    Attributes:
        name: As on the command line.
        count: Samples, N.
        has_samples: Whether the index keeps them; otherwise it has features alone, made in feature space.
        recall_target: That its index is tuned to; None takes that of all.
    """

    name: str
    count: int
    has_samples: bool
    recall_target: float | None = None


def parse_sizes(given: str, *, raw_limit: int) -> tuple[Size, ...]:
    """Return the sizes named, ascending; "100m@0.92" is one tuned to a recall of its own.

    Raises:
        BenchmarkError: One is not a size, or only sizes without samples are named.
    """
    sizes = []
    for part in {part.strip().lower() for part in given.split(",")}:
        match = re.fullmatch(r"((\d+)([km]?))(?:@(0\.\d+))?", part)
        if match is None or not int(match[2]):
            raise BenchmarkError(f"--sizes has {part!r}; it takes sizes such as {SIZES}, or 1m@0.92")
        count, target = int(match[2]) * _FACTORS[match[3]], match[4]
        sizes.append(
            Size(
                name=match[1],
                count=count,
                has_samples=count <= raw_limit,
                recall_target=None if target is None else float(target),
            )
        )
    sizes.sort(key=lambda size: size.count)
    if not sizes[0].has_samples:
        raise BenchmarkError(
            f"--sizes is {given!r}; it needs one of at most {raw_limit:,}, which the others are held against"
        )
    return tuple(sizes)


def base_of(sizes: Sequence[Size]) -> Size:
    """Return the size that ratios are to: a million, or the smallest."""
    return next((size for size in sizes if size.count == 1_000_000), sizes[0])
