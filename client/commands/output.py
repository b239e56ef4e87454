"""What the command line prints: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

import numpy as np


def print_json(value: Any) -> None:
    """Print a value of the client as one JSON document."""
    print(json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False))


def print_value(value: Any, as_json: bool) -> None:
    """Print one value: JSON, or its fields one a line."""
    if as_json:
        return print_json(value)
    plain = items(value)
    width = max(map(len, plain), default=0)
    for name, field in plain.items():
        print(f"{name:<{width}}  {cell(field)}")


def print_table(columns: Sequence[str], rows: Sequence[Any]) -> None:
    """Print rows (dataclasses or mappings) under a header, numbers to the right."""
    print(table(columns, rows))


def table(columns: Sequence[str], rows: Sequence[Any]) -> str:
    """Return rows (dataclasses or mappings) under a header, numbers to the right."""
    cells = [[items(row)[column] for column in columns] for row in rows]
    texts = [[cell(value) for value in row] for row in cells]
    widths = [max(len(name), *(len(row[i]) for row in texts), 0) for i, name in enumerate(columns)]
    numeric = [bool(cells) and all(_is_number(row[i]) for row in cells) for i in range(len(columns))]
    lines = []
    for line in ([c.upper() for c in columns], *texts):
        aligned = (
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        )
        lines.append("  ".join(aligned).rstrip())
    return "\n".join(lines)


def items(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass (`yield_` as "yield"), or the entries of a mapping."""
    if is_dataclass(value):
        return {field.name.removesuffix("_"): getattr(value, field.name) for field in fields(value)}
    return dict(value)


def cell(value: Any) -> str:
    """Return a value as a table shows it; a dash for None."""
    match value:
        case None:
            return "-"
        case datetime():
            return value.isoformat(sep=" ", timespec="seconds")
        case tuple() if all(isinstance(each, int) for each in value):
            return "x".join(map(str, value)) or "()"
        case tuple():
            return ", ".join(map(cell, value))
        case float() | np.floating():
            return f"{value:.4g}"
    return str(value)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float | np.number) and not isinstance(value, bool))


def _plain(value: Any) -> Any:
    """Turn a value into what JSON knows; NaN and infinity become null."""
    if is_dataclass(value) or isinstance(value, Mapping):
        return {name: _plain(field) for name, field in items(value).items()}
    match value:
        case np.ndarray() | np.generic():
            return _plain(value.tolist())
        case np.dtype():
            return value.name
        case datetime():
            return value.isoformat()
        case float():
            return value if np.isfinite(value) else None
        case list() | tuple():
            return [_plain(each) for each in value]
    return value
