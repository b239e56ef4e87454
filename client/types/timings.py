"""Where the time of a request went."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class StageTiming:
    """Time spent in one stage of a request."""

    stage: str
    seconds: float
    engine_seconds: float  # the part of it inside ONNX Runtime or FAISS
