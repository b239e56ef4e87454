"""Open rows near groups of rows, each group with a quota of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from query_server.selection.board import NOTHING, Proposal
from query_server.selection.ports import Int64
from query_server.selection.round import Round

_SPARE = 2
_MAX_K = 512


def near_groups(
    round_: Round, groups: Sequence[Int64], quotas: Sequence[int], *, k: int | None = None
) -> Proposal:
    """Collect the nearest open rows of every row of a group before their next nearest, up to the group's quota.

    One search for all groups. A row near several groups goes to the first of them in the order given.

    Args:
        round_: The round.
        groups: Rows [q] of each group.
        quotas: Rows wanted for each.
        k: Neighbors a row; None means what the quotas need with some to spare.
    """
    wanted = [(group, quota) for group, quota in zip(groups, quotas, strict=True) if len(group) and quota > 0]
    if not wanted:
        return NOTHING
    if k is None:
        k = max(_SPARE * -(-quota // len(group)) for group, quota in wanted) + 1
    k = min(k, _MAX_K, round_.pool.size)
    _, rows, visited = round_.search_around(np.concatenate([group for group, _ in wanted]), k)
    taken: list[Int64] = []
    seen = np.empty(0, np.int64)
    start = 0
    for group, quota in wanted:
        # Every first neighbor, then every second, ...
        by_rank = rows[start : start + len(group)].T.reshape(-1)
        start += len(group)
        _, first = np.unique(by_rank, return_index=True)
        distinct = by_rank[np.sort(first)]
        new = distinct[(distinct >= 0) & ~np.isin(distinct, seen)][:quota]
        taken.append(new)
        seen = np.concatenate([seen, new])
    return Proposal(rows=np.concatenate(taken), visited=visited)
