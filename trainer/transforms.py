"""Label-preserving transformations: "poor man's" data augmentation (PMDA; Tanner 1991; BGADL section 2.2).

Samples are moved by rigid deformations whose parameters have an assumed density, which nothing is learned of: small
rotations, changes of size and shifts, uniform within their bounds (BGADL names the family, not the bounds).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_DEGREES = 10.0
MAX_SCALING = 0.1
MAX_SHIFT = 1 / 14
"""Of a side: 2 px at 28 px."""


def deformed(
    u: Tensor,  # [B, C, H, W]
    rng: torch.Generator,
) -> Tensor:
    """Return every image rotated, scaled and shifted at random; the border is filled with its nearest pixels."""
    draws = (2 * torch.rand(len(u), 4, generator=rng) - 1).to(u.device)  # [B, 4] in [-1, 1]
    angle = draws[:, 0] * math.radians(MAX_DEGREES)
    scale = 1 + draws[:, 1] * MAX_SCALING
    shift = 2 * MAX_SHIFT * draws[:, 2:]  # grid coordinates run from -1 to 1
    cosine, sine = scale * torch.cos(angle), scale * torch.sin(angle)
    rows = torch.stack([cosine, -sine, shift[:, 0], sine, cosine, shift[:, 1]], dim=1)
    grid = F.affine_grid(rows.view(-1, 2, 3), list(u.shape), align_corners=False)
    return F.grid_sample(u, grid, padding_mode="border", align_corners=False)
