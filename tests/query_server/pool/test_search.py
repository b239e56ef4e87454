from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import numpy.typing as npt
import pytest

from query_server.errors import DowserError
from query_server.open_rows import OpenRows
from query_server.pool import detect_flavour
from query_server.pool.exact import exact_neighbors
from query_server.pool.exact_many import exact_neighbors_of_many
from query_server.pool.factory import choose_index, make_index
from query_server.pool.filtered import search_available
from query_server.pool.index import FeatureIndex
from query_server.pool.recall import recall
from query_server.pool.tuning import Tuning, held_out_queries, tune

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
    distances, rows, visited = search_available(
        index, many_features, queries, 20, OpenRows.of(available), threads=1
    )
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
    distances, rows, _ = search_available(
        index, many_features, queries[:1], 30, OpenRows.of(available), threads=1
    )
    assert available[rows[0]].all()
    exact, _ = exact_neighbors(queries[:1], many_features, 30, threads=1, available=available)
    assert distances[0, 0] <= exact[0, -1] * 1.5  # next to the hole, not anywhere


def test_all_that_is_left_is_found_and_the_rest_is_padding(
    index: FeatureIndex, many_features: Features, queries: Features
) -> None:
    available = np.zeros(len(many_features), dtype=bool)
    available[[7, 11_111, 19_999]] = True
    distances, rows, _ = search_available(index, many_features, queries, 5, OpenRows.of(available), threads=1)
    assert (np.sort(rows[:, :3], axis=1) == [7, 11_111, 19_999]).all()
    assert (rows[:, 3:] == -1).all()
    assert np.isinf(distances[:, 3:]).all()
    _, none, visited = search_available(
        index, many_features, queries, 5, OpenRows.of(available & False), threads=1
    )
    assert ((none == -1).all(), visited) == (True, 0)


def test_a_wide_filtered_search_is_done_in_blocks_with_the_same_answer(
    index: FeatureIndex, many_features: Features, queries: Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    available = np.random.default_rng(6).random(len(many_features)) < 0.6
    whole = search_available(index, many_features, queries, 20, OpenRows.of(available), threads=1)
    monkeypatch.setattr("query_server.pool.filtered._MAX_FETCHED", 100)
    parts = search_available(index, many_features, queries, 20, OpenRows.of(available), threads=1)
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

    index = FeatureIndex(made, nprobe=1, threads=1)

    def tuned(target: float) -> tuple[int, float]:
        found = tune(index, many_features, recall_target=target, threads=1, rng=np.random.default_rng(0))
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


_GIB = 2**30


@pytest.mark.parametrize(
    ("size", "budget", "recall_target", "factory"),
    [
        (1, None, 0.95, "Flat"),
        (100_000, None, 0.95, "Flat"),
        (100_001, None, 0.95, "IVF1024,Flat"),
        (100_001, None, 1.0, "Flat"),
        (1_000_000, None, 0.95, "IVF4096,Flat"),
        (4_000_000, None, 0.95, "Pad56,IVF32768_HNSW32,SQfp16"),
        (100_000_000, None, 0.95, "Pad56,IVF65536_HNSW32,SQfp16"),
        (100_000_000, 12 * _GIB, 0.95, "Pad56,IVF65536_HNSW32,SQfp16"),
        (100_000_000, 8 * _GIB, 0.95, "Pad56,IVF65536_HNSW32,SQ8"),
        (100_000_000, 4 * _GIB, 0.95, "IVF65536_HNSW32,PQ25"),
        (100_000_000, 5 * _GIB // 2, 0.95, "IVF65536_HNSW32,RaBitQ"),
    ],
)
def test_the_index_follows_size_recall_and_budget(
    size: int, budget: int | None, recall_target: float, factory: str
) -> None:
    choice = choose_index(size, 50, recall_target=recall_target, memory_budget_bytes=budget)
    assert choice.factory == factory
    assert "GiB" in choice.why


@pytest.mark.parametrize("dim", [1, 7, 50, 64, 97])
def test_every_index_that_can_be_chosen_can_be_made_and_has_the_codes_that_were_counted(dim: int) -> None:
    chosen = set()
    budget = 200_000 * (4 * dim + 8) + 2048 * (4 * dim + 8)
    with pytest.raises(DowserError, match="memory_budget"):
        while True:
            choice = choose_index(200_000, dim, memory_budget_bytes=budget)
            made = faiss.extract_index_ivf(make_index(choice.factory, dim))
            assert 200_000 * (made.code_size + 8) <= budget
            chosen.add(choice.factory)
            budget = int(budget * 0.97)
    assert len(chosen) >= 3


def test_a_budget_that_nothing_fits_is_refused_with_the_least_that_would() -> None:
    with pytest.raises(DowserError, match=r"at least \d+ bytes for 1000000 vectors"):
        choose_index(1_000_000, 50, memory_budget_bytes=1_000_000)
    with pytest.raises(DowserError, match="at least 200000000 bytes"):
        choose_index(1_000_000, 50, recall_target=1, memory_budget_bytes=100_000_000)


@pytest.mark.parametrize("code", ["SQfp16", "SQ8", "PQ8x4", "RaBitQ"])
def test_codes_are_ranked_by_exact_distances_in_the_features(
    many_features: Features, queries: Features, code: str
) -> None:
    made = make_index(f"IVF64,{code}", 16)
    made.train(many_features)
    made.add(many_features)
    index = FeatureIndex(made, nprobe=64, threads=1, refine_factor=64, features=many_features)
    assert index.compressed
    distances, rows = index.search(queries, 10)
    exact_distances, exact_rows = exact_neighbors(queries, many_features, 10, threads=1)
    assert recall(queries, many_features, rows, exact_rows) > 0.99
    assert (np.diff(distances, axis=1) >= 0).all()
    found = rows == exact_rows
    assert np.allclose(distances[found], exact_distances[found], rtol=1e-3)
    of_codes, _ = index.search(queries, 10, refine_factor=0)
    assert np.abs(distances - of_codes).max() > 0


def test_ranking_in_blocks_changes_nothing(
    many_features: Features, queries: Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_index("IVF64,SQ8", 16)
    made.train(many_features)
    made.add(many_features)
    index = FeatureIndex(made, nprobe=2, threads=1, refine_factor=4, features=many_features)
    whole = index.search(queries, 2_000)  # more than some lists hold
    assert (whole[1] == -1).any()
    monkeypatch.setattr("query_server.pool.index._RANKED_ROWS", 999)
    monkeypatch.setattr("query_server.pool.index._MAX_CANDIDATES", 20_000)
    parts = index.search(queries, 2_000)
    assert np.array_equal(whole[1], parts[1])
    assert np.array_equal(whole[0], parts[0])


def test_tuning_a_compressed_index_finds_lists_and_candidates(many_features: Features) -> None:
    made = make_index("IVF128,SQ4", 16)
    made.train(many_features)
    made.add(many_features)
    index = FeatureIndex(made, nprobe=1, threads=1, features=many_features)

    def tuned(target: float) -> Tuning:
        return tune(index, many_features, recall_target=target, threads=1, rng=np.random.default_rng(0))

    low, high = tuned(0.5), tuned(0.98)
    assert low.recall_at_10 >= 0.5
    assert high.recall_at_10 >= 0.98
    assert low.refine_factor < high.refine_factor
    assert low.nprobe < high.nprobe < 128


def test_tuning_asks_the_queries_it_is_given_and_measures_held_out_ones_beside(
    many_features: Features,
) -> None:
    made = make_index("IVF128,Flat", 16)
    made.train(many_features)
    made.add(many_features)
    index = FeatureIndex(made, nprobe=1, threads=1)
    far = np.random.default_rng(1).uniform(-9, 9, (300, 16)).astype(np.float32)  # between the clusters
    arguments = {"recall_target": 0.95, "threads": 1}
    near = tune(index, many_features, **arguments, rng=np.random.default_rng(0))
    given = tune(index, many_features, **arguments, rng=np.random.default_rng(0), queries=far)
    assert given.queries == 300
    assert given.nprobe > near.nprobe
    assert given.recall_at_10 >= 0.95
    assert given.held_out_recall_at_10 > near.held_out_recall_at_10 == near.recall_at_10


def test_exact_neighbors_of_many_equal_brute_force_across_blocks(
    many_features: Features, queries: Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("query_server.pool.exact_many._BLOCK_ROWS", 700)
    distances, rows = exact_neighbors_of_many(queries, many_features, 10, threads=1)
    assert np.allclose(distances, _brute_force(queries, many_features, 10), rtol=1e-3)
    between = np.linalg.norm(many_features[rows] - queries[:, None], axis=2)
    assert np.allclose(distances, between, rtol=1e-3)
    assert all(len(set(one)) == 10 for one in rows.tolist())


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
