"""AugmentationService: companions of labeled samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from grpc import aio
from numpy.typing import NDArray

from dowser.v1 import augmentation_pb2, augmentation_pb2_grpc, selection_pb2
from query_server.courtesy import Courtesy
from query_server.errors import not_finite
from query_server.rpc import convert, selection_values
from query_server.rpc.work import Waiting, Workers
from query_server.selection.augmentation import AugmentationRequest, Companions
from query_server.serving import Serving

_Context = aio.ServicerContext[Any, Any]


class AugmentationServicer(augmentation_pb2_grpc.AugmentationServiceServicer):
    """Makes companions.

    Args:
        serving: What is served now.
        workers: Run the blocking work.
        courtesy: Where what somebody waits for is counted.
    """

    def __init__(self, *, serving: Serving, workers: Workers, courtesy: Courtesy) -> None:
        self._serving = serving
        self._workers = workers
        self._courtesy = courtesy

    async def AugmentSamples(
        self, request: augmentation_pb2.AugmentSamplesRequest, context: _Context
    ) -> augmentation_pb2.AugmentSamplesResponse:
        """Reconstruct uncertain labeled samples."""
        asked = _request(request)
        made = await self._workers.run(context, lambda waiting: self._augment(asked, waiting))
        return _response(made)

    def _augment(self, request: AugmentationRequest, waiting: Waiting) -> Companions:
        with self._courtesy.interactive(), self._serving.use() as generation:
            return generation.augmentation.augment(
                request, picks_of=_pick_scores, checkpoint=waiting.checkpoint
            )


def _request(message: augmentation_pb2.AugmentSamplesRequest) -> AugmentationRequest:
    given = message.WhichOneof("threshold")
    if given == "score" and not math.isfinite(message.score):
        raise not_finite("score", 0)
    ids = np.unique(np.fromiter(message.pool_ids, np.uint64, len(message.pool_ids)))
    return AugmentationRequest(
        campaign_id=message.campaign_id,
        classifier_id=message.classifier_id or None,
        acquisition=selection_values.acquisition(message.acquisition, default="bald"),
        threshold=message.score if given == "score" else None,
        selection=message.selection_request_id if given == "selection_request_id" else None,
        pool_ids=ids if len(ids) else None,
        limit=message.limit,
    )


def _response(made: Companions) -> augmentation_pb2.AugmentSamplesResponse:
    return augmentation_pb2.AugmentSamplesResponse(
        samples=convert.tensor(made.x),
        pool_ids=made.pool_ids.tolist(),
        labels=made.labels.tolist(),
        scores=made.scores,
        companion_scores=made.companion_scores,
        distances=made.distances,
        threshold_score=made.threshold,
        examined=made.examined,
        uncertain=made.uncertain,
        unknown_class=made.unknown_class,
        timings=selection_values.timings(made.timings),
    )


def _pick_scores(method: str, answer: bytes) -> NDArray[np.float32]:
    """Return the scores [B] of the picks in a selection's stored answer, those that have one."""
    if method == "SelectSamples":
        selection = selection_pb2.SelectSamplesResponse.FromString(answer)
    else:
        selection = selection_pb2.CommitSelectionResponse.FromString(answer).selection
    return np.array([pick.score for pick in selection.picks if pick.HasField("score")], np.float32)
