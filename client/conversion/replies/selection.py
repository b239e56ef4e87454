"""Selections with their explanations, and synthetic samples."""

from __future__ import annotations

import numpy as np

from client.conversion import tensors
from client.conversion.replies import values
from client.types.diagnosis import CaptureEstimate, Diagnosis, SourceReport
from client.types.selection import Pick, Selection, Synthesis
from dowser.v1 import selection_pb2


def selection(reply: selection_pb2.SelectSamplesResponse) -> Selection:
    """Read a selection with its explanations."""
    synthetic = reply.HasField("synthetic_samples")
    return Selection(
        picks=tuple(_pick(each) for each in reply.picks),
        round=reply.round,
        timings=values.timings(reply.timings),
        total_seconds=reply.total_seconds,
        scored=reply.scored,
        visited=reply.visited,
        index_version=reply.index_version,
        seed=reply.seed,
        match_gap=values.optional(reply, "match_gap", float),
        synthetic_samples=tensors.decode(reply.synthetic_samples) if synthetic else None,
        synthetic_scores=values.array(reply.synthetic_scores, np.float32) if synthetic else None,
        diagnosis=_diagnosis(reply.diagnosis),
    )


def synthesis(reply: selection_pb2.SynthesizeSamplesResponse) -> Synthesis:
    """Read synthetic samples and their scores."""
    return Synthesis(
        samples=tensors.decode(reply.samples),
        scores=values.array(reply.scores, np.float32),
        initial_scores=values.array(reply.initial_scores, np.float32),
        timings=values.timings(reply.timings),
    )


def _pick(message: selection_pb2.Pick) -> Pick:
    return Pick(
        pool_id=message.pool_id,
        score=values.optional(message, "score", float),
        source=values.source(message.source),
        synthetic_index=values.optional(message, "synthetic_index", int),
        synthetic_score=values.optional(message, "synthetic_score", float),
        distance=values.optional(message, "distance", float),
        predicted_class=values.optional(message, "predicted_class", int),
    )


def _diagnosis(message: selection_pb2.Diagnosis) -> Diagnosis:
    return Diagnosis(
        sources=tuple(_source_report(each) for each in message.sources),
        unique_match_rate=values.optional(message, "unique_match_rate", float),
        redundancy=values.optional(message, "redundancy", float),
        capture=values.optional(message, "capture", _capture),
        reasons=tuple(message.reasons),
        warnings=tuple(message.warnings),
    )


def _source_report(message: selection_pb2.SourceReport) -> SourceReport:
    return SourceReport(
        source=values.source(message.source),
        share=message.share,
        scored=message.scored,
        mean_score=values.optional(message, "mean_score", float),
        picked=message.picked,
        labeled=message.labeled,
        contradicted=message.contradicted,
        rarity=values.optional(message, "rarity", float),
        yield_=values.optional(message, "yield", float),
    )


def _capture(message: selection_pb2.CaptureEstimate) -> CaptureEstimate:
    return CaptureEstimate(
        value=message.value,
        low=message.low,
        high=message.high,
        confidence=message.confidence,
        draws=message.draws,
    )
