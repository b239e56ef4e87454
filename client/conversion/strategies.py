"""How a selection is asked for: the strategy with its synthesis and sources, and the batch."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.message import Message

from client.conversion import fields
from client.errors import invalid_argument
from client.types.acquisition import CandidateSource
from client.types.strategies import Batch, BatchRule, Dowser, Exhaustive, Random, RandomSubset, Strategy
from dowser.v1 import selection_pb2

PROPOSERS = tuple(
    each for each in CandidateSource if each not in (CandidateSource.EXHAUSTIVE, CandidateSource.UNKNOWN)
)
"""Sources that can be given a share."""


def strategy(strategy: Strategy) -> dict[str, Message]:
    """Return the strategy under its name in the request."""
    match strategy:
        case Dowser():
            return {
                "dowser": fields.build(
                    selection_pb2.DowserStrategy,
                    synthesis=synthesis(
                        strategy.latents,
                        strategy.steps,
                        strategy.step_size,
                        warm_start=strategy.warm_start,
                        early_stop=strategy.early_stop,
                        latent_prior=strategy.latent_prior,
                        repulsion=strategy.repulsion,
                    ),
                    max_scored=strategy.max_scored,
                    shares=_shares(strategy.shares),
                    random_floor=strategy.random_floor,
                )
            }
        case Exhaustive():
            return {"exhaustive": selection_pb2.ExhaustiveStrategy()}
        case Random():
            return {"random": selection_pb2.RandomStrategy()}
        case RandomSubset():
            return {
                "random_subset": fields.build(
                    selection_pb2.RandomSubsetStrategy, max_scored=strategy.max_scored
                )
            }
    raise invalid_argument(
        f"strategy must be Dowser, Exhaustive, Random or RandomSubset, got {strategy!r}", field="strategy"
    )


def synthesis(
    latents: int | None,
    steps: int | None,
    step_size: float | None,
    *,
    warm_start: float | None = None,
    early_stop: float | None = None,
    latent_prior: float | None = None,
    repulsion: float | None = None,
) -> selection_pb2.SynthesisOptions:
    """Return the options; what is None stays at the server's default, which the wire writes as 0."""
    _refuse_zero(latents=latents, steps=steps, step_size=step_size)
    return fields.build(
        selection_pb2.SynthesisOptions,
        latents=latents,
        steps=steps,
        step_size=step_size,
        warm_start=warm_start,
        early_stop=early_stop,
        latent_prior=latent_prior,
        repulsion=repulsion,
    )


def batch(batch: Batch) -> selection_pb2.BatchChoice:
    """Return how the batch is made; what is None stays at the server's default, which the wire writes as 0."""
    _refuse_zero(coldness=batch.coldness, shortlist=batch.shortlist)
    return fields.build(
        selection_pb2.BatchChoice,
        rule=None if batch.rule is None else _batch_rule(batch.rule),
        coldness=batch.coldness,
        shortlist=batch.shortlist,
        duplicate_distance=batch.duplicate_distance,
    )


def candidate_source(source: CandidateSource | str) -> CandidateSource:
    """Return a source that can be given a share, itself or its name given."""
    known = CandidateSource(source)
    if known not in PROPOSERS:
        raise invalid_argument(
            f"no source {str(source)!r} to give a share; there are {', '.join(PROPOSERS)}",
            field="shares",
            value=str(source),
        )
    return known


def _batch_rule(rule: BatchRule | str) -> int:
    try:
        name = BatchRule(rule).name
    except ValueError as error:
        choices = ", ".join(BatchRule)
        raise invalid_argument(
            f"no batch rule {rule!r}; there are {choices}", field="rule", value=str(rule)
        ) from error
    return selection_pb2.BatchRule.Value(f"BATCH_RULE_{name}")


def _shares(
    shares: Mapping[CandidateSource, float] | Mapping[str, float] | None,
) -> list[selection_pb2.SourceShare]:
    """Return the shares of the sources; none lets the server learn them."""
    if shares is None:
        return []
    if not shares:
        raise invalid_argument("shares must name a source; None lets the server learn them", field="shares")
    return [
        fields.build(
            selection_pb2.SourceShare,
            source=f"CANDIDATE_SOURCE_{candidate_source(source).name}",
            share=share,
        )
        for source, share in shares.items()
    ]


def _refuse_zero(**options: float | None) -> None:
    """Refuse 0 where the wire's 0 means the default."""
    for field, value in options.items():
        if value is not None and value <= 0:
            raise invalid_argument(f"{field} must be positive, got {value}", field=field, value=str(value))
