"""Answers on labels."""

from __future__ import annotations

from client.conversion.replies import values
from client.types.labels import (
    Label,
    LabelChange,
    LabelEvent,
    LabelEventPage,
    LabelPage,
    LabelsCorrected,
    LabelsRecorded,
    LabelsRetracted,
)
from dowser.v1 import campaigns_pb2, selection_pb2


def label_page(reply: campaigns_pb2.ListLabelsResponse) -> LabelPage:
    """Read one page of labels."""
    labels = tuple(
        Label(
            pool_id=each.pool_id,
            label=each.label,
            annotator=each.annotator,
            record_time=values.time(each.record_time),
        )
        for each in reply.labels
    )
    return LabelPage(labels=labels, next_page_token=reply.next_page_token)


def labels_recorded(reply: selection_pb2.RecordLabelsResponse) -> LabelsRecorded:
    """Read how many labels were new."""
    return LabelsRecorded(recorded=reply.recorded, labeled=reply.labeled)


def labels_corrected(reply: campaigns_pb2.CorrectLabelsResponse) -> LabelsCorrected:
    """Read how many labels are others now."""
    return LabelsCorrected(corrected=reply.corrected, labeled=reply.labeled)


def labels_retracted(reply: campaigns_pb2.RetractLabelsResponse) -> LabelsRetracted:
    """Read how many labels were taken back."""
    return LabelsRetracted(retracted=reply.retracted, labeled=reply.labeled)


def label_event_page(reply: campaigns_pb2.ListLabelHistoryResponse) -> LabelEventPage:
    """Read one page of a history of labels."""
    events = tuple(
        LabelEvent(
            change=LabelChange(
                campaigns_pb2.LabelChange.Name(each.change).removeprefix("LABEL_CHANGE_").lower()
            ),
            pool_id=each.pool_id,
            label=values.optional(each, "label", int),
            previous=values.optional(each, "previous", int),
            annotator=each.annotator,
            time=values.time(each.time),
        )
        for each in reply.events
    )
    return LabelEventPage(events=events, next_page_token=reply.next_page_token)
