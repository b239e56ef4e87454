import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from refusals import refused

from query_server.errors import Reason
from query_server.pool import Pool, read_manifest
from samples import Preprocessing, SampleError, SampleSource, open_samples

Features = npt.NDArray[np.float32]
ROOT = Path(__file__).parents[3]


class _InterruptedError(Exception):
    pass


class _Encoder:
    """Counts the rows it encodes and fails after some."""

    def __init__(self, encode: Callable[[Features], Features], fails_after: int = 10**9) -> None:
        self.encode = encode
        self.fails_after = fails_after
        self.rows = 0

    def __call__(self, x: Features) -> Features:
        if self.rows + len(x) > self.fails_after:
            raise _InterruptedError
        self.rows += len(x)
        return self.encode(x)


def _contents(index_dir: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in index_dir.iterdir() if path.name != "manifest.json"}


def test_an_index_directory_holds_what_its_manifest_lists_and_nothing_else(index_dir: Path) -> None:
    manifest = read_manifest(index_dir)
    assert {path.name for path in index_dir.iterdir()} == {entry.name for entry in manifest.files} | {
        "manifest.json"
    }
    assert set(manifest.build_seconds) == {"encode", "train", "add", "measure"}
    assert "faiss" in manifest.versions
    assert not index_dir.with_name("index.partial").exists()


def test_an_interrupted_build_goes_on_after_the_last_chunk_and_ends_the_same(
    images: Any, index_dir: Path, tmp_path: Path, encoder: Any
) -> None:
    first, second = _Encoder(encoder, fails_after=430), _Encoder(encoder)
    with pytest.raises(_InterruptedError):
        images.build(tmp_path / "out", encode=first)
    assert not (tmp_path / "out").exists()
    images.build(tmp_path / "out", encode=second, chunk=77)
    assert (first.rows, second.rows) == (400, 550)
    again, once = _contents(tmp_path / "out"), _contents(index_dir)
    assert again.keys() == once.keys()
    assert again["samples.npy"] == once["samples.npy"]
    assert again["pool_ids.npy"] == once["pool_ids.npy"]
    assert np.allclose(np.load(tmp_path / "out/features.npy"), np.load(index_dir / "features.npy"), atol=1e-5)


def test_without_samples_the_index_is_the_same_but_for_them(
    images: Any, index_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "storeless"
    manifest = images.build(out, store_samples=False)
    assert manifest.without_samples
    with_samples = _contents(index_dir)
    del with_samples["samples.npy"]
    assert _contents(out) == with_samples
    assert "samples.npy" not in {entry.name for entry in manifest.files}


def test_a_build_without_samples_takes_nothing_over_from_one_with_them(
    images: Any, tmp_path: Path, encoder: Any
) -> None:
    out = tmp_path / "index"
    with pytest.raises(_InterruptedError):
        images.build(out, encode=_Encoder(encoder, fails_after=500))
    again = _Encoder(encoder)
    images.build(out, encode=again, store_samples=False)
    assert again.rows == 950
    assert not (out / "samples.npy").exists()


@pytest.fixture
def plain(images: Any, tmp_path: Path) -> SampleSource:
    path = tmp_path / "plain.npy"
    np.save(path, images.samples)
    return open_samples(path)


def test_linked_samples_are_the_pools_own_file_and_the_index_is_the_same(
    images: Any, plain: SampleSource, tmp_path: Path, encoder: Any
) -> None:
    out = tmp_path / "linked"
    with pytest.raises(_InterruptedError):
        images.build(out, source=plain, encode=_Encoder(encoder, fails_after=500), link=True)
    again = _Encoder(encoder)
    images.build(out, source=plain, encode=again, link=True)
    assert again.rows == 450
    assert (out / "samples.npy").samefile(plain.path)
    images.build(tmp_path / "copied", source=plain)
    assert _contents(out) == _contents(tmp_path / "copied")


def test_a_copying_build_does_not_go_on_with_a_linked_pool(
    images: Any, plain: SampleSource, tmp_path: Path, encoder: Any
) -> None:
    out = tmp_path / "index"
    with pytest.raises(_InterruptedError):
        images.build(out, source=plain, encode=_Encoder(encoder, fails_after=500), link=True)
    images.build(out, source=plain)
    assert not (out / "samples.npy").samefile(plain.path)


def test_features_made_elsewhere_give_the_index_that_encoding_gives(
    images: Any, plain: SampleSource, tmp_path: Path
) -> None:
    images.build(tmp_path / "encoded-here", source=plain, store_samples=False)
    features = tmp_path / "features.npy"
    np.save(features, np.load(tmp_path / "encoded-here/features.npy"))
    given = {"source": open_samples(features), "encode": None, "encoded": True, "store_samples": False}
    for name, link in (("copied", False), ("linked", True)):
        manifest = images.build(tmp_path / name, **given, link=link)
        assert manifest.without_samples
        assert (tmp_path / name / "features.npy").samefile(features) == link
        assert _contents(tmp_path / name) == _contents(tmp_path / "encoded-here")
    with refused(Reason.SHAPE_MISMATCH):
        images.build(tmp_path / "out", **given, feature_dim=7)


def test_what_is_not_a_file_of_samples_as_they_are_is_not_linked(images: Any, tmp_path: Path) -> None:
    fortran = tmp_path / "fortran.npy"
    np.save(fortran, np.asfortranarray(images.samples))
    for path in (fortran, images.path):
        with refused(Reason.INVALID_ARGUMENT):
            images.build(tmp_path / "out", source=open_samples(path), link=True)


@pytest.mark.parametrize(
    "changed",
    [{"bundle_digest": "cd" * 32}, {"resume": False}, {"pool": "other"}],
    ids=lambda one: next(iter(one)),
)
def test_an_interrupted_build_of_something_else_starts_over(
    images: Any, tmp_path: Path, encoder: Any, changed: dict[str, object]
) -> None:
    with pytest.raises(_InterruptedError):
        images.build(tmp_path / "out", encode=_Encoder(encoder, fails_after=430))
    again = _Encoder(encoder)
    images.build(tmp_path / "out", encode=again, **changed)
    assert again.rows == 950


def test_kill_9_while_building_loses_no_durable_chunk(images: Any, tmp_path: Path, digest: str) -> None:
    out = tmp_path / "out"
    code = f"""
import time
from pathlib import Path
import numpy as np
from query_server.pool import build_index
from samples import Preprocessing, open_samples
source = open_samples(Path({str(images.path)!r}))
def encode(x):
    time.sleep(0.05)
    return x.reshape(len(x), -1)[:, :6] + np.float32(source.path.exists())
build_index(source=source, encode=encode, preprocessing=Preprocessing.infer(source.shape, source.dtype),
    feature_dim=6, bundle_digest={digest!r}, out=Path({str(out)!r}), pool="digits", threads=1, chunk=10, progress=False)
"""
    progress = tmp_path / "out.partial" / "progress.json"
    durable = 0
    for _ in range(2):
        build = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline and build.poll() is None:
            if progress.exists() and json.loads(progress.read_text())["rows_done"] >= durable + 50:
                break
            time.sleep(0.005)
        build.send_signal(signal.SIGKILL)
        assert build.wait() == -signal.SIGKILL
        assert json.loads(progress.read_text())["rows_done"] >= durable + 50  # went on, did not start over
        durable = json.loads(progress.read_text())["rows_done"]
    images.build(out, encode=lambda x: x.reshape(len(x), -1)[:, :6] + np.float32(1))
    pool = Pool.open(out, expected_bundle_digest=digest, verify=True)
    rows = np.arange(pool.size)
    assert np.array_equal(pool.raw(rows), images.samples)
    assert np.allclose(pool.features(rows), pool.inputs(rows).reshape(len(rows), -1)[:, :6] + 1)


def test_an_existing_index_is_replaced_only_on_request(images: Any, tmp_path: Path, digest: str) -> None:
    images.build(tmp_path / "out")
    with refused(Reason.INVALID_ARGUMENT):
        images.build(tmp_path / "out", pool="new name")
    assert Pool.open(tmp_path / "out", expected_bundle_digest=digest).name == "digits"
    images.build(tmp_path / "out", pool="new name", overwrite=True)
    assert Pool.open(tmp_path / "out", expected_bundle_digest=digest).name == "new name"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_features_that_are_not_finite_are_refused_with_their_rows(
    images: Any, tmp_path: Path, encoder: Any
) -> None:
    def broken(x: Features) -> Features:
        features = encoder(x).copy()
        features[[3, 8]] = np.nan
        return features

    with refused(Reason.NOT_FINITE) as caught:
        images.build(tmp_path / "out", encode=broken)
    assert "rows 3, 8" in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"factory": "Nonsense7"}, Reason.INVALID_ARGUMENT),
        ({"factory": "IVF2048,Flat"}, Reason.INVALID_ARGUMENT),  # more lists than samples
        ({"recall_target": 0.0}, Reason.INVALID_ARGUMENT),
        ({"chunk": 0}, Reason.INVALID_ARGUMENT),
        ({"pool": ""}, Reason.INVALID_ARGUMENT),
        ({"feature_dim": 7}, Reason.SHAPE_MISMATCH),
        ({"preprocessing": Preprocessing.infer((9, 9), "uint8")}, Reason.SHAPE_MISMATCH),
        ({"preprocessing": Preprocessing.infer((8, 8), "float32", (0, 1))}, Reason.INVALID_ARGUMENT),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else str(value),
)
def test_a_build_that_cannot_be_is_refused(
    images: Any, tmp_path: Path, changed: dict[str, object], reason: Reason
) -> None:
    with refused(reason):
        images.build(tmp_path / "out", **changed)
    assert not (tmp_path / "out").exists()


def test_a_second_build_of_one_index_is_refused_while_the_first_runs(
    images: Any, tmp_path: Path, encoder: Any
) -> None:
    def build_inside(x: Features) -> Features:
        with refused(Reason.UNAVAILABLE):
            images.build(tmp_path / "out")
        raise _InterruptedError

    with pytest.raises(_InterruptedError):
        images.build(tmp_path / "out", encode=build_inside)


def test_samples_that_are_not_finite_stop_the_build(images: Any, tmp_path: Path) -> None:
    from samples import open_samples

    vectors = np.ones((500, 9), dtype=np.float32)
    vectors[321, 4] = np.inf
    np.save(tmp_path / "vectors.npy", vectors)
    with pytest.raises(SampleError, match="row 321"):
        images.build(
            tmp_path / "out",
            source=open_samples(tmp_path / "vectors.npy"),
            preprocessing=Preprocessing.infer((9,), "float32"),
        )


def test_inverted_lists_are_tuned_to_the_recall_target(
    images: Any, tmp_path: Path, many_features: Features, digest: str
) -> None:
    from samples import open_samples

    np.save(tmp_path / "vectors.npy", many_features)
    manifest = images.build(
        tmp_path / "out",
        source=open_samples(tmp_path / "vectors.npy"),
        preprocessing=Preprocessing.infer((16,), "float32"),
        encode=lambda x: x,
        feature_dim=16,
        factory="IVF256,Flat",
        recall_target=0.9,
        chunk=8192,
    )
    assert (manifest.factory, manifest.nlist) == ("IVF256,Flat", 256)
    assert 1 <= manifest.nprobe < 256
    assert 0.9 <= manifest.recall_at_10 <= 1
    assert manifest.recall_queries == 512
    pool = Pool.open(tmp_path / "out", expected_bundle_digest=digest)
    assert pool.rows_of(np.array([5, 20_000], dtype=np.uint64)).tolist() == [5, -1]  # ids are rows here
    _, rows = pool.search(many_features[:100], 1)
    assert np.array_equal(rows[:, 0], np.arange(100))


def test_synthetic_queries_are_what_an_index_is_tuned_with_and_both_recalls_are_told(
    images: Any, tmp_path: Path, many_features: Features, digest: str
) -> None:
    from dowser.v1 import index_pb2
    from samples import open_samples

    np.save(tmp_path / "vectors.npy", many_features)
    asked = []

    def synthesize(count: int) -> Features:
        asked.append(count)
        return np.random.default_rng(0).uniform(-9, 9, (count, 16)).astype(np.float32)  # far from the pool

    def built(name: str, **changed: object) -> Any:
        return images.build(
            tmp_path / name,
            source=open_samples(tmp_path / "vectors.npy"),
            preprocessing=Preprocessing.infer((16,), "float32"),
            encode=lambda x: x,
            feature_dim=16,
            chunk=8192,
            **changed,
        )

    plain = built("plain", factory="IVF256,Flat")
    tuned = built("tuned", factory="IVF256,Flat", synthesize=synthesize)
    small = built("small", memory_budget_bytes=600_000, synthesize=synthesize)
    assert asked == [512, 512]
    assert plain.recall_query_kind == index_pb2.QUERY_KIND_HELD_OUT
    assert plain.recall_at_10 == plain.held_out_recall_at_10
    assert tuned.recall_query_kind == small.recall_query_kind == index_pb2.QUERY_KIND_SYNTHETIC
    assert tuned.nprobe > plain.nprobe
    assert min(tuned.recall_at_10, small.recall_at_10) >= 0.95
    assert tuned.held_out_recall_at_10 > plain.recall_at_10
    assert (tuned.refine_factor, small.factory, small.memory_budget_bytes) == (0, "IVF512,SQ8", 600_000)
    assert (tmp_path / "small" / "index.faiss").stat().st_size <= 600_000
    pool = Pool.open(tmp_path / "small", expected_bundle_digest=digest)
    distances, rows = pool.search(many_features[:100], 1)
    assert np.array_equal(rows[:, 0], np.arange(100))
    assert distances.max() == 0  # exact, not of codes


@pytest.mark.parametrize("fault", ["shape", "nan"])
def test_synthetic_queries_that_cannot_be_searched_with_are_refused(
    images: Any, tmp_path: Path, fault: str
) -> None:
    def synthesize(count: int) -> Features:
        return (
            np.zeros((count, 5), np.float32) if fault == "shape" else np.full((count, 6), np.nan, np.float32)
        )

    with refused(Reason.SHAPE_MISMATCH if fault == "shape" else Reason.NOT_FINITE):
        images.build(tmp_path / "out", synthesize=synthesize)
