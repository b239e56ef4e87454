"""The finished units of a preset: kept one by one in the work folder, or taken up from a published JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.common.errors import BenchmarkError
from benchmarks.common.results import UnitStore, read_json
from benchmarks.papers.paper import Paper, Preset, Record, Setting, Unit
from benchmarks.papers.records import Results

UNITS = "units"
"""The folder of a setting's finished units, in the setting's own."""
PUBLISHED = "published"
"""In a record that was taken up: when and on what it was published first."""


def unit_store(setting: Setting, work: Path) -> UnitStore:
    """Return the store of a setting's finished units."""
    return UnitStore(work / setting.name / UNITS, setting.parameters)


def load_unit(store: UnitStore, unit: Unit) -> Record | None:
    """Return a finished unit's record, None where it is still to be run."""
    return store.narrowed(unit.parameters).load(_file(unit))


def save_unit(store: UnitStore, unit: Unit, record: Record) -> None:
    """Keep a finished unit's record."""
    store.narrowed(unit.parameters).save(_file(unit), record)


def _file(unit: Unit) -> str:
    return f"{unit.strategy}-{unit.seed}"


def load_results(preset: Preset, work: Path) -> Results:
    """Return everything that is finished."""
    finished: dict[str, dict[str, dict[int, Record]]] = {}
    for setting in preset.settings:
        store = unit_store(setting, work)
        for unit in setting.units():
            if (record := load_unit(store, unit)) is not None:
                by_strategy = finished.setdefault(setting.name, {})
                by_strategy.setdefault(unit.strategy, {})[unit.seed] = record
    return Results(preset=preset, finished=finished)


def settings_to_json(preset: Preset) -> dict[str, Any]:
    """Return what decides about the results of each setting, as it is published beside them."""
    return {
        setting.name: {
            "parameters": setting.parameters,
            "strategies": {name: each.parameters for name, each in setting.strategies.items()},
            "seeds": list(setting.seeds),
        }
        for setting in preset.settings
    }


def finished_to_json(results: Results) -> dict[str, Any]:
    """Return the records by setting, without what happened in each round: small enough to commit."""
    return {
        f"results {setting}": {
            strategy: {
                str(seed): {name: value for name, value in record.items() if name != "rounds"}
                for seed, record in runs.items()
            }
            for strategy, runs in finished.items()
        }
        for setting, finished in results.finished.items()
    }


def take_up(path: Path, paper: Paper, preset: Preset, work: Path) -> None:
    """Keep the units of a published JSON that this preset asks for and that are not finished.

    Settings are found by their parameters, whatever their names were; strategies by name and parameters.

    Raises:
        BenchmarkError: The file cannot be read, is not of this paper, or does not say what its strategies were.
    """
    value = read_json(path)
    if (value.get("name"), value.get("paper")) != ("papers", paper.name):
        raise BenchmarkError(f"{path} holds no results of {paper.name}; name a JSON that this recipe wrote")
    if any("strategies" not in each for each in value["settings"].values()):
        raise BenchmarkError(f"{path} does not say what its strategies were; run its settings anew")
    origin = {
        "time": value["time"],
        "commit": value["commit"],
        **{name: value["hardware"][name] for name in ("cpu", "cores")},
    }
    asked = settings_to_json(preset)
    for setting in preset.settings:
        store = unit_store(setting, work)
        published = _published(value, json.loads(json.dumps(asked[setting.name])))
        for unit in setting.units():
            record = published.get(unit.strategy, {}).get(str(unit.seed))
            if record is not None and load_unit(store, unit) is None:
                save_unit(store, unit, {PUBLISHED: origin, **record})


def _published(value: Mapping[str, Any], asked: Mapping[str, Any]) -> Mapping[str, Mapping[str, Record]]:
    """Return the published records of a setting by strategy and seed."""
    for name, setting in value["settings"].items():
        if setting["parameters"] == asked["parameters"]:
            known, wanted = setting["strategies"], asked["strategies"]
            records: Mapping[str, Mapping[str, Record]] = value.get(f"results {name}", {})
            return {each: runs for each, runs in records.items() if known[each] == wanted.get(each)}
    return {}
