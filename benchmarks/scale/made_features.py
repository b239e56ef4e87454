r"""More features than there are samples: made of encoded distortions of one image, in feature space.

Two distortions of one image, with features f and g around the mean m of all its distortions, make a third,

.. math:: m + (f - m) \cos\theta + (g - m) \sin\theta,

which has the mean and the covariance of the image's distortions whatever the angle. The encoded features come first,
and row i is of image i modulo their number throughout. `likeness` holds a million of them against a million encoded.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.common.results import read_json, write_json
from query_server.pool.exact_many import exact_neighbors_of_many
from samples.mapped import forget_pages

Float32 = NDArray[np.float32]

_QUERIES = 1000
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_SEED = 0


def make_features(encoded: Float32, images: int, size: int, path: Path) -> None:
    """Write features float32 [size, D]; goes on where an interrupted call was.

    Args:
        encoded: [C * images, D] with C at least 3, memory-mapped; row i is of image i modulo `images`.
        images: How many images there are.
        size: N.
        path: The .npy file; it is whole once it stands under this name.
    """
    if path.exists() and np.load(path, mmap_mode="r").shape == (size, encoded.shape[1]):
        return
    copies = len(encoded) // images
    by_copy = encoded[: copies * images].reshape(copies, images, -1)  # [C, images, D], mapped
    progress, beside = path.with_suffix(".progress.json"), path.with_suffix(".writing.npy")
    parameters = {"size": size, "images": images, "encoded": copies, "seed": _SEED}
    done = read_json(progress) if progress.exists() and beside.exists() else {}
    first = done["chunks"] if done.get("parameters") == parameters else 0
    out = np.lib.format.open_memmap(
        beside, "r+" if first else "w+", dtype=np.float32, shape=(size, encoded.shape[1])
    )
    mean = _mean(by_copy)
    for chunk in tqdm(range(first, math.ceil(size / images)), desc="features", unit="chunk"):
        start = chunk * images
        rows = min(images, size - start)
        made = by_copy[chunk] if chunk < copies else _mixed(by_copy, mean, chunk)
        out[start : start + rows] = made[:rows]
        if chunk % 20 == 19:
            out.flush()
            forget_pages(out)
            forget_pages(encoded)
            write_json(progress, {"parameters": parameters, "chunks": chunk + 1})
    out.flush()
    del out
    beside.replace(path)
    progress.unlink(missing_ok=True)


def _mean(by_copy: Float32) -> Float32:
    total = np.zeros(by_copy.shape[1:], np.float64)
    for copy in by_copy:
        total += copy
    return (total / len(by_copy)).astype(np.float32)


def _mixed(by_copy: Float32, mean: Float32, chunk: int) -> Float32:
    """Return features [images, D], one of every image, of two copies drawn by the chunk's number."""
    rng = np.random.default_rng([_SEED, chunk])
    one, other = rng.choice(len(by_copy), 2, replace=False)
    angle = rng.uniform(0, math.pi / 2, len(mean)).astype(np.float32)[:, None]
    mixed: Float32 = mean + (by_copy[one] - mean) * np.cos(angle) + (by_copy[other] - mean) * np.sin(angle)
    return mixed


def likeness(features: Float32, encoded: int, index: Path, *, threads: int) -> dict[str, Any]:
    """Return how made features compare with as many encoded ones, a million or what there are.

    Args:
        features: float32 [N, D], the first of them encoded.
        encoded: How many of them.
        index: An inverted-list index whose lists both are sorted into.
        threads: OpenMP threads.
    """
    count = min(1_000_000, encoded // 2, len(features) - encoded)
    rng = np.random.default_rng(_SEED)
    parts = {
        "encoded": np.array(features[:count]),
        "made": np.array(features[encoded : encoded + count]),
    }
    others = np.array(features[np.sort(rng.choice(np.arange(count, encoded), min(_QUERIES, count), False))])
    told: dict[str, Any] = {"count": count, "quantiles": list(_QUANTILES)}
    shares = {}
    for name, part in parts.items():
        own = part[rng.choice(count, min(_QUERIES, count), replace=False)]
        within, _ = exact_neighbors_of_many(own, part, 2, threads=threads)
        from_others, _ = exact_neighbors_of_many(others, part, 10, threads=threads)
        told[name] = {
            "nearest_within": np.quantile(within[:, 1], _QUANTILES).round(4).tolist(),
            "tenth_from_other_encoded": np.quantile(from_others[:, -1], _QUANTILES).round(4).tolist(),
        }
        sizes = _occupancy(index, part)
        shares[name] = sizes / sizes.sum()
        told[name]["lists"] = {
            "number": len(sizes),
            "variation": float(sizes.std() / sizes.mean()),
            "largest_over_mean": float(sizes.max() / sizes.mean()),
        }
    told["moved_between_lists"] = float(np.abs(shares["encoded"] - shares["made"]).sum() / 2)
    return told


def _occupancy(index: Path, part: Float32) -> NDArray[np.int64]:
    """Return how many of the vectors each list takes int64 [nlist]; in a flat index, one list takes all."""
    whole = faiss.read_index(str(index), faiss.IO_FLAG_MMAP)  # it owns the part that is asked
    ivf = faiss.try_extract_index_ivf(whole)
    if ivf is None:
        return np.array([len(part)])
    beyond = ivf.d - part.shape[1]  # some codes want a multiple of eight dimensions
    padded = np.pad(part, ((0, 0), (0, beyond)))
    _, lists = ivf.quantizer.search(padded, 1)
    return np.bincount(lists[:, 0], minlength=ivf.nlist)
