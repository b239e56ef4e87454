"""Labels of a campaign and their history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, kw_only=True)
class Label:
    """One recorded answer of the oracle."""

    pool_id: int
    label: int
    annotator: str
    record_time: datetime  # UTC


@dataclass(frozen=True, kw_only=True)
class LabelPage:
    """A part of a campaign's labels."""

    labels: tuple[Label, ...]
    next_page_token: str  # empty on the last page


@dataclass(frozen=True, kw_only=True)
class LabelsRecorded:
    """The outcome of recording labels."""

    recorded: int  # labels that were new
    labeled: int  # labeled samples of the campaign now


class LabelChange(StrEnum):
    """What happened to a sample's label."""

    RECORDED = "recorded"
    CORRECTED = "corrected"
    RETRACTED = "retracted"


@dataclass(frozen=True, kw_only=True)
class LabelEvent:
    """One entry of the history of a campaign's labels."""

    change: LabelChange
    pool_id: int
    label: int | None  # from then on; None after a retraction
    previous: int | None = None  # until then; worked out by the server in an import
    annotator: str = ""
    time: datetime | None = None  # UTC; None in an import means now


@dataclass(frozen=True, kw_only=True)
class LabelEventPage:
    """A part of the history of a campaign's labels."""

    events: tuple[LabelEvent, ...]
    next_page_token: str  # empty on the last page


@dataclass(frozen=True, kw_only=True)
class LabelsCorrected:
    """The outcome of correcting labels."""

    corrected: int  # labels that are others now
    labeled: int  # labeled samples of the campaign now


@dataclass(frozen=True, kw_only=True)
class LabelsRetracted:
    """The outcome of taking labels back."""

    retracted: int
    labeled: int  # labeled samples of the campaign now
