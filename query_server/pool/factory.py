"""Which FAISS index a pool gets, by its size, the recall asked for and the memory it may take.

An exact scan up to 100,000 vectors: it is quick there and needs no tuning. Above, inverted lists over the full
vectors. Where those would not fit the budget, over codes: fp16, 8 bits a component, product quantization, then a bit a
component. Where codes alone would lose recall, what they find is ranked anew by exact distances in the mapped
features, so that no second copy of the vectors is held. Above one million the nearest lists are found by a small HNSW
graph, which makes short lists cheap, so there are four times as many, and vectors are held in half precision: a search
waits for memory, and loses a neighbor in a thousand by it.
"""

import math
from dataclasses import dataclass

import faiss

from query_server import errors

FLAT_LIMIT = 100_000
HNSW_COARSE_LIMIT = 1_000_000
_MOST_LISTS = 65_536  # training takes time in proportion, ten minutes of a core for so many
_ID_BYTES = 8
_HNSW_LINK_BYTES = 300  # a list's links in the graph that finds it
# Components of a scalar code that FAISS decodes at a time: 50 of them took 52 ns a vector, padded to 56 they take 8.
_LANES = 8
_LEAST_PADDED = 2 * _LANES  # shorter codes would grow by too much


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A FAISS factory string, and in words why it is this one."""

    factory: str
    why: str


def choose_index(
    size: int, feature_dim: int, *, recall_target: float = 0.95, memory_budget_bytes: int | None = None
) -> Choice:
    """Choose the index of a pool: of those within the budget the one that loses least.

    Args:
        size: N.
        feature_dim: D.
        recall_target: 0 to 1; 1 allows nothing but an exact scan.
        memory_budget_bytes: What the index file may take when all of it is in memory; None means any size.

    Raises:
        DowserError: INVALID_ARGUMENT if nothing fits the budget.
    """
    flat_bytes = 4 * feature_dim * size
    budget = math.inf if memory_budget_bytes is None else memory_budget_bytes
    allowed = "no memory budget" if memory_budget_bytes is None else f"of {_gib(budget)} allowed"
    if flat_bytes <= budget and (size <= FLAT_LIMIT or recall_target == 1):
        reason = f"{size} vectors are few" if size <= FLAT_LIMIT else "a recall target of 1"
        return Choice(factory="Flat", why=f"exact scan: {reason}; {_gib(flat_bytes)}, {allowed}")
    least = flat_bytes
    if recall_target < 1:
        by_graph = size > HNSW_COARSE_LIMIT
        nlist = max(1, 2 ** round(math.log2((16 if by_graph else 4) * math.sqrt(size))))
        nlist = min(nlist, _MOST_LISTS)
        coarse = "_HNSW32" if by_graph else ""
        list_bytes = 4 * _padded(feature_dim) + _ID_BYTES + (_HNSW_LINK_BYTES if coarse else 0)
        passed: list[str] = []
        for code, code_bytes in _codes(feature_dim, halved=by_graph):
            least = size * (code_bytes + _ID_BYTES) + nlist * list_bytes
            if least <= budget:
                ranked = "" if code == "Flat" else "; ranked by exact distances where need be"
                over = f" ({', '.join(passed)} would not fit)" if passed else ""
                why = f"{nlist} inverted lists of {code}: {_gib(least)}, {allowed}{over}{ranked}"
                padded = _padded(feature_dim)
                pad = f"Pad{padded}," if code.startswith("SQ") and padded > feature_dim else ""
                return Choice(factory=f"{pad}IVF{nlist}{coarse},{code}", why=why)
            passed.append(code)
    raise errors.invalid_argument(
        "memory_budget",
        memory_budget_bytes,
        f"at least {least} bytes for {size} vectors of {feature_dim} at recall {recall_target:g}",
    )


def make_index(factory: str, feature_dim: int) -> faiss.Index:
    """Return the empty index of a factory string, for Euclidean distances.

    Raises:
        DowserError: INVALID_ARGUMENT if FAISS does not know the string.
    """
    try:
        return faiss.index_factory(feature_dim, factory, faiss.METRIC_L2)
    except RuntimeError as error:
        raise errors.invalid_argument(
            "factory", factory, 'a FAISS factory string, such as "IVF1024,Flat"'
        ) from error


def inverted_lists(index: faiss.Index) -> int:
    """Return nlist of an inverted-list index, 0 for others."""
    ivf = faiss.try_extract_index_ivf(index)
    return 0 if ivf is None else int(ivf.nlist)


def is_compressed(index: faiss.Index) -> bool:
    """Say whether an index holds codes, so that its distances only come close to the vectors' own."""
    ivf = faiss.try_extract_index_ivf(index)
    inner = faiss.downcast_index(index if ivf is None else ivf)
    return not isinstance(inner, faiss.IndexFlat | faiss.IndexIVFFlat | faiss.IndexHNSWFlat)


def first_line(error: Exception) -> str:
    """Return what FAISS says without its C++ signature."""
    return str(error).splitlines()[0].rsplit("Error: ", 1)[-1]


def _codes(feature_dim: int, *, halved: bool) -> list[tuple[str, int]]:
    """Name the codes a vector can have and their bytes, the most faithful first; in single precision unless halved."""
    padded = _padded(feature_dim)
    codes = [("SQfp16", 2 * padded), ("SQ8", padded)]
    if not halved:
        codes.append(("Flat", 4 * feature_dim))
    parts = max(part for part in range(1, feature_dim // 2 + 2) if feature_dim % part == 0)
    if parts >= feature_dim / 4:  # else a byte would stand for too many components
        codes.append((f"PQ{parts}", parts))
    codes.append(("RaBitQ", -(-feature_dim // 8) + 8))  # a bit a component, and two floats
    return sorted(codes, key=lambda code: -code[1])


def _padded(feature_dim: int) -> int:
    """Return the components of a scalar code."""
    return feature_dim if feature_dim <= _LEAST_PADDED else -(-feature_dim // _LANES) * _LANES


def _gib(count: float) -> str:
    return f"{count / 2**30:.2f} GiB"
