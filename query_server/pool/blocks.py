"""Blocks of an index file: a trained index, filled with a span of rows under their numbers, here or elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import faiss
import numpy as np

from query_server.pool.arrays import Streamed
from query_server.pool.manifest import FEATURES

TRAINED = "trained.faiss"
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
    numbered = faiss.try_extract_index_ivf(index) is not None
    first, last = span
    for start in range(first, last, _ADD_ROWS):
        rows = np.arange(start, min(start + _ADD_ROWS, last))
        vectors = features[slice(start, start + len(rows))]
        if numbered:
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
