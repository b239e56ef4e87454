from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from processes import run_recipe, succeed

from benchmarks.common.errors import BenchmarkError
from benchmarks.common.results import write_json
from benchmarks.scale.findings import Findings
from benchmarks.scale.made_features import likeness, make_features
from benchmarks.scale.sizes import base_of, parse_sizes


def test_the_quick_recipe_goes_through_every_step_and_measures_again_what_was_kept(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    rng = np.random.default_rng(0)
    prototypes = rng.integers(0, 256, (10, 28, 28))
    y = np.arange(2000) % 10
    x = np.clip(prototypes[y] + rng.normal(0, 40, (2000, 28, 28)), 0, 255).astype(np.uint8)
    np.savez(data / "mnist.npz", x_train=x, y_train=y.astype(np.uint8), x_test=x[:10], y_test=y[:10])
    np.save(data / "pool.npy", x)
    bundle = tmp_path / "bundle"
    options = ("--generator", "gaussian", "--features", "pixels", "--run", tmp_path / "run", "--out", bundle)
    succeed("dowser-trainer", "train", "--data", data / "pool.npy", *options)

    def run(*more: str) -> str:
        options = ("--quick", "--keep", "--bundle", bundle, "--out", tmp_path / "out", *more)
        return run_recipe("scale", *options, environment={"DOWSER_DATASETS": str(data)})[-1]

    assert run().startswith("scale ratio_6k_2k=")
    result = json.loads((tmp_path / "out/scale.json").read_text())
    assert {name: each["has_samples"] for name, each in result["built"].items()} == {
        "2k": True,
        "6k": True,
        "20k": False,
    }
    assert result["built"]["20k"]["likeness"]["count"] == 3000
    turns = result["turns"]
    assert set(turns["with_samples"]["sizes"]["6k"]["calls"]) == {"select", "plain"}
    assert set(turns["20k"]["sizes"]["20k"]["calls"]) == {"propose", "plain"}
    for name in ("2k", "6k"):
        selected = turns["with_samples"]["sizes"][name]["calls"]["select"]
        assert [each["round"] for each in selected] == [0, 1]
        assert 0 < selected[0]["capture"] <= 1
    assert "20k" in (tmp_path / "out/REPORT.md").read_text()
    assert (tmp_path / "out/rounds.png").stat().st_size > 1000
    again = run("--only", "latency")
    assert again.startswith("scale ratio_6k_2k=")
    anew = json.loads((tmp_path / "out/scale.json").read_text())
    assert anew["built"] == result["built"]
    assert anew["turns"] != turns


def test_likeness_sorts_into_the_lists_of_an_index_that_pads_its_vectors(tmp_path: Path) -> None:
    features = np.random.default_rng(0).normal(size=(900, 50)).astype(np.float32)
    index = faiss.index_factory(50, "Pad56,IVF8,SQ8")
    index.train(features)
    faiss.write_index(index, str(tmp_path / "index.faiss"))
    told = likeness(features, 600, tmp_path / "index.faiss", threads=1)
    assert (told["count"], told["made"]["lists"]["number"]) == (300, 8)
    assert told["made"]["lists"]["largest_over_mean"] > 1
    assert 0 < told["moved_between_lists"] < 1


def test_sizes_are_parsed_ascending_and_the_base_is_a_million() -> None:
    sizes = parse_sizes("16M,100m,100k,1m", raw_limit=16_000_000)
    assert [size.count for size in sizes] == [100_000, 1_000_000, 16_000_000, 100_000_000]
    assert [size.has_samples for size in sizes] == [True, True, True, False]
    assert base_of(sizes).name == "1m"
    assert base_of(sizes[:1]).name == "100k"
    assert [size.recall_target for size in parse_sizes("1m,4m@0.92", raw_limit=4_000_000)] == [None, 0.92]
    for wrong in ("", "1g", "0", "1m@2", "100m"):
        with pytest.raises(BenchmarkError, match="--sizes"):
            parse_sizes(wrong, raw_limit=16_000_000)


def test_made_features_keep_each_images_mean_and_covariance_and_go_on_where_they_were(tmp_path: Path) -> None:
    images, copies, dim = 3, 400, 4
    rng = np.random.default_rng(0)
    centers, spread = rng.normal(0, 10, (images, dim)), rng.normal(0, 1, (images, dim, dim))
    noise = np.einsum("cid,ide->cie", rng.normal(0, 1, (copies, images, dim)), spread)
    np.save(tmp_path / "encoded.npy", (centers + noise).reshape(-1, dim).astype(np.float32))
    encoded = np.load(tmp_path / "encoded.npy", mmap_mode="r")
    size = len(encoded) + 40_000
    make_features(encoded, images, size, tmp_path / "made.npy")
    made = np.load(tmp_path / "made.npy")
    np.testing.assert_array_equal(made[: len(encoded)], encoded)
    for image in range(images):
        of_image = made[len(encoded) :][(np.arange(len(encoded), size) % images) == image]
        own = encoded[image::images]
        scale = np.sqrt(np.trace(np.cov(own.T)))
        np.testing.assert_allclose(of_image.mean(0), own.mean(0), atol=0.05 * scale)
        np.testing.assert_allclose(np.cov(of_image.T), np.cov(own.T), atol=0.06 * scale**2)
    # As a run leaves it that was killed: half of it written, and the other half not.
    half = np.lib.format.open_memmap(tmp_path / "again.writing.npy", "w+", np.float32, (size, dim))
    chunks = size // images // 2
    half[: chunks * images] = made[: chunks * images]
    half.flush()
    parameters = {"size": size, "images": images, "encoded": copies, "seed": 0}
    write_json(tmp_path / "again.progress.json", {"parameters": parameters, "chunks": chunks})
    make_features(encoded, images, size, tmp_path / "again.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "again.npy"), made)


def _records(seconds: list[float]) -> list[dict[str, Any]]:
    return [
        {"round": round_, "seconds": each, "stages": {"search": each / 2}, "visited": 7, "estimate": 0.9}
        for round_, each in enumerate(seconds)
    ]


def _measured(seconds: float, exhaustive: float, samples: int) -> dict[str, Any]:
    memory = {"resident": 2**30, "own": 2**29, "peak_resident": 2**30}
    return {
        "calls": {
            call: _records([9.0, seconds, seconds, seconds]) for call in ("select", "plain", "propose")
        },
        "exhaustive_seconds": [exhaustive],
        "exhaustive_samples": samples,
        "start_seconds": 2.0,
        "memory": {"start": {}, "end": {"server": memory, "workers": memory}},
    }


def test_a_ratio_of_few_rounds_is_told_with_how_far_it_may_be_off() -> None:
    rng = np.random.default_rng(0)
    scattered = [float(value) for value in rng.lognormal(0, 0.5, 17)]

    def interval(rounds: int) -> tuple[float, float]:
        sizes = {"1m": 10**6, "16m": 16 * 10**6}
        built = {name: {"has_samples": True} for name in sizes}
        turns = {"sizes": {name: {"calls": {"select": _records(scattered[:rounds])}} for name in sizes}}
        given = {"parameters": {"sizes": sizes, "base": "1m"}, "built": built}
        return Findings({**given, "turns": {"with_samples": turns}}).ratio_interval(
            "with_samples", "16m", "select"
        )

    few, many = interval(5), interval(17)
    assert few[0] < many[0] < 1 < many[1] < few[1]  # both sizes took the same times: the ratio is 1


def test_findings_are_of_later_rounds_of_one_run_and_slices_are_extrapolated() -> None:
    sizes = {"1m": 10**6, "16m": 16 * 10**6, "100m": 10**8}
    built = {
        name: {
            "has_samples": name != "100m",
            "recall_at_10": recall,
            "build_seconds": {"encode": 50.0, "train": 30.0, "add": 18.0},
        }
        for name, recall in (("1m", 0.97), ("16m", 0.95), ("100m", 0.91))
    }
    findings = Findings(
        {
            "parameters": {"sizes": sizes, "base": "1m", "training": {"seconds": 100.0}},
            "built": built,
            "turns": {
                "with_samples": {
                    "sizes": {"1m": _measured(0.1, 20.0, 10**6), "16m": _measured(0.2, 20.0, 10**6)}
                },
                "100m": {"sizes": {"1m": _measured(0.2, 0, 1), "100m": _measured(0.5, 0, 1)}},
            },
        }
    )
    assert findings.ratio("with_samples", "16m", "select") == pytest.approx(2)
    assert findings.milliseconds("with_samples", "1m", "select", first=True) == 9000
    assert findings.ratio_interval("with_samples", "16m", "select") == pytest.approx((2, 2))
    assert findings.slope("select") == pytest.approx(np.log(2) / np.log(16))
    assert findings.exhaustive_seconds("16m") == 320
    assert findings.vs_exhaustive() == pytest.approx(1600)
    assert findings.indexing_seconds("16m") == 48
    assert findings.rounds_until_worth("16m") == pytest.approx(198 / 319.8)
    line = findings.last_line()
    assert line["ratio_100m_1m"] == pytest.approx(2.5)
    assert (line["recall_min"], line["rss_gib_100m"]) == (0.91, 2.0)
    held = {bar.text: bar.held for bar in findings.bars()}
    assert not held["p50 of a round at 16m over that at 1m"]
    assert held["recall@10 on synthetic queries, the least of all sizes"]
