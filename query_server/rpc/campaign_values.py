"""Campaigns, labels and their history, leases and rounds: to the wire and from it."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf import timestamp_pb2

from dowser.v1 import campaigns_pb2
from query_server.campaigns.values import CampaignInfo, Change, Label, LabelEvent, LeaseTerm, RoundInfo
from query_server.errors import invalid_argument
from query_server.rpc.convert import timestamp


def campaign(info: CampaignInfo) -> campaigns_pb2.Campaign:
    """Write a campaign."""
    return campaigns_pb2.Campaign(
        campaign_id=info.id,
        name=info.name,
        pool=info.pool,
        create_time=timestamp(info.create_time),
        labeled=info.labeled,
        leased=info.leased,
        unlabeled=info.unlabeled,
        rounds=info.rounds,
        seed=info.seed,
    )


def labels(messages: Iterable[campaigns_pb2.Label]) -> list[Label]:
    """Read labels."""
    return [Label(pool_id=m.pool_id, label=m.label, annotator=m.annotator) for m in messages]


def label(value: Label) -> campaigns_pb2.Label:
    """Write one label."""
    return campaigns_pb2.Label(
        pool_id=value.pool_id,
        label=value.label,
        annotator=value.annotator,
        record_time=timestamp(value.record_time),
    )


def lease_term(term: LeaseTerm) -> campaigns_pb2.LeaseTerm:
    """Write what is known of a lease."""
    return campaigns_pb2.LeaseTerm(
        pool_id=term.pool_id,
        round=term.round,
        lease_time=timestamp(term.lease_time),
        expire_time=None if term.expire_time is None else timestamp(term.expire_time),
    )


def label_event(event: LabelEvent) -> campaigns_pb2.LabelEvent:
    """Write one entry of the history of labels."""
    return campaigns_pb2.LabelEvent(
        change=f"LABEL_CHANGE_{event.change.name}",
        pool_id=event.pool_id,
        label=event.label,
        previous=event.previous,
        annotator=event.annotator,
        time=timestamp(event.time),
    )


def round_info(info: RoundInfo) -> campaigns_pb2.Round:
    """Write one selection of a campaign."""
    return campaigns_pb2.Round(round=info.round, budget=info.budget, time=timestamp(info.time))


def read_lease_term(message: campaigns_pb2.LeaseTerm) -> LeaseTerm:
    """Read what is known of a lease."""
    return LeaseTerm(
        pool_id=message.pool_id,
        round=message.round,
        lease_time=_seconds(message.lease_time),
        expire_time=_seconds(message.expire_time) if message.HasField("expire_time") else None,
    )


def read_label_event(message: campaigns_pb2.LabelEvent) -> LabelEvent:
    """Read one entry of a history of labels; what the label was before is for the ledger to say.

    Raises:
        DowserError: INVALID_ARGUMENT where it is not said what happened.
    """
    try:
        change = Change(message.change)
    except ValueError as error:
        raise invalid_argument("events.change", message.change, "recorded, corrected or retracted") from error
    return LabelEvent(
        change=change,
        pool_id=message.pool_id,
        label=message.label if message.HasField("label") else None,
        annotator=message.annotator,
        time=_seconds(message.time) if message.HasField("time") else 0.0,
    )


def read_round_info(message: campaigns_pb2.Round) -> RoundInfo:
    """Read one selection of a campaign."""
    return RoundInfo(round=message.round, budget=message.budget, time=_seconds(message.time))


def _seconds(stamp: timestamp_pb2.Timestamp) -> float:
    return float(stamp.seconds + stamp.nanos / 1e9)
