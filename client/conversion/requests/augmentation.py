"""Calls of AugmentationService."""

from __future__ import annotations

from typing import Any

from client.conversion import fields
from client.conversion.call import Call, unary
from client.conversion.replies import augmentation as replies
from client.errors import invalid_argument
from client.types.acquisition import Acquisition
from client.types.augmentation import Companions
from client.types.campaigns import Campaign
from client.types.classifiers import ClassifierInfo
from client.types.pools import PoolIds
from client.types.selection import Selection
from dowser.v1 import augmentation_pb2


def augment_samples(
    campaign: Campaign | str,
    *,
    classifier: ClassifierInfo | str | None,
    acquisition: Acquisition | str,
    threshold: float | Selection | str | None,
    pool_ids: PoolIds | None,
    limit: int | None,
) -> Call[Companions]:
    """AugmentationService.AugmentSamples."""
    given: dict[str, Any] = {}
    if isinstance(threshold, Selection):
        scores = [pick.score for pick in threshold.picks if pick.score is not None]
        if not scores:
            raise invalid_argument("the selection's picks have no scores to compare with", field="threshold")
        given["score"] = min(scores)
    elif isinstance(threshold, str):
        given["selection_request_id"] = threshold
    elif threshold is not None:
        given["score"] = threshold
    ids = None if pool_ids is None else fields.ids(pool_ids)
    if ids is not None and not ids:
        raise invalid_argument("pool_ids is empty; None means every labeled sample", field="pool_ids")
    request = fields.build(
        augmentation_pb2.AugmentSamplesRequest,
        campaign_id=fields.campaign_id(campaign),
        classifier_id=fields.classifier_id(classifier) if classifier is not None else "",
        acquisition=fields.acquisition(acquisition),
        pool_ids=ids,
        limit=limit,
        **given,
    )
    return unary(
        "AugmentationService/AugmentSamples",
        request,
        augmentation_pb2.AugmentSamplesResponse,
        replies.companions,
    )
