"""Sample grids: what a generator makes, as one PNG."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trainer.runs import write_atomically

COLUMNS = 8
_MIN_PX = 384  # small images are enlarged to at least this grid size


def draw_samples(
    generator: nn.Module, latent_dim: int, count: int = COLUMNS**2, seed: int = 0
) -> NDArray[np.float32]:
    """Return x [count, ...] of latents from a fixed seed, so that grids of one run show the same latents."""
    z = torch.randn(count, latent_dim, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        x: NDArray[np.float32] = generator(z).numpy()
    return x


def save_grid(path: Path, x: NDArray[np.float32], low: float, high: float) -> None:
    """Save x as a grid of images [n, C, H, W], or, for vectors [n, F], as a heat map with one row a sample.

    Args:
        path: the PNG to write, whole or not at all.
        x: samples.
        low: value shown black.
        high: value shown white.
    """
    from PIL import Image

    pixels = np.rint(np.clip((x - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    grid = _tile(pixels) if pixels.ndim == 4 else pixels
    image = Image.fromarray(grid)
    factor = math.ceil(_MIN_PX / max(image.size)) if max(image.size) < _MIN_PX else 1
    image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    write_atomically(path, lambda temporary: image.save(temporary, format="PNG"))


def _tile(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay images [n, C, H, W] out in rows of 8, with a gap of 1 px: [height, width] or [height, width, 3]."""
    count, channels, height, width = pixels.shape
    rows = math.ceil(count / COLUMNS)
    grid = np.full((rows * (height + 1) + 1, COLUMNS * (width + 1) + 1, channels), 96, np.uint8)
    for i, image in enumerate(pixels):
        top, left = (i // COLUMNS) * (height + 1) + 1, (i % COLUMNS) * (width + 1) + 1
        grid[top : top + height, left : left + width] = image.transpose(1, 2, 0)  # [C, H, W] -> [H, W, C]
    return grid[:, :, 0] if channels == 1 else grid
