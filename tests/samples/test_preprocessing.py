from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from samples import Preprocessing, SampleError

CASES = [
    ((10, 9), "uint8", None, (1, 10, 9)),
    ((10, 9, 3), "uint8", None, (3, 10, 9)),
    ((3, 10, 9), "uint8", None, (3, 10, 9)),
    ((10, 9), "float32", (0.0, 1.0), (1, 10, 9)),
    ((10, 9, 1), "float32", (-1.0, 1.0), (1, 10, 9)),
    ((7,), "float32", (-3.0, 5.0), (7,)),
    ((7,), "uint8", None, (7,)),
]


def raw_samples(shape: tuple[int, ...], dtype: str, value_range: tuple[float, float] | None) -> np.ndarray:
    rng = np.random.default_rng(0)
    if dtype == "uint8":
        return rng.integers(0, 256, (6, *shape), dtype=np.uint8)
    assert value_range is not None
    return rng.uniform(*value_range, (6, *shape)).astype(np.float32)


@pytest.mark.parametrize(("shape", "dtype", "value_range", "input_shape"), CASES)
def test_inputs_have_channels_first_and_come_back_as_they_were(
    shape, dtype, value_range, input_shape
) -> None:
    preprocessing = Preprocessing.infer(shape, dtype, value_range)
    raw = raw_samples(shape, dtype, value_range)
    x = preprocessing.to_input(raw)
    assert preprocessing.input_shape == input_shape
    assert (x.shape, x.dtype, x.flags.c_contiguous) == ((6, *input_shape), np.float32, True)
    back = preprocessing.to_raw(x)
    assert (back.dtype, back.shape) == (raw.dtype, raw.shape)
    np.testing.assert_allclose(back, raw, atol=0 if dtype == "uint8" else 1e-5)


@pytest.mark.parametrize(
    ("dtype", "value_range", "extremes"),
    [("uint8", None, (0, 255)), ("float32", (0.1, 0.9), (0, 1)), ("float32", (-0.9, 0.9), (-1, 1)),
     ("float32", (0, 16), (0, 16))],
)  # fmt: skip
def test_images_fill_the_range_from_minus_one_to_one(dtype, value_range, extremes) -> None:
    preprocessing = Preprocessing.infer((8, 8), dtype, value_range)
    raw = np.stack([np.full((8, 8), value, dtype) for value in extremes])
    x = preprocessing.to_input(raw)
    np.testing.assert_allclose([x[0].max(), x[1].min()], [-1, 1], atol=1e-6)


def test_color_axes_are_moved_not_reshaped() -> None:
    raw = np.zeros((1, 8, 8, 3), np.uint8)
    raw[..., 2] = 255
    x = Preprocessing.infer((8, 8, 3), "uint8").to_input(raw)
    assert x[0, 2].min() == pytest.approx(1) and x[0, :2].max() == -1


def test_raw_samples_are_not_changed() -> None:
    raw = np.ones((2, 8, 8), np.float32)
    Preprocessing(layout="hw", raw_dtype="float32", raw_shape=(8, 8), scale=3, offset=1).to_input(raw)
    assert (raw == 1).all()


@pytest.mark.parametrize(("shape", "dtype", "value_range", "input_shape"), CASES)
def test_the_manifest_carries_it_without_loss(shape, dtype, value_range, input_shape) -> None:
    preprocessing = Preprocessing.infer(shape, dtype, value_range)
    read = Preprocessing.from_proto(preprocessing.to_proto())
    raw = raw_samples(shape, dtype, value_range)
    np.testing.assert_array_equal(read.to_input(raw), preprocessing.to_input(raw))
    assert (read.layout, read.raw_shape, read.raw_dtype) == (preprocessing.layout, shape, dtype)


def test_a_wrong_shape_is_refused() -> None:
    preprocessing = Preprocessing.infer((8, 8), "uint8")
    for wrong in (np.zeros((8, 8)), np.zeros((2, 8, 9)), np.zeros((2, 1, 8, 8))):
        with pytest.raises(SampleError, match=r"must be \[n, 8, 8\]"):
            preprocessing.to_input(wrong)
    with pytest.raises(SampleError, match=r"must be \[n, 1, 8, 8\]"):
        preprocessing.to_raw(np.zeros((2, 8, 8)))


@pytest.mark.parametrize(
    "change",
    [
        {"layout": "whc"},
        {"raw_dtype": "int64"},
        {"raw_shape": (8,)},
        {"scale": 0.0},
        {"offset": float("nan")},
    ],
)
def test_contradictory_fields_are_refused(change: dict[str, object]) -> None:
    good = {"layout": "hw", "raw_dtype": "uint8", "raw_shape": (8, 8), "scale": 1.0, "offset": 0.0}
    with pytest.raises(SampleError):
        Preprocessing(**{**good, **change})


def test_what_cannot_be_inferred_is_refused() -> None:
    with pytest.raises(SampleError, match="value_range"):
        Preprocessing.infer((8, 8), "float32")
    with pytest.raises(SampleError, match="smallest < largest"):
        Preprocessing.infer((8, 8), "float32", (2.0, 2.0))
    with pytest.raises(SampleError, match="neither images"):
        Preprocessing.infer((8, 8, 4), "uint8")


def test_an_empty_manifest_message_is_refused() -> None:
    from dowser.v1 import bundle_pb2

    with pytest.raises(SampleError, match="needs a layout"):
        Preprocessing.from_proto(bundle_pb2.Preprocessing())


def test_importing_samples_brings_in_nothing_heavy() -> None:
    code = (
        "import sys, samples; print(sorted({'torch', 'PIL', 'google', 'sklearn', 'onnx'} & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
