"""Dowser's ONNX graphs: the contract, checks, splicing, the upload policy, and (with torch) the export.

Only the export functions import torch, and only when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from graphs.check import check
from graphs.contract import (
    CONTRACT,
    OPSET,
    SIGNATURES,
    GraphError,
    GraphErrorCode,
    GraphInfo,
    GraphKind,
)
from graphs.denormals import without_denormals
from graphs.derive import derive_pullback
from graphs.lowering import lower_for_cpu
from graphs.own_score import KEY_READS, OWN_SCORE, reads_own_score, score_as_logits
from graphs.policy import Limits, load_untrusted
from graphs.rename import as_classifier
from graphs.splice import forward, forward_only, generator_forward, splice, synthesis_forward

if TYPE_CHECKING:
    from graphs.export import (
        Ensemble,
        FixedMaskDropout,
        export_forward,
        export_pullback,
        fix_dropout,
        refresh,
    )

__all__ = [
    "CONTRACT",
    "KEY_READS",
    "OPSET",
    "OWN_SCORE",
    "SIGNATURES",
    "Ensemble",
    "FixedMaskDropout",
    "GraphError",
    "GraphErrorCode",
    "GraphInfo",
    "GraphKind",
    "Limits",
    "as_classifier",
    "check",
    "derive_pullback",
    "export_forward",
    "export_pullback",
    "fix_dropout",
    "forward",
    "forward_only",
    "generator_forward",
    "load_untrusted",
    "lower_for_cpu",
    "reads_own_score",
    "refresh",
    "score_as_logits",
    "splice",
    "synthesis_forward",
    "without_denormals",
]

_NEED_TORCH = frozenset(
    {"Ensemble", "FixedMaskDropout", "export_forward", "export_pullback", "fix_dropout", "refresh"}
)


def __getattr__(name: str) -> Any:
    """Import the export part on first use."""
    if name not in _NEED_TORCH:
        raise AttributeError(f"module 'graphs' has no attribute {name!r}")
    try:
        return getattr(importlib.import_module("graphs.export"), name)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"graphs.{name} needs {error.name}, which is not installed: "
            'install "dowser-al[trainer]", or "dowser-al[export]" beside the client',
            name=error.name,
        ) from error
