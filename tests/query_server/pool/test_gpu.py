"""What surrounds an index on a GPU, with a real CPU index in the GPU's place; the last tests need a GPU."""

import logging

import faiss
import numpy as np
import numpy.typing as npt
import pytest

from query_server.pool import GpuIndexOptions, detect_flavour
from query_server.pool.filtered import search_available
from query_server.pool.gpu import GpuIndex, needed_bytes, put_on_gpu
from query_server.pool.gpu_copies import Copy, agreement, flat_coarse_quantizer, ivf_parameters
from query_server.pool.index import FeatureIndex
from query_server.pool.owner import SearchOwner

Features = npt.NDArray[np.float32]
needs_gpu = pytest.mark.skipif(detect_flavour().gpus == 0, reason="needs a GPU that FAISS can use")


def filled(factory: str, features: Features) -> faiss.Index:
    faiss.omp_set_num_threads(1)
    made = faiss.index_factory(features.shape[1], factory, faiss.METRIC_L2)
    made.train(features)
    made.add(features)
    return made


def standing_in(index: faiss.Index, *, most: int) -> GpuIndex:
    """An index on the CPU behind the owner and the limits of one on a GPU."""
    owner = SearchOwner(lambda: index, parameters=ivf_parameters, most=most)
    return GpuIndex(Copy(owner=owner, most=most, agreement=1.0), kind="ivf")


@pytest.mark.parametrize("factory", ["IVF128,Flat", "IVF128_HNSW8,Flat", "Flat"])
@pytest.mark.parametrize("share", [0.9, 0.02])
def test_exclusion_is_exact_and_goes_beyond_the_gpus_limits(
    many_features: Features, factory: str, share: float
) -> None:
    made = filled(factory, many_features)
    nprobe = 8 if "IVF" in factory else 0
    alone = FeatureIndex(made, nprobe=nprobe, threads=1)
    copy = standing_in(made, most=64)  # soon exceeded: twenty of one row in fifty
    index = FeatureIndex(made, nprobe=nprobe, threads=1, on_gpu=copy)
    available = np.random.default_rng(1).random(len(many_features)) < share
    queries = many_features[:30] + np.float32(0.01)
    found = search_available(index, many_features, queries, 20, available, threads=1)
    expected = search_available(alone, many_features, queries, 20, available, threads=1)
    assert index.device == "cuda"
    assert np.array_equal(found.rows, expected.rows)
    assert available[found.rows].all()
    index.close()
    assert index.device == "cpu"
    assert copy.owner.searches == (1 if share == 0.9 else 0)


def test_a_gpu_that_fails_is_left_for_the_cpu_with_one_line_in_the_log(
    many_features: Features, caplog: pytest.LogCaptureFixture
) -> None:
    made = filled("IVF128,Flat", many_features)

    def fail(k: int, probes: int) -> None:
        raise RuntimeError(
            "Error in void thing() at x.cu:1: Error: 'err == cudaSuccess' failed: out of memory"
        )

    owner = SearchOwner(lambda: made, parameters=fail, most=2048)
    copy = GpuIndex(Copy(owner=owner, most=2048, agreement=1.0), kind="ivf")
    index = FeatureIndex(made, nprobe=8, threads=1, on_gpu=copy)
    with caplog.at_level(logging.ERROR):
        rows = [index.search(many_features[:4], 3)[1] for _ in range(3)]
    assert index.device == "cpu"
    assert all(each[:, 0].tolist() == [0, 1, 2, 3] for each in rows)
    assert len(caplog.records) == 1
    assert "searching on the CPU from now on" in caplog.text


def test_a_graph_of_centroids_is_a_flat_list_for_the_time_of_a_copy(many_features: Features) -> None:
    made = filled("IVF128_HNSW8,Flat", many_features)
    queries = many_features[:50]
    params = ivf_parameters(5, 6)
    before = made.search(queries, 5, params=params)
    with flat_coarse_quantizer(made):
        assert isinstance(faiss.downcast_index(made.quantizer), faiss.IndexFlat)
        of_flat = made.search(queries, 5, params=params)
    assert not isinstance(faiss.downcast_index(made.quantizer), faiss.IndexFlat)
    assert np.array_equal(made.search(queries, 5, params=params)[1], before[1])
    assert np.mean(of_flat[1] == before[1]) > 0.98


def test_a_copy_that_finds_other_rows_does_not_agree(many_features: Features) -> None:
    made, other = filled("Flat", many_features), filled("Flat", many_features[::-1].copy())
    assert agreement(made.search, made.search, many_features) == 1
    assert agreement(other.search, made.search, many_features) < 0.1


@pytest.mark.parametrize(
    ("factory", "kind", "least", "most"),
    [
        ("Flat", "ivf", 64, 64),
        ("IVF128,Flat", "ivf", 72, 90),
        ("IVF128,SQ8", "ivf", 24, 40),
        ("Flat", "cagra", 800, 900),
    ],
)
def test_what_a_copy_needs_is_counted_by_the_vector(
    many_features: Features, factory: str, kind: str, least: int, most: int
) -> None:
    each = needed_bytes(filled(factory, many_features), kind) / len(many_features)  # type: ignore[arg-type]
    assert least <= each <= most


def test_where_there_is_no_gpu_nothing_is_put_on_one(many_features: Features) -> None:
    if detect_flavour().gpus:
        pytest.skip("this machine has a GPU that FAISS can use")
    made = filled("Flat", many_features)
    assert put_on_gpu(made, many_features, nprobe=0, options=GpuIndexOptions(kind="cagra")) is None


@needs_gpu
@pytest.mark.gpu
@pytest.mark.parametrize("factory", ["Flat", "IVF128,Flat", "IVF128_HNSW8,Flat", "IVF128,SQ8"])
def test_an_index_on_the_gpu_answers_as_on_the_cpu(many_features: Features, factory: str) -> None:
    made = filled(factory, many_features)
    nprobe = 8 if "IVF" in factory else 0
    on_cpu = FeatureIndex(made, nprobe=nprobe, threads=1)
    on_gpu = FeatureIndex(made, nprobe=nprobe, threads=1, features=many_features, device="cuda")
    assert on_gpu.device == "cuda"
    available = np.random.default_rng(1).random(len(many_features)) < 0.1
    for k in (5, 2000):
        expected, _, _ = search_available(on_cpu, many_features, many_features[:40], k, available, threads=1)
        found, rows, _ = search_available(on_gpu, many_features, many_features[:40], k, available, threads=1)
        assert available[rows].all()
        assert np.mean(np.isclose(found, expected, rtol=1e-3, atol=1e-3)) > 0.98
    on_gpu.close()


@needs_gpu
@pytest.mark.gpu
def test_cagra_finds_what_the_exact_index_finds(many_features: Features) -> None:
    if not hasattr(faiss, "GpuIndexCagra"):
        pytest.skip("this FAISS has no CAGRA")
    made = filled("Flat", many_features)
    copy = put_on_gpu(made, many_features, nprobe=0, options=GpuIndexOptions(kind="cagra"))
    assert copy is not None
    assert copy.kind == "cagra"
    assert copy.agreement > 0.9
    copy.close()


@needs_gpu
@pytest.mark.gpu
def test_an_index_that_does_not_fit_stays_on_the_cpu_and_says_so(
    many_features: Features, caplog: pytest.LogCaptureFixture
) -> None:
    index = FeatureIndex(
        filled("Flat", many_features),
        nprobe=0,
        threads=1,
        features=many_features,
        device="cuda",
        gpu=GpuIndexOptions(memory_bytes=2**20),
    )
    assert index.device == "cpu"
    assert "may take" in caplog.text
