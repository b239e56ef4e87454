"""One selection with everything it made on the way: synthetic samples, their nearest real ones, and the picks."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from benchmarks.common.campaigns import LabelingTask
from benchmarks.common.classifiers import entropies, train_classifier
from benchmarks.common.parallel import Protocol
from client import (
    Acquisition,
    Batch,
    BatchRule,
    CandidateSource,
    Client,
    Dowser,
    NotFoundError,
    export_classifier,
)

NAME = "gallery"
SEED = 0


def make_gallery(
    client: Client, task: LabelingTask, protocol: Protocol, record: Mapping[str, Any], *, max_scored: int
) -> dict[str, Any]:
    """Select once by synthesis alone, where a finished campaign was a third of the way in; keep what explains it.

    Nothing is leased afterwards, and the campaign is deleted.

    Returns:
        `labels`, `match_gap`, `entropy_before` and `entropy_after` the ascent (means, nats), and `rows`: for each
        synthetic sample its image, score, nearest real sample and the picks it led to.
    """
    torch.set_num_threads(1)  # as in the campaigns
    rounds = record["rounds"][: max(1, len(record["rounds"]) // 3)]
    ids = np.concatenate(
        [task.initial_ids(protocol.initial_per_class, SEED)]
        + [np.array(each["pool_ids"], dtype=np.uint64) for each in rounds]
    )
    labels = task.pool_y[ids.astype(np.int64)]
    pool = client.get_pool()
    classifier = train_classifier(
        task.plan, pool.to_inputs(task.pool_raw[ids.astype(np.int64)]), labels, seed=SEED
    )
    with contextlib.suppress(NotFoundError):
        client.delete_campaign(NAME)
    campaign = client.create_campaign(NAME, seed=SEED)
    try:
        client.record_labels(campaign, zip(ids.tolist(), labels.tolist(), strict=True))
        uploaded = client.upload_classifier(export_classifier(classifier, pool.input_shape))
        selection = client.select_samples(
            campaign,
            classifier=uploaded,
            budget=protocol.budget,
            strategy=Dowser(
                max_scored=max_scored, latents=protocol.budget, shares={CandidateSource.SYNTHESIS: 1.0}
            ),
            acquisition=Acquisition.MAXIMUM_ENTROPY,
            batch=Batch(rule=BatchRule.TOP),
            seed=SEED,
            return_synthetic=True,
        )
        client.release_samples(campaign, selection.pool_ids)
        synthetic = selection.synthetic_samples
        scores = selection.synthetic_scores
        if synthetic is None or scores is None:
            raise RuntimeError("the server was asked for its synthetic samples and sent none")
        nearest = client.search_neighbors(samples=synthetic, k=1, campaign=campaign)
        ascent = client.synthesize_samples(uploaded, latents=100, seed=SEED)
    finally:
        client.delete_campaign(campaign)

    def real(pool_id: int, distance: float | None) -> dict[str, Any]:
        raw = task.pool_raw[pool_id : pool_id + 1]
        return {
            "pool_id": pool_id,
            "image": raw[0],
            "label": int(task.pool_y[pool_id]),
            "score": float(entropies(classifier, pool.to_inputs(raw))[0]),
            "distance": distance,
        }

    rows = []
    for index in np.argsort(-scores):
        picks = [
            {**real(pick.pool_id, pick.distance), "predicted": pick.predicted_class, "rank": rank}
            for rank, pick in enumerate(selection.picks, start=1)
            if pick.synthetic_index == index
        ]
        match = real(int(nearest.pool_ids[index][0]), float(nearest.distances[index][0]))
        image = np.clip((synthetic[index, 0] - pool.offset) / pool.scale, 0, 255).astype(np.uint8)  # [H, W]
        rows.append({"image": image, "score": float(scores[index]), "nearest": match, "picks": picks})
    return {
        "labels": len(ids),
        "scored": selection.scored,
        "match_gap": selection.match_gap,
        "entropy_before": float(ascent.initial_scores.mean()),
        "entropy_after": float(ascent.scores.mean()),
        "nearest_entropy": float(np.mean([row["nearest"]["score"] for row in rows])),
        "picked_entropy": float(selection.scores.mean()),
        "rows": rows,
    }
