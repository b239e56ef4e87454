"""The recipe `gpu`, with the CPU in the GPU's place, and what it says where there is none."""

import json

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.gpu.machine import missing
from benchmarks.gpu.pools import make_pool
from benchmarks.gpu.rounds import _matches


def test_without_a_gpu_it_says_what_is_missing_and_exits_2(tmp_path, capsys):
    if not missing():
        pytest.skip("this machine has a GPU and what drives it")
    assert main(["gpu", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert all(lack in said.err for lack in missing())
    assert "not run" in said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore")
def test_every_step_runs_with_the_cpu_in_the_gpus_place_and_nothing_finished_runs_again(tmp_path, capsys):
    command = ["gpu", "--quick", "--device", "cpu", "--threads", "1", "--out", str(tmp_path)]
    assert main(command) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("gpu round_ms=")
    assert [part.partition("=")[0] for part in last.split()[1:]] == [
        "round_ms",
        "vs_cpu",
        "search_ms_10k",
        "search_ms_12k",
    ]
    told = json.loads((tmp_path / "gpu.json").read_text())
    assert set(told["step_ms"]) == {"cpu", "host", "bound"}
    for label in ("10k", "12k"):
        pool = told["pools"][label]
        assert pool["cpu"]["recall_at_10"] > 0.8
        assert pool["ivf"]["recall_at_10"] == pytest.approx(pool["cpu"]["recall_at_10"], abs=0.02)
        for kind, way in (("cpu", "cpu"), ("ivf", "bound"), ("cagra", "bound")):
            rounds = pool[kind]["rounds"][way]
            assert set(rounds) == {"10", "100"}
            assert 1 <= rounds["10"]["picked"] <= 10
            assert rounds["10"]["round_ms"]["p50"] > 0
        assert pool["ivf"]["concurrent"]["callers_a_search"] >= 1
    assert main(command) == 0
    again = json.loads((tmp_path / "gpu.json").read_text())
    assert again["pools"] == told["pools"]
    assert again["step_ms"] == told["step_ms"]


def test_a_pool_is_made_once_and_follows_its_seed(tmp_path):
    first = make_pool("3k", 3000, tmp_path, threads=1, factory="IVF16,Flat")
    changed = first.index.stat().st_mtime_ns
    again = make_pool("3k", 3000, tmp_path, threads=1, factory="IVF16,Flat")
    assert again.index.stat().st_mtime_ns == changed
    assert again.nprobe == first.nprobe >= 1
    other = make_pool("3k", 3000, tmp_path / "other", threads=1, factory="IVF16,Flat")
    assert np.array_equal(first.features, other.features)
    seeded = make_pool("3k", 3000, tmp_path / "other", threads=1, factory="IVF16,Flat", seed=1)
    assert not np.array_equal(first.features, seeded.features)


def test_a_bad_size_is_refused(tmp_path, capsys):
    command = ["gpu", "--quick", "--device", "cpu", "--sizes", "16x", "--out", str(tmp_path)]
    assert main(command) == 1
    assert "500k or 16m" in capsys.readouterr().err


def test_each_synthetic_sample_gets_the_nearest_row_that_none_before_it_took():
    assert _matches(np.array([[5, 6, 7], [5, 9, 6], [9, 5, -1], [5, 9, -1]])) == [5, 9]
    assert _matches(np.array([[5, 6, 7], [5, 9, 6], [9, 6, -1]])) == [5, 6, 9]
