"""Answers of AugmentationService."""

from __future__ import annotations

import numpy as np

from client.conversion import tensors
from client.conversion.replies import values
from client.types.augmentation import Companions
from dowser.v1 import augmentation_pb2


def companions(reply: augmentation_pb2.AugmentSamplesResponse) -> Companions:
    """Read companions of labeled samples."""
    scored = len(reply.scores) == len(reply.pool_ids) and bool(reply.scores)
    return Companions(
        samples=tensors.decode(reply.samples),
        pool_ids=values.array(reply.pool_ids, np.uint64),
        labels=values.array(reply.labels, np.int64),
        scores=values.array(reply.scores, np.float32) if scored else None,
        companion_scores=values.array(reply.companion_scores, np.float32) if scored else None,
        distances=values.array(reply.distances, np.float32),
        threshold=values.optional(reply, "threshold_score", float),
        examined=reply.examined,
        uncertain=reply.uncertain,
        unknown_class=reply.unknown_class,
        timings=values.timings(reply.timings),
    )
