from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import numpy.typing as npt
import pytest

from query_server.pool import detect_flavour
from query_server.pool.exact import exact_neighbors
from query_server.pool.factory import choose_factory
from query_server.pool.filtered import search_available
from query_server.pool.index import FeatureIndex
from query_server.pool.tuning import held_out_queries, recall, tune

Features = npt.NDArray[np.float32]


@pytest.fixture(scope="module", params=["Flat", "IVF128,Flat", "IVF128_HNSW8,Flat"])
def index(request: pytest.FixtureRequest, many_features: Features) -> FeatureIndex:
    faiss.omp_set_num_threads(1)
    made = faiss.index_factory(16, request.param, faiss.METRIC_L2)
    made.train(many_features)
    made.add(many_features)
    return FeatureIndex(made, nprobe=4 if "IVF" in request.param else 0, threads=1)


@pytest.fixture(scope="module")
def queries(many_features: Features) -> Features:
    return held_out_queries(many_features, 40, threads=1, rng=np.random.default_rng(3))


def _brute_force(queries: Features, features: Features, k: int) -> npt.NDArray[np.float64]:
    """Exact distances [Q, k] in float64."""
    squared = ((queries[:, None, :].astype(np.float64) - features[None]) ** 2).sum(axis=2)
    distances: npt.NDArray[np.float64] = np.sqrt(np.sort(squared, axis=1)[:, :k])
    return distances


def test_exact_neighbors_equal_brute_force_across_blocks(
    many_features: Features, queries: Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("query_server.pool.exact._BLOCK_ROWS", 3_000)
    distances, rows = exact_neighbors(queries[:5], many_features, 10, threads=1)
    assert np.allclose(distances, _brute_force(queries[:5], many_features, 10), rtol=1e-3)
    assert (np.diff(distances, axis=1) >= 0).all()
    assert all(len(set(one)) == 10 for one in rows.tolist())


@pytest.mark.parametrize("share", [1.0, 0.9, 0.5, 0.01])
def test_a_filtered_search_returns_k_available_neighbors_whatever_is_left(
    index: FeatureIndex, many_features: Features, queries: Features, share: float
) -> None:
    available = np.random.default_rng(5).random(len(many_features)) < share
    distances, rows, visited = search_available(index, many_features, queries, 20, available, threads=1)
    assert (rows >= 0).all()
    assert available[rows].all()
    assert all(len(set(one)) == 20 for one in rows.tolist())
    assert (np.diff(distances, axis=1) >= 0).all()
    assert visited >= rows.size
    _, exact_rows = exact_neighbors(queries, many_features, 20, threads=1, available=available)
    found = recall(queries, many_features, rows, exact_rows)
    assert found == 1.0 if not index.nlist else found > 0.7


def test_a_filtered_search_reaches_past_a_labeled_neighborhood(
    index: FeatureIndex, many_features: Features, queries: Features
) -> None:
    # Everything near the query is taken, as after many rounds around one class.
    available = np.ones(len(many_features), dtype=bool)
    _, nearest = exact_neighbors(queries[:1], many_features, 3_000, threads=1)
    available[nearest[0]] = False
    distances, rows, _ = search_available(index, many_features, queries[:1], 30, available, threads=1)
    assert available[rows[0]].all()
    exact, _ = exact_neighbors(queries[:1], many_features, 30, threads=1, available=available)
    assert distances[0, 0] <= exact[0, -1] * 1.5  # next to the hole, not anywhere


def test_all_that_is_left_is_found_and_the_rest_is_padding(
    index: FeatureIndex, many_features: Features, queries: Features
) -> None:
    available = np.zeros(len(many_features), dtype=bool)
    available[[7, 11_111, 19_999]] = True
    distances, rows, _ = search_available(index, many_features, queries, 5, available, threads=1)
    assert (np.sort(rows[:, :3], axis=1) == [7, 11_111, 19_999]).all()
    assert (rows[:, 3:] == -1).all()
    assert np.isinf(distances[:, 3:]).all()
    _, none, visited = search_available(index, many_features, queries, 5, available & False, threads=1)
    assert ((none == -1).all(), visited) == (True, 0)


def test_a_wide_filtered_search_is_done_in_blocks_with_the_same_answer(
    index: FeatureIndex, many_features: Features, queries: Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    available = np.random.default_rng(6).random(len(many_features)) < 0.6
    whole = search_available(index, many_features, queries, 20, available, threads=1)
    monkeypatch.setattr("query_server.pool.filtered._MAX_FETCHED", 100)
    parts = search_available(index, many_features, queries, 20, available, threads=1)
    assert np.allclose(whole.distances, parts.distances, rtol=1e-3)


def test_concurrent_searches_get_the_answers_of_each_alone(index: FeatureIndex, queries: Features) -> None:
    alone = [index.search(queries[i : i + 1], 10)[1] for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda i: index.search(queries[i : i + 1], 10)[1], range(40)))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_no_queries_have_no_neighbors(index: FeatureIndex) -> None:
    distances, rows = index.search(np.empty((0, 16), np.float32), 3)
    assert distances.shape == rows.shape == (0, 3)


def test_too_few_probed_lists_pad_with_minus_one(many_features: Features, queries: Features) -> None:
    made = faiss.index_factory(16, "IVF128,Flat", faiss.METRIC_L2)
    made.train(many_features)
    made.add(many_features)
    distances, rows = FeatureIndex(made, nprobe=1, threads=1).search(queries, 5_000)
    assert (rows[:, -1] == -1).all()
    assert np.isinf(distances[rows == -1]).all()


def test_tuning_takes_the_smallest_nprobe_that_meets_the_target(many_features: Features) -> None:
    made = faiss.index_factory(16, "IVF128,Flat", faiss.METRIC_L2)
    made.train(many_features)
    made.add(many_features)

    def tuned(target: float) -> tuple[int, float]:
        found = tune(made, many_features, recall_target=target, threads=1, rng=np.random.default_rng(0))
        return found.nprobe, found.recall_at_10

    low, middle, full = tuned(0.5), tuned(0.95), tuned(1.0)
    assert low[0] <= middle[0] <= full[0]
    assert middle[1] >= 0.95
    queries = held_out_queries(many_features, 512, threads=1, rng=np.random.default_rng(0))
    _, exact_rows = exact_neighbors(queries, many_features, 10, threads=1)
    _, rows = FeatureIndex(made, nprobe=middle[0] - 1, threads=1).search(queries, 10)
    assert recall(queries, many_features, rows, exact_rows) < 0.95
    assert full[1] == 1.0


def test_ties_count_as_found() -> None:
    features = np.zeros((4, 2), dtype=np.float32)
    queries = np.ones((1, 2), dtype=np.float32)
    assert recall(queries, features, np.array([[2, 3]]), np.array([[0, 1]])) == 1.0
    assert recall(queries, features, np.array([[2, -1]]), np.array([[0, 1]])) == 0.5


def test_held_out_queries_are_not_pool_points(many_features: Features, queries: Features) -> None:
    distances, _ = exact_neighbors(queries, many_features, 1, threads=1)
    assert (distances > 0.01).all()


@pytest.mark.parametrize(
    ("size", "factory"),
    [
        (1, "Flat"),
        (100_000, "Flat"),
        (100_001, "IVF1024,Flat"),
        (1_000_000, "IVF4096,Flat"),
        (4_000_000, "IVF8192_HNSW32,Flat"),
    ],
)
def test_the_factory_follows_the_pools_size(size: int, factory: str) -> None:
    assert choose_factory(size) == factory


def test_the_flavour_names_what_is_installed() -> None:
    flavour = detect_flavour()
    assert flavour.version == faiss.__version__
    assert flavour.gpus == 0 or flavour.gpu_build


def test_asking_for_cuda_without_a_gpu_searches_on_the_cpu_and_says_so(
    caplog: pytest.LogCaptureFixture, queries: Features, many_features: Features
) -> None:
    if detect_flavour().gpus:
        pytest.skip("this machine has a GPU that FAISS can use")
    made = faiss.IndexFlatL2(16)
    made.add(many_features)
    index = FeatureIndex(made, nprobe=0, threads=1, device="cuda")
    assert index.device == "cpu"
    assert "searching on the CPU" in caplog.text
    assert index.search(queries, 2)[1].shape == (40, 2)
