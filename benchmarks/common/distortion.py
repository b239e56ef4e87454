"""A small pool grown to a large one by seeded affine and elastic distortion of its images: full of near-duplicates.

As in Loosli, Canu and Bottou, "Training invariant support vector machines using selective sampling" (2007), which made
eight million MNIST digits so. Here the displacement field is coarse noise, interpolated bicubically, in place of noise
smoothed by a Gaussian: it is as smooth and costs a fraction.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F
from tqdm import tqdm

from benchmarks.common.results import read_json, write_json

CHUNK = 10_000
MAX_ROTATION_DEGREES = 10.0
MAX_SCALING = 0.1
MAX_SHEAR = 0.1
MAX_SHIFT_PIXELS = 1.0
ELASTIC_PIXELS = 0.8  # standard deviation of the coarse displacements
ELASTIC_GRID = 5  # knots a side


def distort(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return gray images [n, H, W], each under its own affine map and elastic displacement."""
    n, height, width = images.shape
    angle = rng.uniform(-1, 1, n) * math.radians(MAX_ROTATION_DEGREES)
    scale = 1 + rng.uniform(-1, 1, (n, 2)) * MAX_SCALING
    shear = rng.uniform(-1, 1, n) * MAX_SHEAR
    shift = (
        rng.uniform(-1, 1, (n, 2)) * MAX_SHIFT_PIXELS * 2 / np.array([width, height])
    )  # of a side of length 2
    cos, sin = np.cos(angle), np.sin(angle)
    rows = [
        np.stack([cos * scale[:, 0], -sin + shear, shift[:, 0]], 1),
        np.stack([sin, cos * scale[:, 1], shift[:, 1]], 1),
    ]
    affine = torch.from_numpy(np.stack(rows, 1).astype(np.float32))  # [n, 2, 3]
    knots = rng.standard_normal((n, 2, ELASTIC_GRID, ELASTIC_GRID), dtype=np.float32)
    knots *= (ELASTIC_PIXELS * 2 / np.array([width, height], np.float32))[:, None, None]
    with torch.inference_mode():
        grid = F.affine_grid(affine, [n, 1, height, width], align_corners=False)  # [n, H, W, 2]
        field = F.interpolate(torch.from_numpy(knots), (height, width), mode="bicubic", align_corners=True)
        grid = grid + field.permute(0, 2, 3, 1)
        batch = torch.from_numpy(images)[:, None].float()
        made = F.grid_sample(batch, grid, padding_mode="border", align_corners=False)
    return made[:, 0].round().clamp(0, 255).to(torch.uint8).numpy()


def grow(
    images: NDArray[np.uint8], y: NDArray[np.int64], size: int, folder: Path, *, seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Return `size` samples made of the images, memory-mapped: the images themselves, then distorted ones in turn.

    Written to the folder in chunks; an interrupted call goes on with the chunk it was at.

    Args:
        images: [n, H, W], n at most `size`.
        y: [n].
        size: N.
        folder: Gets x.npy, y.npy and original.npy.
        seed: Of the distortions; chunk i draws from (seed, i).

    Returns:
        x uint8 [N, H, W], y [N], and the row [N] of the image each was made from.
    """
    original = np.arange(size) % len(images)
    progress = folder / "progress.json"
    parameters = {"size": size, "seed": seed, "originals": len(images), "chunk": CHUNK}
    folder.mkdir(parents=True, exist_ok=True)
    done = read_json(progress) if progress.exists() else {}
    chunks = done["chunks"] if done.get("parameters") == parameters else 0
    if chunks == 0:
        (folder / "original.npy").unlink(missing_ok=True)
    path = folder / "x.npy"
    shape = (size, *images.shape[1:])
    x = np.lib.format.open_memmap(path, "r+" if chunks else "w+", dtype=np.uint8, shape=shape)
    for chunk in tqdm(
        range(chunks, math.ceil(size / CHUNK)), desc=f"distorted images of {folder.name}", unit="chunk"
    ):
        rows = np.arange(chunk * CHUNK, min((chunk + 1) * CHUNK, size))
        made = distort(images[original[rows]], np.random.default_rng([seed, chunk]))
        kept = rows < len(images)
        made[kept] = images[rows[kept]]
        x[rows[0] : rows[-1] + 1] = made
        x.flush()
        write_json(progress, {"parameters": parameters, "chunks": chunk + 1})
    if not (folder / "original.npy").exists():
        np.save(folder / "y.npy", y[original])
        np.save(folder / "original.npy", original)
    return np.load(path, mmap_mode="r"), y[original], original
