"""Selections: requests from the wire, answers to it, and the parts of both that other services share."""

from __future__ import annotations

from collections.abc import Sequence

from dowser.v1 import acquisition_pb2, selection_pb2
from query_server.errors import invalid_argument
from query_server.rpc.convert import tensor
from query_server.selection.values import (
    DEFAULT_EARLY_STOP,
    DEFAULT_WARM_START,
    MAX_CLASS_PRIOR_WEIGHT,
    BatchChoice,
    BatchRuleName,
    CaptureEstimate,
    Diagnosis,
    DowserStrategy,
    ExhaustiveStrategy,
    Pick,
    RandomStrategy,
    RandomSubsetStrategy,
    Selection,
    SelectionRequest,
    Source,
    SourceReport,
    Strategy,
    SynthesisOptions,
)
from query_server.timing import StageTiming

_ACQUISITIONS = {
    number: name.removeprefix("ACQUISITION_FUNCTION_").lower()
    for name, number in acquisition_pb2.AcquisitionFunction.items()
}
#: Sources by their number on the wire.
SOURCES: dict[int, Source] = {
    acquisition_pb2.CandidateSource.Value(f"CANDIDATE_SOURCE_{source.name}"): source for source in Source
}
_BATCH_RULES: dict[int, BatchRuleName | None] = {selection_pb2.BATCH_RULE_UNSPECIFIED: None} | {
    selection_pb2.BatchRule.Value(f"BATCH_RULE_{rule.name}"): rule for rule in BatchRuleName
}


def selection_request(message: selection_pb2.SelectSamplesRequest) -> SelectionRequest:
    """Read SelectSamples.

    Raises:
        DowserError: INVALID_ARGUMENT.
    """
    return asked(message, strategy=_strategy(message), choice=batch(message.batch))


def asked(
    message: selection_pb2.SelectSamplesRequest | selection_pb2.ProposeSamplesRequest,
    *,
    strategy: Strategy,
    choice: BatchChoice,
) -> SelectionRequest:
    """Read what SelectSamples and ProposeSamples ask alike.

    Raises:
        DowserError: INVALID_ARGUMENT.
    """
    return SelectionRequest(
        campaign_id=message.campaign_id,
        classifier_id=message.classifier_id or None,
        budget=message.budget,
        acquisition=acquisition(message.acquisition, default="margin"),
        strategy=strategy,
        batch=choice,
        class_prior_weight=class_prior_weight(message.class_prior_weight),
        seed=message.seed if message.HasField("seed") else None,
        min_index_version=message.min_index_version,
    )


def acquisition(number: int, *, default: str) -> str:
    """Name an acquisition function; unspecified is the default.

    Raises:
        DowserError: INVALID_ARGUMENT.
    """
    if number == acquisition_pb2.ACQUISITION_FUNCTION_UNSPECIFIED:
        return default
    if number not in _ACQUISITIONS:
        raise invalid_argument("acquisition", number, "a known AcquisitionFunction")
    return _ACQUISITIONS[number]


def synthesis_options(
    message: selection_pb2.SynthesisOptions, *, warm_start: float = 0.0, early_stop: float = 0.0
) -> SynthesisOptions:
    """Read SynthesisOptions; zero latents, steps and step size mean the defaults, other zeros turn a part off.

    Args:
        message: The options.
        warm_start: What it means to say nothing of it.
        early_stop: Likewise.

    Raises:
        DowserError: INVALID_ARGUMENT.
    """
    return SynthesisOptions(
        latents=message.latents,
        steps=message.steps or SynthesisOptions.steps,
        step_size=message.step_size or SynthesisOptions.step_size,
        warm_start=message.warm_start if message.HasField("warm_start") else warm_start,
        early_stop=message.early_stop if message.HasField("early_stop") else early_stop,
        latent_prior=message.latent_prior,
        repulsion=message.repulsion,
    )


def _strategy(message: selection_pb2.SelectSamplesRequest) -> Strategy:
    match message.WhichOneof("strategy"):
        case None:
            return DowserStrategy()
        case "dowser":
            return dowser_strategy(message.dowser)
        case "exhaustive":
            return ExhaustiveStrategy()
        case "random":
            return RandomStrategy()
        case _:
            return RandomSubsetStrategy(max_scored=message.random_subset.max_scored)


def dowser_strategy(message: selection_pb2.DowserStrategy) -> DowserStrategy:
    """Read DowserStrategy.

    Raises:
        DowserError: INVALID_ARGUMENT.
    """
    floor = message.random_floor if message.HasField("random_floor") else DowserStrategy.random_floor
    plain = message.max_scored == 0
    return DowserStrategy(
        synthesis=synthesis_options(
            message.synthesis,
            warm_start=0.0 if plain else DEFAULT_WARM_START,
            early_stop=0.0 if plain else DEFAULT_EARLY_STOP,
        ),
        max_scored=message.max_scored,
        shares=_shares(message.shares),
        random_floor=floor,
    )


def _shares(messages: Sequence[selection_pb2.SourceShare]) -> dict[Source, float] | None:
    shares: dict[Source, float] = {}
    for message in messages:
        source = SOURCES.get(message.source)
        if source is None:
            raise invalid_argument("shares.source", message.source, "a known CandidateSource")
        if source in shares:
            raise invalid_argument("shares.source", source.value, "named once")
        shares[source] = message.share
    return shares or None


def batch(message: selection_pb2.BatchChoice) -> BatchChoice:
    """Read BatchChoice.

    Raises:
        DowserError: INVALID_ARGUMENT.
    """
    if message.rule not in _BATCH_RULES:
        raise invalid_argument("batch.rule", message.rule, "a known BatchRule")
    return BatchChoice(
        rule=_BATCH_RULES[message.rule],
        coldness=message.coldness or BatchChoice.coldness,
        shortlist=message.shortlist,
        duplicate_distance=message.duplicate_distance,
    )


def class_prior_weight(weight: float) -> float:
    """Check a class prior's exponent.

    Raises:
        DowserError: INVALID_ARGUMENT.
    """
    if not 0 <= weight <= MAX_CLASS_PRIOR_WEIGHT:
        raise invalid_argument("class_prior_weight", weight, f"0 to {MAX_CLASS_PRIOR_WEIGHT:g}")
    return weight


def selection_response(
    selection: Selection, *, return_synthetic: bool
) -> selection_pb2.SelectSamplesResponse:
    """Write the answer to SelectSamples."""
    response = selection_pb2.SelectSamplesResponse(
        picks=[_pick(pick) for pick in selection.picks],
        round=selection.round,
        timings=timings(selection.timings),
        total_seconds=selection.total_seconds,
        scored=selection.scored,
        visited=selection.visited,
        index_version=selection.index_version,
        seed=selection.seed,
        match_gap=selection.match_gap,
        diagnosis=_diagnosis(selection.diagnosis),
    )
    if return_synthetic and selection.synthetic_samples is not None:
        response.synthetic_samples.CopyFrom(tensor(selection.synthetic_samples.x))
        response.synthetic_scores.extend(selection.synthetic_samples.scores.tolist())
    return response


def timings(values: Sequence[StageTiming]) -> list[selection_pb2.StageTiming]:
    """Write stage timings."""
    return [
        selection_pb2.StageTiming(stage=t.stage, seconds=t.seconds, engine_seconds=t.engine_seconds)
        for t in values
    ]


def _pick(pick: Pick) -> selection_pb2.Pick:
    return selection_pb2.Pick(
        pool_id=pick.pool_id,
        score=pick.score,
        source=f"CANDIDATE_SOURCE_{pick.source.name}",
        synthetic_index=pick.synthetic_index,
        synthetic_score=pick.synthetic_score,
        distance=pick.distance,
        predicted_class=pick.predicted_class,
    )


def _diagnosis(diagnosis: Diagnosis) -> selection_pb2.Diagnosis:
    capture = diagnosis.capture
    return selection_pb2.Diagnosis(
        sources=[_source_report(report) for report in diagnosis.sources],
        unique_match_rate=diagnosis.unique_match_rate,
        redundancy=diagnosis.redundancy,
        capture=None if capture is None else _capture(capture),
        reasons=diagnosis.reasons,
        warnings=diagnosis.warnings,
    )


def _source_report(report: SourceReport) -> selection_pb2.SourceReport:
    return selection_pb2.SourceReport(
        source=f"CANDIDATE_SOURCE_{report.source.name}",
        share=report.share,
        scored=report.scored,
        mean_score=report.mean_score,
        picked=report.picked,
        labeled=report.labeled,
        contradicted=report.contradicted,
        rarity=report.rarity,
        **{"yield": report.yield_},
    )


def _capture(capture: CaptureEstimate) -> selection_pb2.CaptureEstimate:
    return selection_pb2.CaptureEstimate(
        value=capture.value,
        low=capture.low,
        high=capture.high,
        confidence=capture.confidence,
        draws=capture.draws,
    )
