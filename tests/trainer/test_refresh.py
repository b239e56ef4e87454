from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import trainer
from query_server import index_building
from query_server.errors import DowserError
from query_server.models import Bundle, Runtime
from query_server.pool import Pool
from trainer import TrainConfig, TrainerError
from trainer.cli import main
from trainer.runs import load_state

Tiny = Callable[..., TrainConfig]


@pytest.fixture(scope="module")
def labels(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighty labels of the digits, by row number."""
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    truth = np.load(digits)["y"]
    path.write_text("pool_id,label\n" + "".join(f"{row},{truth[row]}\n" for row in range(0, 1600, 20)))
    return path


@pytest.fixture(scope="module")
def trained(digits: Path, tiny: Tiny) -> TrainConfig:
    config = tiny(digits, features="critic")
    trainer.train(config, show_progress=False)
    return config.resolved()


@pytest.fixture(scope="module")
def refreshed(trained: TrainConfig, labels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("refreshed") / "bundle"
    return trainer.refresh(trained.run_folder, labels, out, iterations=4, show_progress=False)


def bytes_of(bundle: Path, name: str) -> bytes:
    return (bundle / f"{name}.onnx").read_bytes()


def test_a_refresh_goes_on_with_the_generator_and_keeps_the_encoder(
    trained: TrainConfig, refreshed: Path
) -> None:
    assert bytes_of(refreshed, "encoder") == bytes_of(trained.out, "encoder")
    assert bytes_of(refreshed, "generator") != bytes_of(trained.out, "generator")
    before = load_state(trained.run_folder / "checkpoint.pt")
    after = load_state(refreshed.with_name("bundle-run") / "checkpoint.pt")
    assert (before["iteration"], after["iteration"]) == (6, 10)
    assert after["adversaries"]["updates"] == before["adversaries"]["updates"] + 4


def test_a_refreshed_run_is_refreshed_again(refreshed: Path, labels: Path, tmp_path: Path) -> None:
    arguments = ["--run", f"{refreshed}-run", "--labels", str(labels), "--out", str(tmp_path / "again")]
    assert main(["refresh", *arguments, "--iterations", "1", "--threads", "1", "--quiet"]) == 0
    assert bytes_of(tmp_path / "again", "encoder") == bytes_of(refreshed, "encoder")
    assert load_state(tmp_path / "again-run" / "checkpoint.pt")["iteration"] == 11


def test_an_interrupted_refresh_ends_where_an_uninterrupted_one_does(
    trained: TrainConfig, refreshed: Path, labels: Path, tmp_path: Path
) -> None:
    half = trainer.refresh(trained.run_folder, labels, tmp_path / "b", iterations=2, show_progress=False)
    half.rename(tmp_path / "half")
    arguments = ["--run", str(trained.run_folder), "--labels", str(labels), "--out", str(tmp_path / "b")]
    arguments += ["--iterations", "4", "--quiet"]
    assert main(["refresh", *arguments]) == 1  # the run folder is taken
    assert main(["refresh", *arguments, "--resume"]) == 0
    assert bytes_of(tmp_path / "b", "generator") == bytes_of(refreshed, "generator")


def test_labels_change_what_the_generator_is_trained_on(
    digits: Path, tiny: Tiny, labels: Path, trained: TrainConfig
) -> None:
    states = []
    for rarity in (0.0, 2.0):
        config = replace(tiny(digits, features="critic"), labels=labels, rarity=rarity)
        trainer.train(config, show_progress=False)
        states.append(load_state(config.run_folder / "checkpoint.pt")["adversaries"]["critic"])
    assert not torch.equal(states[0]["head.weight"], states[1]["head.weight"])


def test_a_refresh_takes_another_device_than_the_run(
    trained: TrainConfig, labels: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained.run_folder, run)
    (run / "config.json").write_text(replace(trained, device="cuda").to_json())
    arguments = ["--run", str(run), "--labels", str(labels), "--out", str(tmp_path / "b"), "--quiet"]
    if not torch.cuda.is_available():
        assert main(["refresh", *arguments, "--iterations", "1"]) == 1
        assert not (tmp_path / "b-run").exists()
    assert main(["refresh", *arguments, "--iterations", "1", "--device", "cpu"]) == 0


def test_a_gaussian_is_fitted_anew_under_the_old_encoder(
    digits: Path, tiny: Tiny, labels: Path, tmp_path: Path
) -> None:
    config = tiny(digits, generator="gaussian")
    trainer.train(config, show_progress=False)
    out = trainer.refresh(config.run_folder, labels, tmp_path / "b", rarity=1.0, show_progress=False)
    assert bytes_of(out, "encoder") == bytes_of(config.out, "encoder")
    assert bytes_of(out, "generator") != bytes_of(config.out, "generator")


def test_an_index_serves_a_refreshed_bundle_and_refuses_another_encoder(
    trained: TrainConfig, refreshed: Path, digits: Path, tmp_path: Path
) -> None:
    other = trainer.export(trained.run_folder, "pixels", tmp_path / "other", show_progress=False)
    index_building.build(
        bundle=trained.out, pool=digits, out=tmp_path / "index", name="digits", factory=None,
        recall_target=0.9, chunk=1000, key=None, threads=1, device="cpu", overwrite=False,
    )  # fmt: skip

    def open_with(bundle: Path) -> Pool:
        served = Bundle.open(bundle, Runtime(device="cpu", threads=1))
        return Pool.open(
            tmp_path / "index",
            expected_bundle_digest=served.digest,
            expected_encoder_sha256=served.encoder_sha256,
        )

    assert open_with(refreshed).size == open_with(trained.out).size == 1797
    with pytest.raises(DowserError, match="their features do not match"):
        open_with(other)
    manifest = tmp_path / "index" / "manifest.json"
    lines = manifest.read_text().splitlines()
    kept = [line for line in lines if "encoder_sha256" not in line]  # as older builds wrote it
    manifest.write_text("\n".join(kept).replace(",\n}", "\n}"))
    assert len(kept) == len(lines) - 1 and open_with(trained.out).size == 1797
    with pytest.raises(DowserError, match="their features do not match"):
        open_with(refreshed)


def test_a_refresh_needs_the_bundle_whose_encoder_it_keeps(
    trained: TrainConfig, labels: Path, tmp_path: Path, vectors: Path
) -> None:
    with pytest.raises(TrainerError, match="not the manifest of a bundle"):
        trainer.refresh(trained.run_folder, labels, tmp_path / "b", bundle=tmp_path, show_progress=False)
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "manifest.json").write_bytes((trained.out / "manifest.json").read_bytes())
    (copy / "encoder.onnx").write_bytes(b"damaged")
    with pytest.raises(TrainerError, match="restore the bundle"):
        trainer.refresh(trained.run_folder, labels, tmp_path / "b", bundle=copy, show_progress=False)
    arguments = ["--run", str(trained.run_folder), "--labels", str(labels), "--out", str(tmp_path / "b")]
    assert main(["refresh", *arguments, "--data", str(vectors)]) == 1
    assert not (tmp_path / "b-run").exists()
