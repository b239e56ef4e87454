"""Arguments of a call, checked and turned into what a request's fields hold.

Only what has no meaning on the wire is refused here; limits are the server's to state.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from client.errors import invalid_argument
from client.types.acquisition import Acquisition, CandidateSource
from client.types.campaigns import Campaign, Round
from client.types.classifiers import ClassifierInfo, ModelSource
from client.types.labels import LabelEvent
from client.types.leases import LeaseTerm
from client.types.pools import PoolIds
from client.types.scoring import ScoreJob
from client.types.strategies import Batch, BatchRule, Dowser, Exhaustive, Random, RandomSubset, Strategy
from dowser.v1 import acquisition_pb2, campaigns_pb2, selection_pb2

M = TypeVar("M", bound=Message)


def build(message_type: type[M], **fields: Any) -> M:
    """Make a message; a value that does not fit its field is the caller's mistake, said as such."""
    try:
        return message_type(**fields)
    except (TypeError, ValueError) as error:
        name = message_type.__name__.removesuffix("Request")
        raise invalid_argument(f"{name}: {error}", value=str(error)) from error


def request_id(request_id: str | None) -> str:
    """Return the caller's request id, or make one."""
    return request_id or uuid.uuid4().hex


def campaign_id(campaign: Campaign | str) -> str:
    """Return the id (or the name, which the server takes as well) of a campaign."""
    return campaign.campaign_id if isinstance(campaign, Campaign) else campaign


def job_id(job: ScoreJob | str) -> str:
    """Return a score job's id."""
    return job.job_id if isinstance(job, ScoreJob) else job


def classifier_id(classifier: ClassifierInfo | str) -> str:
    """Return a classifier's id."""
    return classifier.classifier_id if isinstance(classifier, ClassifierInfo) else classifier


def integer(value: Any) -> int:
    """Read a pool id or label; 1.0 and True are slips of the caller, not integers."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise invalid_argument(f"pool ids and labels are integers, got {value!r}", value=repr(value))
    return int(value)


def ids(pool_ids: PoolIds) -> list[int]:
    """Return pool ids as Python integers."""
    array = np.asarray(pool_ids)
    if array.size == 0:
        return []
    if array.dtype.kind not in "ui" or array.ndim != 1:
        raise invalid_argument(
            f"pool ids are a flat list of integers, got {array.dtype} of shape {array.shape}",
            field="pool_ids",
        )
    ids: list[int] = array.tolist()
    if min(ids) < 0:
        raise invalid_argument(f"pool ids are not negative, got {min(ids)}", field="pool_ids")
    return ids


def acquisition(acquisition: Acquisition | str) -> int:
    """Return the wire's number of an acquisition function, given itself or its name."""
    try:
        name = Acquisition(acquisition).name
    except ValueError as error:
        choices = ", ".join(Acquisition)
        raise invalid_argument(
            f"no acquisition function {acquisition!r}; there are {choices}",
            field="acquisition",
            value=str(acquisition),
        ) from error
    return acquisition_pb2.AcquisitionFunction.Value(f"ACQUISITION_FUNCTION_{name}")


def strategy(strategy: Strategy) -> dict[str, Message]:
    """Return the strategy under its name in the request."""
    match strategy:
        case Dowser():
            return {
                "dowser": build(
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
                "random_subset": build(selection_pb2.RandomSubsetStrategy, max_scored=strategy.max_scored)
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
    return build(
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
    return build(
        selection_pb2.BatchChoice,
        rule=None if batch.rule is None else _batch_rule(batch.rule),
        coldness=batch.coldness,
        shortlist=batch.shortlist,
        duplicate_distance=batch.duplicate_distance,
    )


def candidate_source(source: CandidateSource | str) -> CandidateSource:
    """Return a source that can be given a share, itself or its name given."""
    known = CandidateSource(source)
    if known is CandidateSource.UNKNOWN:
        choices = ", ".join(s for s in CandidateSource if s not in ("unknown", "exhaustive"))
        raise invalid_argument(
            f"no source {str(source)!r} to give a share; there are {choices}",
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
        build(
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


def model_bytes(model: ModelSource) -> bytes:
    """Return the ONNX bytes of whatever holds them."""
    if isinstance(model, bytes):
        return model
    if isinstance(model, Path):
        try:
            return model.read_bytes()
        except OSError as error:
            raise invalid_argument(f"cannot read the classifier: {error}", file=str(model)) from error
    return model.SerializeToString()


def label_event(value: LabelEvent) -> campaigns_pb2.LabelEvent:
    """Write one entry of a history of labels; what the label was before is for the server to work out."""
    return build(
        campaigns_pb2.LabelEvent,
        change=f"LABEL_CHANGE_{value.change.name}",
        pool_id=integer(value.pool_id),
        label=None if value.label is None else integer(value.label),
        annotator=value.annotator,
        time=_timestamp(value.time),
    )


def lease_term(value: LeaseTerm) -> campaigns_pb2.LeaseTerm:
    """Write what is known of a lease."""
    return build(
        campaigns_pb2.LeaseTerm,
        pool_id=integer(value.pool_id),
        round=value.round,
        lease_time=_timestamp(value.lease_time),
        expire_time=_timestamp(value.expire_time),
    )


def round_(value: Round) -> campaigns_pb2.Round:
    """Write one selection of a campaign."""
    return build(campaigns_pb2.Round, round=value.round, budget=value.budget, time=_timestamp(value.time))


def _timestamp(time: datetime | None) -> Timestamp | None:
    if time is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(time.astimezone(UTC))
    return stamp
