"""Deep ensembles as one module: the members' logits stacked to [T, B, C].

Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles" (NeurIPS 2017):
T networks trained apart stand for samples of the weights, as dropout masks do in `graphs.export.dropout`.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """Run every member on the same batch: x [B, ...] -> logits [T, B, C]."""

    def __init__(self, members: Iterable[nn.Module]) -> None:
        """Keep the members, T of them; none is changed.

        Args:
            members: Classifiers x [B, ...] -> logits [B, C], or (logits, embedding), whose embeddings are left out.

        Raises:
            ValueError: There are fewer than two: one member disagrees with nobody.
        """
        super().__init__()
        self.members = nn.ModuleList(members)
        if len(self.members) < 2:
            raise ValueError(
                f"an ensemble needs at least 2 members, got {len(self.members)}; export a single classifier as itself"
            )

    def forward(self, x: Tensor) -> Tensor:
        """Stack the members' logits."""
        outputs = [member(x) for member in self.members]
        return torch.stack([value[0] if isinstance(value, tuple) else value for value in outputs])
