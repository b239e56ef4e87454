"""Blocks of an index file: a trained index, filled with a span of rows under their numbers, here or elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import faiss
import numpy as np

from query_server.pool.arrays import Streamed
from query_server.pool.manifest import FEATURES

TRAINED = "trained.faiss"
GRAPH_LISTS = 8192
"""From so many lists k-means, too, finds the nearest by a graph."""

# How far that graph is searched for one list: of 65,536 it finds the nearest for 98 of 100 vectors, in half the time
# that FAISS's 16 take for 99.8; the others' are 15 % farther. A search for many lists goes as far as they are many.
GRAPH_EFFORT = 6
_ADD_ROWS = 65_536
_BLOCK_BYTES = 256 * 2**20

#: First row and the row after the last.
Span: TypeAlias = tuple[int, int]

#: Yields the files' contents of some blocks of an unfinished index directory, in the order asked.
FillBlocks: TypeAlias = Callable[[Path, Sequence[Span]], Iterator[bytes]]


def block_rows(index: faiss.Index) -> int:
    """Return the rows of one block: a quarter of a GiB, and at least what is added at a time."""
    return max(_ADD_ROWS, _BLOCK_BYTES // (int(faiss.extract_index_ivf(index).code_size) + 8))


def add_rows(
    index: faiss.Index, features: Streamed, span: Span, added: Callable[[int], object] = lambda rows: None
) -> None:
    """Add rows of the features under their numbers, or in order where the index takes none.

    Args:
        index: Trained.
        features: float32 [N, D].
        span: The rows.
        added: Told how many rows were added, now and then.
    """
    ivf = faiss.try_extract_index_ivf(index)
    first, last = span
    with _quickly_assigned(ivf):
        for start in range(first, last, _ADD_ROWS):
            rows = np.arange(start, min(start + _ADD_ROWS, last))
            vectors = features[slice(start, start + len(rows))]
            if ivf is not None:
                index.add_with_ids(vectors, rows)
            else:
                index.add(vectors)
            added(len(rows))


def filled_block(directory: Path, span: Span, *, threads: int) -> bytes:
    """Return the file of one block, made from what an unfinished index directory holds.

    Args:
        directory: With the trained index and all features.
        span: The block's rows.
        threads: OpenMP threads.
    """
    faiss.omp_set_num_threads(threads)
    index = faiss.read_index(str(directory / TRAINED), faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE)
    add_rows(index, Streamed(np.load(directory / FEATURES, mmap_mode="r")), span)
    return bytes(faiss.serialize_index(index).data)


@contextmanager
def _quickly_assigned(ivf: faiss.IndexIVF | None) -> Iterator[None]:
    """Have a graph of many lists find one quickly."""
    quantizer = None if ivf is None or ivf.quantizer is None else faiss.downcast_index(ivf.quantizer)
    if not isinstance(quantizer, faiss.IndexHNSW) or quantizer.ntotal < GRAPH_LISTS:
        yield
        return
    usual = quantizer.hnsw.efSearch
    quantizer.hnsw.efSearch = min(usual, GRAPH_EFFORT)
    try:
        yield
    finally:
        quantizer.hnsw.efSearch = usual
