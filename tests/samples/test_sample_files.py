from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samples import SampleError, open_samples


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 10, 9), dtype=np.uint8)


def save_idx(path: Path, array: np.ndarray, code: int) -> None:
    header = bytes([0, 0, code, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    content = header + array.astype(array.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def test_an_npy_file_is_memory_mapped_and_reads_rows(tmp_path: Path, images: np.ndarray) -> None:
    np.save(tmp_path / "pool.npy", images)
    source = open_samples(tmp_path / "pool.npy")
    assert (len(source), source.shape, source.dtype) == (12, (10, 9), np.uint8)
    assert isinstance(source._array, np.memmap)
    np.testing.assert_array_equal(source.read(3, 7), images[3:7])
    np.testing.assert_array_equal(source.read(10, 99), images[10:])
    np.testing.assert_array_equal(source.take([5, 0, 5]), images[[5, 0, 5]])


def test_what_is_read_can_be_changed_without_touching_the_pool(tmp_path: Path, images: np.ndarray) -> None:
    np.save(tmp_path / "pool.npy", images)
    source = open_samples(tmp_path / "pool.npy")
    source.read(0, 12)[:] = 0
    source.take([1])[:] = 0
    np.testing.assert_array_equal(source.read(0, 12), images)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_file_gives_samples_labels_and_pool_ids(tmp_path: Path, images: np.ndarray, save) -> None:
    ids = np.arange(12)[::-1] * 1000
    save(tmp_path / "pool.npz", y=np.arange(12), x=images, pool_ids=ids)
    source = open_samples(tmp_path / "pool.npz")
    np.testing.assert_array_equal(source.read(0, 12), images)
    assert source.labels is not None and source.labels.tolist() == list(range(12))
    assert source.pool_ids is not None and source.pool_ids.dtype == np.uint64
    assert source.pool_ids.tolist() == ids.tolist()


def test_an_uncompressed_npz_is_memory_mapped(tmp_path: Path, images: np.ndarray) -> None:
    np.savez(tmp_path / "pool.npz", first=np.zeros(1000), x=np.asfortranarray(images), last=np.ones(3))
    source = open_samples(tmp_path / "pool.npz")
    assert isinstance(source._array, np.memmap)
    np.testing.assert_array_equal(source.read(0, 12), images)


def test_the_labels_belong_to_the_array_that_was_asked_for(tmp_path: Path, images: np.ndarray) -> None:
    arrays = {"x_train": images, "y_train": np.zeros(12), "x_test": images[:4], "y_test": np.ones(4)}
    np.savez(tmp_path / "mnist.npz", **arrays)
    train, test = open_samples(tmp_path / "mnist.npz"), open_samples(tmp_path / "mnist.npz", key="x_test")
    assert train.labels is not None and train.labels.tolist() == [0.0] * 12
    assert test.labels is not None and test.labels.tolist() == [1.0] * 4


def test_the_only_array_of_an_npz_needs_no_key(tmp_path: Path, images: np.ndarray) -> None:
    np.savez(tmp_path / "pool.npz", whatever=images)
    assert len(open_samples(tmp_path / "pool.npz")) == 12
    np.savez(tmp_path / "two.npz", one=images, two=images)
    with pytest.raises(SampleError, match="pass key="):
        open_samples(tmp_path / "two.npz")
    with pytest.raises(SampleError, match="one, two"):
        open_samples(tmp_path / "two.npz", key="three")


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"])
def test_idx_files_are_read_plain_and_compressed(tmp_path: Path, images: np.ndarray, name: str) -> None:
    save_idx(tmp_path / name, images, 0x08)
    source = open_samples(tmp_path / name)
    assert source.dtype == np.uint8
    np.testing.assert_array_equal(source.read(0, 12), images)


def test_big_endian_idx_floats_are_read_as_float32(tmp_path: Path) -> None:
    values = np.linspace(-1, 1, 40).reshape(4, 10)
    save_idx(tmp_path / "features-idx2", values, 0x0E)
    source = open_samples(tmp_path / "features-idx2")
    assert source.read(0, 4).dtype == np.float32
    np.testing.assert_allclose(source.take([3, 1]), values[[3, 1]].astype(np.float32))


def test_a_cut_idx_file_is_refused(tmp_path: Path, images: np.ndarray) -> None:
    save_idx(tmp_path / "cut-idx3", images, 0x08)
    content = (tmp_path / "cut-idx3").read_bytes()
    (tmp_path / "cut-idx3").write_bytes(content[:-5])
    with pytest.raises(SampleError, match="promises 1080 bytes"):
        open_samples(tmp_path / "cut-idx3")


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats_are_read_as_float32(tmp_path: Path, dtype: type) -> None:
    np.save(tmp_path / "features.npy", np.eye(20, dtype=dtype))
    source = open_samples(tmp_path / "features.npy")
    assert (source.shape, source.dtype) == ((20,), np.float32)
    assert source.read(0, 2).dtype == source.take([4]).dtype == np.float32


def test_a_folder_of_images_is_read_recursively_in_sorted_order(tmp_path: Path, images: np.ndarray) -> None:
    (tmp_path / "b").mkdir()
    Image.fromarray(images[2]).save(tmp_path / "b" / "0.png")
    Image.fromarray(images[1]).save(tmp_path / "a1.png")
    Image.fromarray(images[0]).save(tmp_path / "a0.BMP")
    (tmp_path / "notes.txt").write_text("not an image")
    source = open_samples(tmp_path)
    assert (len(source), source.shape, source.dtype) == (3, (10, 9), np.uint8)
    np.testing.assert_array_equal(source.read(0, 3), images[:3])


def test_color_images_keep_their_channels_and_can_be_resized(tmp_path: Path) -> None:
    pixels = np.zeros((100, 80, 3), np.uint8)
    pixels[..., 1] = 200
    Image.fromarray(pixels).save(tmp_path / "green.png")
    with pytest.raises(SampleError, match="8 to 64 px"):
        open_samples(tmp_path)
    source = open_samples(tmp_path, size=16)
    assert source.shape == (16, 16, 3)
    assert source.read(0, 1)[0, 8, 8].tolist() == [0, 200, 0]


@pytest.mark.parametrize(
    ("odd", "what"),
    [(np.zeros((10, 10), np.uint8), "is (10, 10)"), (np.zeros((10, 9, 3), np.uint8), "is (10, 9, 3)")],
)
def test_an_image_unlike_the_others_is_named(
    tmp_path: Path, images: np.ndarray, odd: np.ndarray, what: str
) -> None:
    Image.fromarray(images[0]).save(tmp_path / "a.png")
    Image.fromarray(odd).save(tmp_path / "b.png")
    source = open_samples(tmp_path)
    with pytest.raises(SampleError) as caught:
        source.read(0, 2)
    assert "b.png" in str(caught.value) and what in str(caught.value)


def test_a_broken_image_is_named(tmp_path: Path, images: np.ndarray) -> None:
    Image.fromarray(images[0]).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"\x89PNG but not really")
    with pytest.raises(SampleError, match=r"b\.png.*not a readable image"):
        open_samples(tmp_path).take([1])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 10)), "holds no samples"),
        (np.zeros(()), "holds no samples"),
        (np.zeros(5), "neither images"),
        (np.zeros((5, 10, 10, 4)), "neither images"),
        (np.zeros((5, 2, 3, 10, 10)), "neither images"),
        (np.zeros((5, 7, 10)), "8 to 64 px"),
        (np.zeros((5, 3, 10, 65), np.uint8), "8 to 64 px"),
        (np.zeros((5, 0)), "empty"),
        (np.zeros((5, 10), np.int64), "convert to uint8"),
        (np.zeros((5, 10), np.complex64), "not supported"),
    ],
)
def test_arrays_that_are_no_samples_are_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "pool.npy", array)
    with pytest.raises(SampleError, match=message):
        open_samples(tmp_path / "pool.npy")


def test_non_finite_values_are_refused_with_their_row(tmp_path: Path) -> None:
    features = np.zeros((20, 5), np.float32)
    features[13, 2] = np.nan
    np.save(tmp_path / "pool.npy", features)
    source = open_samples(tmp_path / "pool.npy")
    assert source.read(0, 13).shape == (13, 5)
    with pytest.raises(SampleError, match="row 13 has NaN"):
        source.read(10, 20)
    with pytest.raises(SampleError, match="sample 1 of those asked for"):
        source.take([0, 13])


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    for name in ("a.npy", "a.npz", "a.gz", "a.csv"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(SampleError, match=name):
            open_samples(tmp_path / name)
    with pytest.raises(SampleError, match="no such file"):
        open_samples(tmp_path / "missing.npy")
    np.save(tmp_path / "array.npy", np.zeros((4, 3), np.float32))
    np.savez(tmp_path / "arrays.npz", x=np.zeros((4, 3), np.float32))
    (tmp_path / "array.npy").rename(tmp_path / "b.npz")
    (tmp_path / "arrays.npz").rename(tmp_path / "b.npy")
    for name, message in (("b.npz", r"rename it to \.npy"), ("b.npy", r"rename it to \.npz")):
        with pytest.raises(SampleError, match=message):
            open_samples(tmp_path / name)
    (tmp_path / "folder").mkdir()
    with pytest.raises(SampleError, match="no images"):
        open_samples(tmp_path / "folder")


def test_pickled_arrays_are_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "evil.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "evil.npz", x=np.array([{"a": 1}], dtype=object))
    for name in ("evil.npy", "evil.npz"):
        with pytest.raises(SampleError, match="not a readable"):
            open_samples(tmp_path / name)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (np.zeros(12, int), "unique"),
        (np.arange(12) - 1, "negative"),
        (np.arange(11), "must be"),
        (np.eye(12), "must be"),
    ],
)
def test_pool_ids_must_be_unique_unsigned_integers(
    tmp_path: Path, images: np.ndarray, ids: np.ndarray, message: str
) -> None:
    np.savez(tmp_path / "pool.npz", x=images, pool_ids=ids)
    with pytest.raises(SampleError, match=message):
        open_samples(tmp_path / "pool.npz")


def test_rows_outside_the_pool_are_refused(tmp_path: Path, images: np.ndarray) -> None:
    np.save(tmp_path / "pool.npy", images)
    source = open_samples(tmp_path / "pool.npy")
    for rows in ([-1], [12], [0, 99]):
        with pytest.raises(SampleError, match="must lie in 0:12"):
            source.take(rows)
    with pytest.raises(SampleError, match="forward range"):
        source.read(5, 2)
    assert source.take([]).shape == (0, 10, 9)
