"""torch's global random state, borrowed for what draws from nothing else: first weights and dropout."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Have torch draw from `seed` within; afterwards its state is as it was before.

    Args:
        seed: of what is drawn on the CPU, and on the device.
        device: where dropout draws, if that is a GPU; other GPUs are left alone.
    """
    with torch.random.fork_rng(devices=[] if device is None or device.type != "cuda" else [device]):
        torch.default_generator.manual_seed(seed)  # `torch.manual_seed` would seed every GPU too
        if device is not None and device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
