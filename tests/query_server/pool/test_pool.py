import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from refusals import refused

from query_server.errors import DowserError, Reason
from query_server.open_rows import OpenRows
from query_server.pool import Pool

Encode = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]


def test_a_pool_describes_itself(pool: Pool) -> None:
    assert (pool.name, pool.size, pool.feature_dim, pool.index_version) == ("digits", 950, 6, 1)
    assert (pool.input_shape, pool.raw_shape, pool.raw_dtype) == ((1, 8, 8), (8, 8), np.uint8)
    assert (pool.manifest.factory, pool.manifest.nlist, pool.manifest.nprobe) == ("Flat", 0, 0)
    assert pool.manifest.recall_at_10 == 1.0


def test_rows_come_back_as_they_were_given(pool: Pool, images: object, encoder: Encode) -> None:
    rows = np.array([900, 3, 3, 0, 949])
    expected = images.samples[rows]
    assert np.array_equal(pool.raw(rows), expected)
    inputs = pool.inputs(rows)
    assert inputs.dtype == np.float32
    assert np.allclose(inputs, expected[:, None] * (2 / 255) - 1, atol=1e-6)
    assert np.allclose(pool.features(rows), encoder(inputs), atol=1e-5)


@pytest.mark.parametrize("rows", [[-1], [0, 950]])
def test_rows_outside_the_pool_are_an_error_and_never_wrap_around(pool: Pool, rows: list[int]) -> None:
    for read in (pool.raw, pool.inputs, pool.features, pool.ids_of):
        with pytest.raises(IndexError):
            read(np.array(rows))


def test_a_pool_without_samples_has_their_features_alone(
    images: object, pool: Pool, tmp_path: Path, digest: str
) -> None:
    images.build(tmp_path / "storeless", store_samples=False)  # type: ignore[attr-defined]
    storeless = Pool.open(tmp_path / "storeless", expected_bundle_digest=digest, verify=True)
    rows = np.array([3, 900])
    assert (pool.has_samples, storeless.has_samples) == (True, False)
    np.testing.assert_array_equal(storeless.features(rows), pool.features(rows))
    for read in (storeless.inputs, storeless.raw):
        with pytest.raises(DowserError, match="ProposeSamples") as refused:
            read(rows)
        assert refused.value.reason is Reason.SAMPLES_NOT_STORED


def test_ids_and_rows_are_inverse(pool: Pool, images: object) -> None:
    rows = np.random.default_rng(0).permutation(950)
    ids = pool.ids_of(rows)
    assert ids.dtype == np.uint64
    assert np.array_equal(ids, images.pool_ids[rows])
    assert np.array_equal(pool.rows_of(ids), rows)


def test_unknown_ids_have_the_row_minus_one(pool: Pool) -> None:
    known = pool.ids_of(np.array([5]))[0]
    ids = np.array([0, known + np.uint64(1), known, 2**64 - 1], dtype=np.uint64)
    assert pool.rows_of(ids).tolist() == [-1, -1, 5, -1]
    assert pool.rows_of(np.empty(0, dtype=np.uint64)).tolist() == []


def test_search_finds_the_sample_itself_first(pool: Pool) -> None:
    rows = np.array([4, 77])
    distances, found = pool.search(pool.features(rows), 3)
    assert found[:, 0].tolist() == rows.tolist()
    assert np.allclose(distances[:, 0], 0, atol=1e-2)
    assert (np.diff(distances, axis=1) >= 0).all()
    between = np.linalg.norm(pool.features(found[:, 1]) - pool.features(rows), axis=1)
    assert np.allclose(distances[:, 1], between, rtol=1e-4)  # Euclidean, not squared


def test_more_neighbors_than_samples_means_all(pool: Pool) -> None:
    _, rows = pool.search(pool.features(np.array([0])), 5000)
    assert np.array_equal(np.sort(rows[0]), np.arange(950))


@pytest.mark.parametrize(
    ("query", "k", "reason"),
    [
        (np.zeros((2, 5), np.float32), 1, Reason.SHAPE_MISMATCH),
        (np.zeros(6, np.float32), 1, Reason.SHAPE_MISMATCH),
        (np.full((1, 6), np.nan, np.float32), 1, Reason.NOT_FINITE),
        (np.zeros((1, 6), np.float32), 0, Reason.INVALID_ARGUMENT),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(
    pool: Pool, query: npt.NDArray[np.float32], k: int, reason: Reason
) -> None:
    with refused(reason):
        pool.search(query, k)
    with refused(reason):
        pool.search_available(query, k, OpenRows(pool.size))


@pytest.fixture
def copied(index_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(index_dir, tmp_path / "index"))


@pytest.mark.parametrize(
    "name",
    ["index.faiss", "samples.npy", "features.npy", "pool_ids.npy", "pool_id_order.npy", "manifest.json"],
)
@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_damaged_index_is_refused_with_the_files_name(
    copied: Path, digest: str, name: str, damage: str
) -> None:
    path = copied / name
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-10])
    with refused(Reason.CORRUPT_FILE) as caught:
        Pool.open(copied, expected_bundle_digest=digest)
    assert caught.value.metadata == {"file": str(path)}


def test_a_flipped_bit_is_found_when_asked_to_verify(copied: Path, digest: str) -> None:
    content = bytearray((copied / "features.npy").read_bytes())
    content[-1] ^= 1
    (copied / "features.npy").write_bytes(content)
    Pool.open(copied, expected_bundle_digest=digest)
    with refused(Reason.CORRUPT_FILE) as caught:
        Pool.open(copied, expected_bundle_digest=digest, verify=True)
    assert caught.value.metadata == {"file": str(copied / "features.npy")}


def test_an_index_of_another_bundle_is_refused_and_says_what_to_do(index_dir: Path) -> None:
    with refused(Reason.CORRUPT_FILE) as caught:
        Pool.open(index_dir, expected_bundle_digest="cd" * 32)
    assert "build the index again" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"format": 1', '"format": 2'),
        ('"name": "samples.npy"', '"name": "../samples.npy"'),
        ('"size": "950"', '"size": "951"'),
        ('"SAMPLE_LAYOUT_HW"', '"SAMPLE_LAYOUT_VECTOR"'),
        ('"feature_dim": 6', '"feature_dim": 7'),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(copied: Path, digest: str, old: str, new: str) -> None:
    text = (copied / "manifest.json").read_text()
    assert old in text
    (copied / "manifest.json").write_text(text.replace(old, new))
    with refused(Reason.CORRUPT_FILE):
        Pool.open(copied, expected_bundle_digest=digest)


def test_importing_the_pool_imports_no_torch() -> None:
    imports = "import sys, query_server.pool, query_server.campaigns"
    code = f"{imports}; print([name for name in ('torch', 'sklearn') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout.strip() == "[]"


def test_an_older_index_that_does_not_say_how_its_ids_lie_is_served(
    copied: Path, digest: str, pool: Pool
) -> None:
    text = (copied / "manifest.json").read_text()
    assert '"id_order": "ID_ORDER_ANY"' in text
    manifest = json.loads(text)
    del manifest["id_order"]
    manifest["files"] = [one for one in manifest["files"] if one["name"] != "pool_id_order.npy"]
    (copied / "manifest.json").write_text(json.dumps(manifest))
    (copied / "pool_id_order.npy").unlink()
    older = Pool.open(copied, expected_bundle_digest=digest)
    rows = np.array([900, 3, 0])
    assert np.array_equal(older.rows_of(pool.ids_of(rows)), rows)
