"""Results on disk: whole files only, and finished units of work that a rerun need not repeat."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.common.errors import BenchmarkError


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON whole or not at all: two levels of keys on lines of their own, what is below them compact."""
    write_text(path, _layout(value, depth=2) + "\n")


def _layout(value: Any, depth: int) -> str:
    if not isinstance(value, Mapping) or not value or depth == 0:
        return json.dumps(value, allow_nan=False)
    indent = " " * (3 - depth)
    lines = [f"{indent}{json.dumps(str(key))}: {_layout(each, depth - 1)}" for key, each in value.items()]
    return "{\n" + ",\n".join(lines) + "\n" + indent[1:] + "}"


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        BenchmarkError: There is none.
    """
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise BenchmarkError(f"{path}: cannot be read as JSON ({error}); delete it and run again") from error
    return value


class UnitStore:
    """Finished units of a recipe, each in its own file, valid only for the parameters they were made with.

    Args:
        folder: Of the files.
        parameters: Plain JSON values; a unit made with others counts as not done.
    """

    def __init__(self, folder: Path, parameters: Mapping[str, Any]) -> None:
        self._folder = folder
        self._parameters = json.loads(json.dumps(parameters))

    def narrowed(self, parameters: Mapping[str, Any]) -> UnitStore:
        """Return the store of the units that were made with these parameters too."""
        return UnitStore(self._folder, {**self._parameters, **parameters})

    def load(self, name: str) -> dict[str, Any] | None:
        """Return a finished unit's result, None where it is still to be done."""
        path = self._path(name)
        if not path.exists():
            return None
        stored = read_json(path)
        if stored.get("parameters") != self._parameters:
            return None
        result: dict[str, Any] = stored["result"]
        return result

    def save(self, name: str, result: Mapping[str, Any]) -> None:
        """Keep a finished unit's result."""
        write_json(self._path(name), {"parameters": self._parameters, "result": result})

    def discard(self, name: str) -> None:
        """Forget a unit, so that it is done anew."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def last_line(name: str, values: Mapping[str, float | str]) -> str:
    """Return the line a recipe ends with: ``NAME key=value key=value``."""
    parts = [
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in values.items()
    ]
    return " ".join([name, *parts])
