"""A classifier with its own score as one ONNX graph: logits, their gradient, maybe an embedding, and the score."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_EXAMPLES = 4


def export_scored(module: nn.Module, examples: Tensor) -> bytes:
    """Export x -> (logits, score) or (logits, embedding, score), compared with torch.

    Args:
        module: In eval mode or not; it is exported as in eval mode.
        examples: x [N, ...] of the pool.

    Raises:
        graphs.GraphError: If a layer cannot be exported or differentiated.
    """
    import graphs

    example = examples[:_EXAMPLES].to(torch.float32)
    return graphs.export_pullback(module, example, kind=graphs.GraphKind.CLASSIFIER).SerializeToString()
