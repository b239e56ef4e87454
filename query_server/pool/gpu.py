"""A copy of a feature index on the first GPU, or the reason why there is none.

The copy is FAISS's IVF index with the pool's own lists (or a flat index), or CAGRA, a graph that cuVS builds of the
features. Its owner thread (``owner``) alone touches it and keeps the GPU resources, whose temporary memory is bounded.
Filters are not given to it: classic GPU indexes drop them without a word, so exclusion stays exact, after the search.

Before it serves, a copy is asked what the index on the CPU is asked, and it must find nearly the same; a GPU that
answers something else is not used.
"""

from __future__ import annotations

import ctypes
import logging
import time
from dataclasses import dataclass
from typing import Literal

import faiss
import numpy as np
import numpy.typing as npt

from query_server.pool.factory import first_line
from query_server.pool.gpu_copies import (
    CAGRA_DEGREE,
    CAGRA_FIRST_DEGREE,
    Copy,
    build_cagra,
    copy_to_gpu,
    has_cagra,
)
from query_server.pool.owner import Neighbors
from query_server.pool.recall import Features

Kind = Literal["ivf", "cagra"]

_LEAST_AGREEMENT = 0.9  # part of the CPU's neighbors that a copy must find
_ID_BYTES = 8
_SLACK = 1.1  # lists are rounded up to whole blocks
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class GpuIndexOptions:
    """How an index may use a GPU.

    Attributes:
        kind: "ivf" copies the index that the pool has; "cagra" builds a graph of the features at every start.
        memory_bytes: What the copy may take; 0 takes what is free.
        temp_bytes: FAISS's temporary memory.
    """

    kind: Kind = "ivf"
    memory_bytes: int = 0
    temp_bytes: int = 2**28


class GpuIndex:
    """A searched copy and its owner.

    Attributes:
        owner: Searches it.
        kind: "ivf", also for flat indexes, or "cagra".
        most: Largest k and number of lists it is asked for; beyond them the CPU searches.
        agreement: Part of the CPU's ten nearest that it finds.
    """

    def __init__(self, copy: Copy, *, kind: Kind) -> None:
        self.owner = copy.owner
        self.kind = kind
        self.most = copy.most
        self.agreement = copy.agreement

    def takes(self, k: int, probes: int) -> bool:
        """Whether a search is within the GPU's limits."""
        return k <= self.most and (self.kind == "cagra" or probes <= self.most)

    def search(self, queries: npt.NDArray[np.float32], k: int, probes: int) -> Neighbors:
        """Return squared distances [Q, k] and rows [Q, k]; see ``SearchOwner.search``."""
        return self.owner.search(queries, k, 0 if self.kind == "cagra" else probes)

    def close(self) -> None:
        """Let go of the GPU."""
        self.owner.close()


def put_on_gpu(
    index: faiss.Index, features: Features | None, *, nprobe: int, options: GpuIndexOptions
) -> GpuIndex | None:
    """Copy an index to the first GPU; None, with the reason in the log, where that cannot be.

    Args:
        index: On the CPU; nobody searches it meanwhile.
        features: float32 [N, D], what it was filled with.
        nprobe: Lists it is searched with.
        options: How.
    """
    if not (hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus()):
        return None
    kind = options.kind
    if kind == "cagra" and (features is None or not has_cagra()):
        _log.warning("this FAISS %s has no CAGRA (faiss-gpu-cuvs has); using IVF", faiss.__version__)
        kind = "ivf"
    needed = needed_bytes(index, kind) + options.temp_bytes
    free = free_bytes()
    limit = min(options.memory_bytes or needed, needed if free is None else free)
    if needed > limit:
        _log.warning(
            "the index needs %.2f GiB on the GPU and may take %.2f GiB (%s free); searching on the CPU. An index of "
            "codes takes less: build it with --memory-budget",
            *(needed / 2**30, limit / 2**30, "unknown" if free is None else f"{free / 2**30:.2f} GiB"),
        )
        return None
    started = time.perf_counter()
    try:
        if kind == "cagra" and features is not None:
            copy = build_cagra(index, features, nprobe=nprobe, temp_bytes=options.temp_bytes)
        else:
            copy = copy_to_gpu(index, features, nprobe=nprobe, temp_bytes=options.temp_bytes)
    except (RuntimeError, MemoryError) as error:
        _log.warning("FAISS cannot put the index on the GPU (%s); searching on the CPU", first_line(error))
        return None
    if copy.agreement < _LEAST_AGREEMENT:
        _log.warning(
            "the GPU's %s index finds %.3f of what the CPU's finds, less than %.2f; searching on the CPU",
            *(kind, copy.agreement, _LEAST_AGREEMENT),
        )
        copy.owner.close()
        return None
    _log.info(
        "index on the GPU as %s in %.1f s: about %.2f GiB, k up to %d, finds %.4f of what the CPU's finds",
        *(kind, time.perf_counter() - started, needed / 2**30, copy.most, copy.agreement),
    )
    return GpuIndex(copy, kind=kind)


def needed_bytes(index: faiss.Index, kind: Kind) -> int:
    """Return about what a copy takes on the GPU, without temporary memory; while CAGRA builds, for it."""
    size, dim = int(index.ntotal), int(index.d)
    if kind == "cagra":
        padded = -(-4 * dim // 16) * 16  # rows are padded to 16 bytes
        return size * (padded + 4 * (CAGRA_DEGREE + CAGRA_FIRST_DEGREE))
    ivf = faiss.try_extract_index_ivf(index)
    if ivf is None:
        return size * int(faiss.downcast_index(index).sa_code_size())
    return int(_SLACK * size * (int(ivf.code_size) + _ID_BYTES)) + int(ivf.nlist) * 4 * dim


def free_bytes() -> int | None:
    """Return the first GPU's free memory, as the CUDA runtime that FAISS has loaded tells; None where it does not."""
    for name in ("libcudart.so.13", "libcudart.so.12"):
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        if library.cudaMemGetInfo(ctypes.byref(free), ctypes.byref(total)) == 0:
            return free.value
    return None
