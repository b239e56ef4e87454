"""Classifiers, as they are given and as the server knows them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias


class SupportsSerialize(Protocol):
    """An ONNX model in memory (`onnx.ModelProto`), named by what the client needs of it."""

    def SerializeToString(self) -> bytes:  # noqa: N802 - the name is protobuf's
        """Return the model's bytes."""
        ...


ModelSource: TypeAlias = bytes | Path | SupportsSerialize
"""An ONNX classifier: its bytes, the path of its file, or an `onnx.ModelProto`."""


@dataclass(frozen=True, kw_only=True)
class ClassifierInfo:
    """What the server found in an uploaded classifier."""

    classifier_id: str  # "sha256:" and the digest of the bytes
    size_bytes: int
    input_shape: tuple[int, ...]
    classes: int  # C; 1 means one logit of a binary classifier
    passes: int  # T; 0 for a deterministic classifier
    has_pullback: bool  # whether the graph carries its gradient
    embedding_dim: int  # 0 without an embedding output
    has_score: bool = False  # whether it gives a score of its own, for Acquisition.OWN_SCORE
