"""Index files filled block by block: the same as in one go, whatever was killed on the way."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
import pytest

from query_server.pool import Pool
from query_server.pool.arrays import Streamed
from query_server.pool.blocks import FillBlocks, Span, filled_block
from query_server.pool.factory import make_index
from query_server.pool.index import FeatureIndex
from query_server.pool.partial_index import PartialIndex, remove_index_files
from samples import Preprocessing, open_samples

Features = npt.NDArray[np.float32]
ROOT = Path(__file__).parents[3]
ROWS, BLOCK = 3_500, 1_000
FACTORY = "IVF16,SQ8"


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("query_server.pool.blocks._ADD_ROWS", BLOCK)
    monkeypatch.setattr("query_server.pool.blocks._BLOCK_BYTES", 1)


@pytest.fixture(scope="module")
def vectors(many_features: Features, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vectors") / "vectors.npy"
    np.save(path, many_features[:ROWS])
    return path


class _LostError(Exception):
    pass


def _finished(directory: Path, features: Features, factory: str, fill: FillBlocks | None = None) -> Path:
    directory.mkdir(exist_ok=True)
    return PartialIndex(
        directory, factory=factory, features=Streamed(features), threads=1, progress=False, fill=fill
    ).finish()


def _fill_until(asked: list[Span], blocks: int) -> FillBlocks:
    """Fill some blocks, noting their rows, and fail at the next."""

    def fill(directory: Path, spans: Sequence[Span]) -> Iterator[bytes]:
        for done, span in enumerate(spans):
            if done == blocks:
                raise _LostError
            asked.append(span)
            yield filled_block(directory, span, threads=1)

    return fill


@pytest.mark.parametrize(
    "factory",
    ["IVF16,Flat", "IVF32_HNSW8,SQfp16", "IVF16,PQ8x4", "IVF16,RaBitQ", "PCA8,IVF16,SQ8", "IVF2048,Flat"],
)
def test_merged_blocks_are_the_file_that_faiss_would_have_written(
    many_features: Features, tmp_path: Path, factory: str
) -> None:
    features = many_features[:ROWS]
    path = _finished(tmp_path / "partial", features, factory)
    whole = faiss.read_index(str(tmp_path / "partial" / "trained.faiss"))
    for start in range(0, ROWS, BLOCK):
        rows = np.arange(start, min(start + BLOCK, ROWS))
        whole.add_with_ids(features[rows], rows)
    faiss.write_index(whole, str(tmp_path / "whole.faiss"))
    if factory != "IVF2048,Flat":  # with most lists empty FAISS writes the sizes another way
        assert path.read_bytes() == (tmp_path / "whole.faiss").read_bytes()
    mapped = FeatureIndex.open(path, nprobe=4, threads=1, device="cpu")
    assert mapped.size == ROWS
    expected = FeatureIndex.open(tmp_path / "whole.faiss", nprobe=4, threads=1, device="cpu")
    for found, wanted in zip(
        mapped.search(features[:50], 10), expected.search(features[:50], 10), strict=True
    ):
        assert np.array_equal(found, wanted)


@pytest.mark.parametrize("factory", ["IVF16,Flat", "IVF32_HNSW8,SQfp16", "PCA8,IVF16,SQ8", "IVF16,RaBitQ"])
@pytest.mark.parametrize("then_here", [True, False])
def test_blocks_filled_elsewhere_make_the_same_file_and_either_goes_on_with_the_others(
    many_features: Features, tmp_path: Path, factory: str, then_here: bool
) -> None:
    features = many_features[:ROWS]
    here = _finished(tmp_path / "here", features, factory)
    partial, asked = tmp_path / "elsewhere", list[Span]()
    partial.mkdir()
    np.save(partial / "features.npy", features)
    with pytest.raises(_LostError):
        _finished(partial, features, factory, _fill_until(asked, 2))
    path = _finished(partial, features, factory, None if then_here else _fill_until(asked, 9))
    assert path.read_bytes() == here.read_bytes()
    assert asked == [(0, 1000), (1000, 2000), *([] if then_here else [(2000, 3000), (3000, 3500)])]


@pytest.mark.parametrize("factory", ["Flat", "SQ8", "HNSW8,Flat", "IVF16,PQ8x4fs"])
def test_an_index_without_lists_to_merge_is_written_whole(
    many_features: Features, tmp_path: Path, factory: str
) -> None:
    features = many_features[:ROWS]
    path = _finished(tmp_path / "partial", features, factory)
    found = faiss.read_index(str(path))
    assert found.ntotal == ROWS
    _, rows = found.search(features[:20], 1)
    assert (rows[:, 0] == np.arange(20)).mean() > 0.8
    assert not list(path.parent.glob("block-*"))


def test_another_factory_takes_nothing_over_and_nothing_of_it_stays(
    many_features: Features, tmp_path: Path
) -> None:
    features = many_features[:ROWS]
    _finished(tmp_path / "partial", features, "IVF16,Flat")
    path = _finished(tmp_path / "partial", features, "IVF32,SQ8")
    assert faiss.read_index(str(path)).nlist == 32
    assert faiss.read_index(str(tmp_path / "partial" / "trained.faiss")).nlist == 32
    remove_index_files(tmp_path / "partial")
    assert [one.name for one in (tmp_path / "partial").iterdir()] == ["index.faiss"]


def test_vectors_that_cannot_train_an_index_are_refused(tmp_path: Path) -> None:
    from query_server.errors import DowserError

    with pytest.raises(DowserError, match="IVF16,PQ8"):
        _finished(tmp_path / "partial", np.zeros((20, 16), np.float32), "IVF16,PQ8")


_KILLED_BUILD = """
import os, signal, sys
from pathlib import Path
import query_server.pool.blocks as stages
from query_server.pool import build_index
from samples import Preprocessing, open_samples

vectors, out, digest, name, moment = sys.argv[1:]
stages._ADD_ROWS, stages._BLOCK_BYTES = {block}, 1
rename = Path.replace

def replace(self, target):
    dies = Path(target).name == name
    if dies and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    renamed = rename(self, target)
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)
    return renamed

Path.replace = replace
build_index(source=open_samples(Path(vectors)), encode=lambda x: x, preprocessing=Preprocessing.infer((16,), "float32"),
    feature_dim=16, bundle_digest=digest, out=Path(out), pool="v", threads=1, factory="{factory}", progress=False)
"""


def _build(images: Any, vectors: Path, out: Path) -> Any:
    return images.build(
        out,
        source=open_samples(vectors),
        encode=lambda x: x,
        preprocessing=Preprocessing.infer((16,), "float32"),
        feature_dim=16,
        factory=FACTORY,
        chunk=4096,
        pool="v",
    )


@pytest.fixture(scope="module")
def uninterrupted(images: Any, vectors: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("uninterrupted") / "index"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("query_server.pool.blocks._ADD_ROWS", BLOCK)
        patch.setattr("query_server.pool.blocks._BLOCK_BYTES", 1)
        _build(images, vectors, out)
    return out


@pytest.mark.parametrize(
    ("name", "moment", "left_to_add"),
    [
        ("trained.faiss", "before", 3_500),
        ("trained.faiss", "after", 3_500),
        (f"block-{BLOCK}-000000001000.faiss", "before", 2_500),
        (f"block-{BLOCK}-000000002000.faiss", "after", 500),
        ("index.faiss", "before", 0),
        ("index.faiss", "after", 0),
    ],
)
def test_a_build_killed_at_any_stage_goes_on_there_and_ends_the_same(
    images: Any,
    vectors: Path,
    uninterrupted: Path,
    tmp_path: Path,
    digest: str,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    moment: str,
    left_to_add: int,
) -> None:
    out = tmp_path / "index"
    code = _KILLED_BUILD.format(block=BLOCK, factory=FACTORY)
    killed = subprocess.run(
        [sys.executable, "-c", code, vectors, out, digest, name, moment], cwd=ROOT, timeout=120, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert not out.exists()
    added = []
    add = PartialIndex._add

    def counted(self: PartialIndex, index: faiss.Index, span: Span) -> None:
        added.append(span[1] - span[0])
        add(self, index, span)

    monkeypatch.setattr(PartialIndex, "_add", counted)
    _build(images, vectors, out)
    assert sum(added) == left_to_add
    for path in uninterrupted.iterdir():
        if path.name != "manifest.json":
            assert (out / path.name).read_bytes() == path.read_bytes(), path.name
    assert {path.name for path in out.iterdir()} == {path.name for path in uninterrupted.iterdir()}
    queries = np.load(vectors)[:40] + np.float32(0.1)
    once, again = (Pool.open(one, expected_bundle_digest=digest) for one in (uninterrupted, out))
    for before, after in zip(once.search(queries, 10), again.search(queries, 10), strict=True):
        assert np.array_equal(before, after)


def test_streamed_rows_are_copies_of_the_maps(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.arange(12.0, dtype=np.float32).reshape(6, 2))
    rows = Streamed(np.load(tmp_path / "rows.npy", mmap_mode="r"))
    assert (len(rows), rows.shape) == (6, (6, 2))
    some = rows[np.array([4, 1])]
    assert some.tolist() == [[8, 9], [2, 3]]
    some[:] = 0  # the map is read-only, a copy is not
    assert rows[slice(4, 5)].tolist() == [[8, 9]]


def test_the_index_of_a_factory_is_compressed_where_it_holds_codes() -> None:
    flat, codes = make_index("IVF16,Flat", 16), make_index("IVF16,SQ8", 16)
    assert not FeatureIndex(flat, nprobe=1, threads=1).compressed
    assert FeatureIndex(codes, nprobe=1, threads=1).compressed
