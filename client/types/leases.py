"""What a campaign has handed out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class LeaseTerm:
    """One sample that was handed out."""

    pool_id: int
    round: int  # it was handed out in
    lease_time: datetime  # UTC
    expire_time: datetime | None  # UTC, when it goes back by itself; None where it does not


@dataclass(frozen=True, kw_only=True)
class LeasesExtended:
    """The outcome of giving leases more time."""

    extended: int
    not_leased: NDArray[np.uint64]  # ids without such a lease (any more), ascending
