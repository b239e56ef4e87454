from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.common.errors import BenchmarkError
from benchmarks.common.results import UnitStore, last_line, write_json


def test_a_finished_unit_is_found_again_with_the_same_parameters(tmp_path: Path) -> None:
    UnitStore(tmp_path, {"budget": 50}).save("random-0", {"accuracy": [0.5]})
    assert UnitStore(tmp_path, {"budget": 50}).load("random-0") == {"accuracy": [0.5]}


def test_a_unit_made_with_other_parameters_counts_as_not_done(tmp_path: Path) -> None:
    UnitStore(tmp_path, {"budget": 50}).save("random-0", {"accuracy": [0.5]})
    assert UnitStore(tmp_path, {"budget": 10}).load("random-0") is None


def test_a_narrowed_store_holds_the_units_made_with_its_parameters_too(tmp_path: Path) -> None:
    store = UnitStore(tmp_path, {"budget": 50})
    store.narrowed({"rule": "top"}).save("dowser-0", {"accuracy": [0.5]})
    assert store.narrowed({"rule": "top"}).load("dowser-0") == {"accuracy": [0.5]}
    assert store.narrowed({"rule": "badge"}).load("dowser-0") is None


def test_a_discarded_unit_is_not_done(tmp_path: Path) -> None:
    store = UnitStore(tmp_path, {})
    store.save("random-0", {"accuracy": [0.5]})
    store.discard("random-0")
    store.discard("random-0")
    assert store.load("random-0") is None


def test_a_unit_never_run_is_not_done(tmp_path: Path) -> None:
    assert UnitStore(tmp_path, {}).load("random-0") is None


def test_a_damaged_unit_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "random-0.json").write_text('{"parameters": ')
    with pytest.raises(BenchmarkError, match=r"random-0\.json"):
        UnitStore(tmp_path, {}).load("random-0")


def test_written_json_reads_back_the_same(tmp_path: Path) -> None:
    value = {"a": {"b": {"c": [1, 2.5, None]}, "e": {}}, "text": "µ", "list": [{"x": 1}]}
    write_json(tmp_path / "deep" / "value.json", value)
    assert json.loads((tmp_path / "deep" / "value.json").read_text()) == value
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["value.json"]


def test_nan_is_refused_because_it_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "value.json", {"a": float("nan")})
    assert not (tmp_path / "value.json").exists()


def test_last_line_is_name_and_pairs() -> None:
    assert last_line("latency", {"torch_ratio": 2.345678, "how": "x"}) == "latency torch_ratio=2.346 how=x"
