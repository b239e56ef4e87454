from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer import TrainConfig, TrainerError
from trainer.cli import main

SMALL = [
    "--iterations",
    "3",
    "--width",
    "4",
    "--latent-dim",
    "5",
    "--batch-size",
    "8",
    "--threads",
    "1",
    "--quiet",
]


def test_train_then_export_makes_two_bundles_of_one_generator(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "pixels", tmp_path / "critic"
    assert main(["train", "--data", str(digits), "--out", str(first), "--feature-dim", "7", *SMALL]) == 0
    assert (
        main(["export", "--run", f"{first}-run", "--features", "critic", "--out", str(second), "--quiet"])
        == 0
    )
    assert capsys.readouterr().out.split() == [str(first), str(second)]
    assert (first / "generator.onnx").read_bytes() == (second / "generator.onnx").read_bytes()
    assert (first / "encoder.onnx").read_bytes() != (second / "encoder.onnx").read_bytes()


def test_an_interrupted_run_is_resumed_from_the_command_line(digits: Path, tmp_path: Path) -> None:
    arguments = ["train", "--data", str(digits), *SMALL, "--run", str(tmp_path / "run")]
    assert main([*arguments, "--out", str(tmp_path / "a")]) == 0
    assert main([*arguments, "--out", str(tmp_path / "b")]) == 1
    assert main([*arguments, "--out", str(tmp_path / "b"), "--resume", "--iterations", "5"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "missing.npy"], "no such file"),
        (["--generator", "gaussian", "--features", "critic"], "has no critic"),
        (["--iterations", "0"], "iterations must be at least 1, got 0"),
        (["--key", "z"], "has no array 'z'"),
        (["--seed", "-1"], "seed must lie"),
        (["--learning-rate", "2"], "learning_rate"),
        (["--rarity", "3"], "rarity must lie in [0, 2], got 3"),
        (["--conditional"], "needs labels"),
        (["--labels", "missing.csv"], "missing.csv: no such file"),
    ],
)
def test_a_users_error_is_one_line_and_status_1(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    status = main(["train", "--data", str(digits), "--out", str(tmp_path / "b"), *SMALL, *arguments])
    error = capsys.readouterr().err
    assert status == 1
    assert message in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_missing_cuda_device_is_said(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    assert (
        main(["train", "--data", str(digits), "--out", str(tmp_path / "b"), *SMALL, "--device", "cuda"]) == 1
    )
    assert "finds no CUDA device" in capsys.readouterr().err


def test_convolutions_on_vectors_are_refused_before_training(
    vectors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--data", str(vectors), "--out", str(tmp_path / "b"), *SMALL]) == 1
    assert "choose --generator mlp, vae or gaussian" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_one_line(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["train", "--data", str(digits), "--out", str(tmp_path / "file" / "b"), *SMALL]) == 1
    error = capsys.readouterr().err
    assert "Not a directory" in error and "Traceback" not in error


def test_exporting_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--run", str(tmp_path), "--features", "pixels", "--out", str(tmp_path / "b")]) == 1
    assert "not a training run" in capsys.readouterr().err


def test_settings_survive_the_run_folder(tiny: Callable[..., TrainConfig], digits: Path) -> None:
    config = tiny(digits, seed=4, key="x").resolved()
    assert TrainConfig.from_json(config.to_json()) == config
    for broken in ("[]", "{", '{"data": "a"}', '{"data": "a", "out": "b", "surprise": 1}'):
        with pytest.raises(TrainerError):
            TrainConfig.from_json(broken)


def test_a_run_folder_names_its_files_from_anywhere(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(data=Path("pool.npy"), out=Path("bundle"), labels=Path("labels.csv"))
    saved = TrainConfig.from_json(config.to_json())
    assert (saved.data, saved.out, saved.labels) == tuple(
        tmp_path / name for name in ("pool.npy", "bundle", "labels.csv")
    )


def test_importing_the_trainer_does_not_import_torch() -> None:
    code = "import sys, trainer.cli; print(sorted({'torch', 'sklearn', 'onnx', 'PIL'} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
