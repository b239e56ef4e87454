from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.common.errors import BenchmarkError
from benchmarks.datasets import (
    SOURCES,
    Source,
    convert_cifar10,
    convert_usps,
    decode_jpegs,
    grayscale_split,
    load_dataset,
    save_dataset,
    to_arrays,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOWSER_DATASETS", str(tmp_path))
    return tmp_path


def test_a_missing_file_says_how_to_get_it(folder: Path) -> None:
    with pytest.raises(
        BenchmarkError, match=r"mnist.npz is missing.*benchmarks datasets mnist.*DOWSER_DATASETS"
    ):
        load_dataset("mnist")


def test_a_recipe_without_its_data_set_exits_with_1(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["asal-mnist", "--quick", "--out", str(tmp_path / "out")]) == 1
    assert "mnist.npz is missing" in capsys.readouterr().err


def test_a_saved_data_set_is_loaded_as_it_was(folder: Path) -> None:
    save_dataset(folder / "usps.npz", {"x_train": np.arange(6, dtype=np.uint8)})
    assert load_dataset("usps")["x_train"].tolist() == [0, 1, 2, 3, 4, 5]
    assert [path.name for path in folder.iterdir()] == ["usps.npz"]


def test_a_damaged_file_is_named(folder: Path) -> None:
    (folder / "mnist.npz").write_bytes(b"not a zip")
    with pytest.raises(BenchmarkError, match=r"mnist\.npz"):
        load_dataset("mnist")


def test_without_internet_fetching_fails_and_writes_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "cache"))
    assert main(["datasets", "mnist"]) == 1
    assert "could not be reached" in capsys.readouterr().err
    assert not (folder / "mnist.npz").exists()


def test_an_unknown_data_set_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "imagenet"]) == 1
    assert "imagenet" in capsys.readouterr().err


def test_grayscale_rows_become_images_split_in_order() -> None:
    arrays = grayscale_split(2, 3)(np.arange(20.0).reshape(5, 4), np.array(list("01234")))
    assert arrays["x_train"].shape == (3, 2, 2) and arrays["x_test"].shape == (2, 2, 2)
    assert arrays["x_train"].dtype == np.uint8 and arrays["y_test"].tolist() == [3, 4]


def test_usps_is_brought_to_0_255_and_digits_0_to_9() -> None:
    arrays = convert_usps(np.tile([-1.0, 1.0], (9298, 128)), np.array(["1", "10"] * 4649))
    assert arrays["x_train"].shape == (7291, 16, 16) and arrays["x_test"].shape == (2007, 16, 16)
    assert arrays["x_train"][0, 0, :2].tolist() == [0, 255]
    assert set(arrays["y_test"].tolist()) == {0, 9}


def test_rows_in_another_order_than_the_original_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(file="x.npz", data_id=0, rows=4, convert=grayscale_split(1, 2), zeros=(2, 0))
    monkeypatch.setitem(SOURCES, "tiny", source)
    values = np.zeros((4, 1))
    assert to_arrays("tiny", values, np.array(["0", "0", "1", "2"]))["y_train"].tolist() == [0, 0]
    with pytest.raises(BenchmarkError, match="original order"):
        to_arrays("tiny", values, np.array(["1", "0", "0", "2"]))
    with pytest.raises(BenchmarkError, match="sent 3 rows"):
        to_arrays("tiny", values[:3], np.array(["0", "0", "1"]))


def test_cifar10_survives_the_way_through_jpeg() -> None:
    values = np.zeros((50_003, 3072), np.uint8)
    values[:, :1024] = 200  # red
    arrays = convert_cifar10(values[-4:], np.zeros(4))
    images = decode_jpegs(arrays["train_jpeg"], arrays["train_off"])
    assert images.shape == (4, 32, 32, 3)
    assert abs(int(images[0, 0, 0, 0]) - 200) < 8 and images[0, 0, 0, 1:].max() < 8
