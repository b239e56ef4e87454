from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from live_pools import DIGEST, FEATURE_DIM, NEW, add, encode, open_live, remove, samples

from dowser.v1 import index_pb2
from query_server.pool import Pool, build_index
from samples import Preprocessing, open_samples


def clustered(size: int, dim: int, seed: int = 0) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((20, dim)) * 3
    return (centers[rng.integers(20, size=size)] + rng.standard_normal((size, dim))).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Images:
    """Gray images in a file, with ids that are neither rows nor in order."""

    path: Path
    samples: npt.NDArray[np.uint8]
    pool_ids: npt.NDArray[np.uint64]

    def build(self, out: Path, **changed: object) -> index_pb2.IndexManifest:
        source = open_samples(self.path)
        arguments: dict[str, object] = {
            "source": source,
            "encode": encode,
            "preprocessing": Preprocessing.infer(source.shape, source.dtype),
            "feature_dim": FEATURE_DIM,
            "bundle_digest": DIGEST,
            "out": out,
            "pool": "digits",
            "threads": 1,
            "chunk": 100,
            "progress": False,
        }
        return build_index(**(arguments | changed))


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    rng = np.random.default_rng(1)
    samples = rng.integers(0, 256, (950, 8, 8), dtype=np.uint8)
    pool_ids = rng.permutation(950).astype(np.uint64) * np.uint64(3) + np.uint64(2**63)
    path = tmp_path_factory.mktemp("pool") / "images.npz"
    np.savez(path, x=samples, pool_ids=pool_ids)
    return Images(path=path, samples=samples, pool_ids=pool_ids)


@pytest.fixture(scope="session")
def index_dir(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("index") / "index"
    images.build(out)
    return out


@pytest.fixture(scope="session")
def pool(index_dir: Path) -> Pool:
    return Pool.open(index_dir, expected_bundle_digest=DIGEST)


@pytest.fixture(scope="session")
def digest() -> str:
    return DIGEST


@pytest.fixture(scope="session")
def encoder() -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
    return encode


@pytest.fixture(scope="session")
def many_features() -> npt.NDArray[np.float32]:
    """float32 [20000, 16], enough for inverted lists."""
    return clustered(20_000, 16)


@pytest.fixture
def changed(tmp_path: Path, pool: Pool):
    """950 samples, 30 added, 8 removed: 4 of the index and 4 of those added."""
    live = open_live(tmp_path, pool)
    add(live, samples(30, 1), "a", pool_ids=NEW)
    remove(live, np.concatenate([pool.ids_of(np.array([0, 7, 400, 949])), NEW[:4]]), "r")
    yield live
    live.close()


@pytest.fixture(scope="session")
def larger_pool(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """The same pool, rebuilt with ten of the samples that `changed` adds: ids 10 to 19."""
    file = tmp_path_factory.mktemp("larger") / "images.npz"
    more, ids = samples(30, 1)[10:20], np.concatenate([images.pool_ids, NEW[10:20]])
    np.savez(file, x=np.concatenate([images.samples, more]), pool_ids=ids)
    Images(path=file, samples=images.samples, pool_ids=images.pool_ids).build(file.parent / "index")
    return Pool.open(file.parent / "index", expected_bundle_digest=DIGEST)
