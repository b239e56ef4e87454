"""Inverted lists as FAISS writes them to a file, and several such files merged into one without holding them.

An index file ends with its lists: "ilar", nlist, the bytes of a code, how the sizes are written ("full", or "sprs"
where most lists are empty), the sizes; then list by list its codes and its ids. Everything before that is the same in
all blocks of one trained index but for the number of vectors.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt

_MAGIC, _FULL, _SPARSE = b"ilar", b"full", b"sprs"
_EMPTY_BYTES = 32  # of the lists' part where every list is empty
_ID_BYTES = 8
_GROUP_BYTES = 64 * 2**20  # of lists merged at a time


def can_be_merged(index: faiss.Index) -> bool:
    """Say whether a trained, empty index ends with lists that this module can merge."""
    ivf = faiss.try_extract_index_ivf(index)
    if ivf is None or ivf.invlists is None or not isinstance(index, faiss.IndexIVF | faiss.IndexPreTransform):
        return False
    if not isinstance(faiss.downcast_InvertedLists(ivf.invlists), faiss.ArrayInvertedLists):
        return False
    return bool(faiss.serialize_index(index)[-_EMPTY_BYTES:][:4].tobytes() == _MAGIC)


def merge_blocks(index: faiss.Index, blocks: Sequence[Path], out: Path, *, tick: Iterator[None]) -> None:
    """Write an index file that holds the vectors of all blocks; on disk when this returns.

    Args:
        index: Trained and empty, what the blocks were filled from.
        blocks: Its files, each filled with a part of the vectors.
        out: The file to make.
        tick: Advanced once a list.
    """
    ivf = faiss.extract_index_ivf(index)
    nlist, code_bytes = int(ivf.nlist), int(ivf.code_size)
    header_bytes = len(_header(index, 0))
    parts = [_Block.open(path, header_bytes, nlist, code_bytes) for path in blocks]
    sizes = np.sum([part.sizes for part in parts], axis=0, dtype=np.uint64)  # [nlist]
    with out.open("wb") as file:
        file.write(_header(index, int(sizes.sum())))
        file.write(_MAGIC + np.array([nlist, code_bytes], np.uint64).tobytes() + _FULL)
        file.write(np.uint64(nlist).tobytes() + sizes.tobytes())
        bytes_before = np.concatenate([[0], np.cumsum(sizes.astype(np.int64) * (code_bytes + _ID_BYTES))])
        first = 0
        while first < nlist:
            reach = int(np.searchsorted(bytes_before, bytes_before[first] + _GROUP_BYTES, side="right")) - 1
            last = min(max(reach, first + 1), nlist)
            held = [part.lists(first, last) for part in parts]
            for one in range(last - first):
                pieces = [of_block[one] for of_block in held]
                file.writelines(codes for codes, _ in pieces)
                file.writelines(ids for _, ids in pieces)
                next(tick, None)
            first = last
        file.flush()
        os.fsync(file.fileno())


def _header(index: faiss.Index, size: int) -> bytes:
    """Return what the file of an index of this size begins with, up to its lists."""
    ivf = faiss.extract_index_ivf(index)
    index.ntotal = ivf.ntotal = size
    try:
        whole: bytes = faiss.serialize_index(index).tobytes()
    finally:
        index.ntotal = ivf.ntotal = 0
    return whole[:-_EMPTY_BYTES]


@dataclass(frozen=True, kw_only=True)
class _Block:
    """Where the lists of one file are: their sizes [nlist] and byte offsets [nlist + 1]."""

    path: Path
    code_bytes: int
    sizes: npt.NDArray[np.uint64]
    offsets: npt.NDArray[np.int64]

    @classmethod
    def open(cls, path: Path, header_bytes: int, nlist: int, code_bytes: int) -> _Block:
        with path.open("rb") as file:
            file.seek(header_bytes)
            magic = file.read(4)
            found = np.fromfile(file, np.uint64, 2).tolist()
            kind = file.read(4)
            if (magic, found, kind in (_FULL, _SPARSE)) != (_MAGIC, [nlist, code_bytes], True):
                raise ValueError(f"{path}: not the inverted lists of this index; build without resuming")
            numbers = np.fromfile(file, np.uint64, int(np.fromfile(file, np.uint64, 1)[0]))
            start = file.tell()
        sizes = numbers
        if kind == _SPARSE:
            sizes = np.zeros(nlist, np.uint64)
            sizes[numbers[0::2].astype(np.int64)] = numbers[1::2]
        ends = np.cumsum(sizes.astype(np.int64) * (code_bytes + _ID_BYTES))
        return cls(path=path, code_bytes=code_bytes, sizes=sizes, offsets=start + np.concatenate([[0], ends]))

    def lists(self, first: int, last: int) -> list[tuple[memoryview, memoryview]]:
        """Read the codes and the ids of lists first…last-1."""
        begin = int(self.offsets[first])
        with self.path.open("rb") as file:
            file.seek(begin)
            data = memoryview(file.read(int(self.offsets[last]) - begin))
        lists = []
        for one in range(first, last):
            at, end = int(self.offsets[one]) - begin, int(self.offsets[one + 1]) - begin
            split = at + int(self.sizes[one]) * self.code_bytes
            lists.append((data[at:split], data[split:end]))
        return lists
