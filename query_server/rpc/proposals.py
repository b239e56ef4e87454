"""Between the messages of ProposeSamples and CommitSelection and the domain's values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dowser.v1 import selection_pb2, tensors_pb2
from query_server.errors import invalid_argument
from query_server.rpc import convert, selection_values
from query_server.selection.board import NUMBER_OF, SOURCES
from query_server.selection.proposals import Proposed, ScoredCandidates
from query_server.selection.values import BatchChoice, DowserStrategy, SelectionRequest


def proposal_request(message: selection_pb2.ProposeSamplesRequest) -> SelectionRequest:
    """Read ProposeSamples.

    Raises:
        DowserError: INVALID_ARGUMENT.
    """
    strategy = DowserStrategy()
    if message.HasField("strategy"):
        strategy = selection_values.dowser_strategy(message.strategy)
    return selection_values.asked(message, strategy=strategy, choice=BatchChoice())


def scored_candidates(message: selection_pb2.CommitSelectionRequest) -> ScoredCandidates:
    """Read CommitSelection.

    Raises:
        DowserError: INVALID_ARGUMENT, SHAPE_MISMATCH or NOT_FINITE.
    """
    return ScoredCandidates(
        campaign_id=message.campaign_id,
        proposal_id=message.proposal_id,
        budget=message.budget,
        pool_ids=np.array(message.pool_ids, np.uint64),
        scores=np.array(message.scores, np.float32),
        probabilities=_float32(message.probabilities, field="probabilities"),
        embedding=_float32(message.embedding, field="embedding") if message.HasField("embedding") else None,
        batch=selection_values.batch(message.batch),
        acquisition=selection_values.acquisition(message.acquisition, default="") or None,
        class_prior_weight=selection_values.class_prior_weight(message.class_prior_weight),
    )


def proposal_response(proposed: Proposed) -> selection_pb2.ProposeSamplesResponse:
    """Write the answer to ProposeSamples."""
    columns = zip(
        proposed.pool_ids.tolist(),
        proposed.sources.tolist(),
        proposed.synthetic.tolist(),
        proposed.distances.tolist(),
        strict=True,
    )
    return selection_pb2.ProposeSamplesResponse(
        candidates=[
            selection_pb2.Candidate(
                pool_id=pool_id,
                source=f"CANDIDATE_SOURCE_{SOURCES[source].name}",
                synthetic_index=synthetic if synthetic >= 0 else None,
                distance=distance if synthetic >= 0 else None,
            )
            for pool_id, source, synthetic, distance in columns
        ],
        shares=[
            selection_pb2.SourceShare(source=f"CANDIDATE_SOURCE_{source.name}", share=share)
            for source, share in proposed.shares.items()
        ],
        reasons=proposed.reasons,
        seed=proposed.seed,
        index_version=proposed.index_version,
        timings=selection_values.timings(proposed.timings),
        total_seconds=proposed.total_seconds,
        visited=proposed.visited,
        unique_match_rate=proposed.unique_match_rate,
        latents=None if proposed.latents is None else convert.tensor(proposed.latents),
        synthetic_scores=proposed.synthetic_scores.tolist(),
    )


def proposed(written: bytes) -> Proposed:
    """Read what ``proposal_response`` wrote, back from the ledger."""
    message = selection_pb2.ProposeSamplesResponse.FromString(written)
    led = [each.synthetic_index if each.HasField("synthetic_index") else -1 for each in message.candidates]
    far = [each.distance if each.HasField("distance") else np.nan for each in message.candidates]
    return Proposed(
        pool_ids=np.array([each.pool_id for each in message.candidates], np.uint64),
        sources=np.array(
            [NUMBER_OF[selection_values.SOURCES[each.source]] for each in message.candidates], np.int64
        ),
        synthetic=np.array(led, np.int64),
        distances=np.array(far, np.float32),
        shares={selection_values.SOURCES[each.source]: each.share for each in message.shares},
        reasons=tuple(message.reasons),
        seed=message.seed,
        index_version=message.index_version,
        visited=message.visited,
        unique_match_rate=message.unique_match_rate if message.HasField("unique_match_rate") else None,
        latents=_float32(message.latents, field="latents") if message.HasField("latents") else None,
        synthetic_scores=np.array(message.synthetic_scores, np.float32),
    )


def _float32(tensor: tensors_pb2.Tensor, *, field: str) -> NDArray[np.float32]:
    if tensor.dtype != tensors_pb2.DTYPE_FLOAT32:
        raise invalid_argument(f"{field}.dtype", tensor.dtype, "FLOAT32")
    values: NDArray[np.float32] = convert.array(tensor, field=field)
    return values
