"""Near-duplicates: candidates that resemble a better one so closely that their label teaches nothing new."""

from __future__ import annotations

import numpy as np

from query_server.selection.batches.distances import centered, squared_distances
from query_server.selection.ports import Float32, Int64


def without_duplicates(features: Float32, order: Int64, *, distance: float, count: int) -> Int64:
    """Walk candidates from the best on and drop each that is too near to a kept one.

    What is near is measured by the candidates themselves: below ``distance`` times the median distance between one and
    its nearest other. Exact copies are always near. O(M² · D), in blocks.

    Args:
        features: float32 [M, D].
        order: Positions, the best first, int64 [M].
        distance: Multiple of the median distance; above 0.
        count: Candidates left at least; the best of the dropped ones are put back to reach it.

    Returns:
        Kept positions in the order given, int64 [at least min(count, M)].
    """
    size = len(order)
    if size < 2:
        return order.copy()
    points = centered(features[order])
    nearest = np.empty(size)
    for rows, squared in squared_distances(points, points):
        here = np.arange(rows.start, rows.start + len(squared))
        squared[here - rows.start, here] = np.inf
        nearest[rows] = squared.min(axis=1)
    threshold = (distance * float(np.median(np.sqrt(nearest)))) ** 2
    dropped = np.zeros(size, bool)
    for rows, squared in squared_distances(points, points):
        near = (squared < threshold) | (squared == 0)
        for row, near_row in enumerate(near, start=rows.start):
            if not dropped[row]:
                dropped[row + 1 :] |= near_row[row + 1 :]
    missing = min(count, size) - int(np.count_nonzero(~dropped))
    if missing > 0:
        dropped[np.flatnonzero(dropped)[:missing]] = False
    return order[~dropped]
