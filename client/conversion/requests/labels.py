"""Calls on labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from client.conversion import fields
from client.conversion.call import Call, unary
from client.conversion.replies import labels as replies
from client.types.campaigns import Campaign
from client.types.labels import LabelEventPage, LabelPage, LabelsCorrected, LabelsRecorded, LabelsRetracted
from client.types.pools import PoolIds
from dowser.v1 import campaigns_pb2, selection_pb2


def record_labels(
    campaign: Campaign | str,
    labels: Mapping[int, int] | Iterable[tuple[int, int]],
    *,
    annotator: str,
    request_id: str | None,
) -> Call[LabelsRecorded]:
    """SelectionService.RecordLabels."""
    request = fields.build(
        selection_pb2.RecordLabelsRequest,
        request_id=fields.request_id(request_id),
        campaign_id=fields.campaign_id(campaign),
        labels=_label_messages(labels, annotator),
    )
    return unary(
        "SelectionService/RecordLabels",
        request,
        selection_pb2.RecordLabelsResponse,
        replies.labels_recorded,
    )


def list_labels(campaign: Campaign | str, *, page_size: int, page_token: str) -> Call[LabelPage]:
    """CampaignService.ListLabels, one page."""
    request = fields.build(
        campaigns_pb2.ListLabelsRequest,
        campaign_id=fields.campaign_id(campaign),
        page_size=page_size,
        page_token=page_token,
    )
    return unary("CampaignService/ListLabels", request, campaigns_pb2.ListLabelsResponse, replies.label_page)


def correct_labels(
    campaign: Campaign | str,
    labels: Mapping[int, int] | Iterable[tuple[int, int]],
    *,
    annotator: str,
    request_id: str | None,
) -> Call[LabelsCorrected]:
    """CampaignService.CorrectLabels."""
    request = fields.build(
        campaigns_pb2.CorrectLabelsRequest,
        request_id=fields.request_id(request_id),
        campaign_id=fields.campaign_id(campaign),
        labels=_label_messages(labels, annotator),
    )
    return unary(
        "CampaignService/CorrectLabels",
        request,
        campaigns_pb2.CorrectLabelsResponse,
        replies.labels_corrected,
    )


def retract_labels(
    campaign: Campaign | str, pool_ids: PoolIds, *, annotator: str, request_id: str | None
) -> Call[LabelsRetracted]:
    """CampaignService.RetractLabels."""
    request = fields.build(
        campaigns_pb2.RetractLabelsRequest,
        request_id=fields.request_id(request_id),
        campaign_id=fields.campaign_id(campaign),
        pool_ids=fields.ids(pool_ids),
        annotator=annotator,
    )
    return unary(
        "CampaignService/RetractLabels",
        request,
        campaigns_pb2.RetractLabelsResponse,
        replies.labels_retracted,
    )


def list_label_history(campaign: Campaign | str, *, page_size: int, page_token: str) -> Call[LabelEventPage]:
    """CampaignService.ListLabelHistory, one page."""
    request = fields.build(
        campaigns_pb2.ListLabelHistoryRequest,
        campaign_id=fields.campaign_id(campaign),
        page_size=page_size,
        page_token=page_token,
    )
    return unary(
        "CampaignService/ListLabelHistory",
        request,
        campaigns_pb2.ListLabelHistoryResponse,
        replies.label_event_page,
    )


def _label_messages(
    labels: Mapping[int, int] | Iterable[tuple[int, int]], annotator: str
) -> list[campaigns_pb2.Label]:
    return [
        fields.build(
            campaigns_pb2.Label,
            pool_id=fields.integer(pool_id),
            label=fields.integer(label),
            annotator=annotator,
        )
        for pool_id, label in (labels.items() if isinstance(labels, Mapping) else labels)
    ]
