"""Passes over mapped files that may be larger than memory."""

from __future__ import annotations

import mmap
from typing import Any

from numpy.typing import NDArray


def forget_pages(array: NDArray[Any]) -> None:
    """Take what was read of a mapped array out of this process's memory; it stays valid, and cached by the system."""
    base: Any = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    if base is not None:
        base.madvise(mmap.MADV_DONTNEED)
