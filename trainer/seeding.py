"""torch's global random state, borrowed for what draws from nothing else: first weights and dropout."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Have torch draw from `seed` within; afterwards its state, that of CUDA devices too, is as it was before."""
    used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = list(range(torch.cuda.device_count())) if used else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
