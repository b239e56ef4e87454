"""How a copy on the GPU is made and tried: the pool's own lists, or CAGRA.

The parts that no GPU is needed for (the flat coarse quantizer, the trial) take any FAISS index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from query_server.pool.owner import Neighbors, SearchOwner
from query_server.pool.recall import Features, recall

Search = Callable[[npt.NDArray[np.float32], int], Neighbors]

_CUVS: Any = faiss  # what only a build with cuVS has
CAGRA_DEGREE, CAGRA_FIRST_DEGREE = 64, 128  # neighbors a row keeps, and those it had before pruning
_CLASSIC_LIMIT = 2048  # k and nprobe of FAISS's own GPU indexes
_CUVS_LIMIT = 16_384
_CAGRA_WIDTHS = (64, 128, 256, 512)  # of the list that a search keeps; the last is also the largest k
_CAGRA_AGREEMENT = 0.95  # with a width that finds so much, no wider one is tried
_TRIED = 256  # rows a copy is tried with


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A copy that was made and tried.

    Attributes:
        owner: Searches it.
        most: Largest k and number of lists.
        agreement: Part of the CPU's ten nearest that it finds; 1 where it could not be asked.
    """

    owner: SearchOwner
    most: int
    agreement: float


class _Held:
    """An index on the GPU, and what must live as long as it does."""

    def __init__(self, index: faiss.Index, *held: Any) -> None:
        self._index = index
        self._held = held
        self.ntotal = int(index.ntotal)

    def search(self, x: npt.NDArray[np.float32], k: int, *, params: Any = None) -> Neighbors:
        """Search the index."""
        squared, rows = self._index.search(x, k, params=params)
        return squared, rows


def has_cagra() -> bool:
    """Whether this FAISS was built with cuVS."""
    return hasattr(faiss, "GpuIndexCagra")


def copy_to_gpu(index: faiss.Index, features: Features | None, *, nprobe: int, temp_bytes: int) -> Copy:
    """Copy a flat or IVF index, for cuVS where it can search it, else for FAISS's own kernels.

    Raises:
        RuntimeError: FAISS has no such index for GPUs, or no memory for it.
    """
    failed: RuntimeError | None = None
    for cuvs in (True, False) if has_cagra() else (False,):

        def make(cuvs: bool = cuvs) -> _Held:
            resources = _resources(temp_bytes)
            cloner = faiss.GpuClonerOptions()
            cloner.use_cuvs = cuvs
            with flat_coarse_quantizer(index):
                return _Held(faiss.index_cpu_to_gpu(resources, 0, index, cloner), resources)

        most = _CUVS_LIMIT if cuvs else _CLASSIC_LIMIT
        try:
            owner = SearchOwner(make, parameters=ivf_parameters, most=most)
            return _tried(owner, index, features, nprobe=nprobe, most=most)
        except RuntimeError as error:
            failed = error
    assert failed is not None  # something was tried
    raise failed


def build_cagra(index: faiss.Index, features: Features, *, nprobe: int, temp_bytes: int) -> Copy:
    """Build CAGRA of the features; it is searched as wide as it takes to find what the CPU's index finds.

    Raises:
        RuntimeError: FAISS refused, or has no memory for it.
    """
    widths = [_CAGRA_WIDTHS[0]]  # the last one tried

    def make() -> _Held:
        resources = _resources(temp_bytes)
        config = _CUVS.GpuIndexCagraConfig()
        config.graph_degree = CAGRA_DEGREE
        config.intermediate_graph_degree = CAGRA_FIRST_DEGREE
        built = _CUVS.GpuIndexCagra(resources, int(index.d), faiss.METRIC_L2, config)
        vectors = np.ascontiguousarray(features[:], np.float32)
        built.train(vectors)
        return _Held(built, vectors, resources)  # FAISS keeps the vectors' address

    def parameters(k: int, probes: int) -> faiss.SearchParameters:
        del probes
        params: faiss.SearchParameters = _CUVS.SearchParametersCagra()
        params.itopk_size = max(widths[-1], k)  # type: ignore[attr-defined]
        return params

    owner = SearchOwner(make, parameters=parameters, most=_CAGRA_WIDTHS[-1])
    for width in _CAGRA_WIDTHS:
        widths.append(width)
        copy = _tried(owner, index, features, nprobe=nprobe, most=_CAGRA_WIDTHS[-1], probes=0)
        if copy.agreement >= _CAGRA_AGREEMENT:
            break
    return copy


@contextmanager
def flat_coarse_quantizer(index: faiss.Index) -> Iterator[None]:
    """For the time of a copy, find lists by an exact scan of their centroids: FAISS copies no graph to a GPU.

    A GPU scans tens of thousands of centroids in less time than a CPU walks the graph.
    """
    ivf = faiss.try_extract_index_ivf(index)
    if ivf is None or isinstance(faiss.downcast_index(ivf.quantizer), faiss.IndexFlat):
        yield
        return
    former = ivf.quantizer
    flat = faiss.IndexFlatL2(int(ivf.d))
    flat.add(former.reconstruct_n(0, int(ivf.nlist)))
    ivf.quantizer = flat
    try:
        yield
    finally:
        ivf.quantizer = former


def ivf_parameters(k: int, probes: int) -> faiss.SearchParameters | None:
    """Return the parameters of a search over inverted lists, None for an index without."""
    del k
    if not probes:
        return None
    params = faiss.SearchParametersIVF()
    params.nprobe = probes
    return params


def agreement(search: Search, reference: Search, features: Features) -> float:
    """Return the part of a reference's ten nearest that a search finds, for rows spread over the features."""
    size = len(features)
    rows = np.unique(np.linspace(0, size - 1, min(_TRIED, size)).astype(np.int64))
    queries = np.ascontiguousarray(features[rows], np.float32)
    k = min(10, size)
    return recall(queries, features, search(queries, k)[1], reference(queries, k)[1])


def _tried(
    owner: SearchOwner,
    index: faiss.Index,
    features: Features | None,
    *,
    nprobe: int,
    most: int,
    probes: int | None = None,
) -> Copy:
    """Ask the copy what the CPU's index is asked; a copy that cannot answer is closed."""
    if features is None:
        return Copy(owner=owner, most=most, agreement=1.0)
    asked = nprobe if probes is None else probes
    try:
        found = agreement(
            lambda queries, k: owner.search(queries, k, asked),
            lambda queries, k: index.search(queries, k, params=ivf_parameters(k, nprobe)),
            features,
        )
    except BaseException:
        owner.close()
        raise
    return Copy(owner=owner, most=most, agreement=found)


def _resources(temp_bytes: int) -> Any:
    resources = faiss.StandardGpuResources()
    resources.setTempMemory(temp_bytes)
    return resources
