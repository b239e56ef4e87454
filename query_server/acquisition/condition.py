"""What a head depends on besides the classifier: the labels so far, and the samples whose labels matter."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class HeadCondition:
    """Constants of a head, fixed for a round; compared by ``digest``. C is 2 for a binary classifier of one logit.

    Attributes:
        class_weights: Rarity of each class float32 [C], above 0 (``class_prior_weights``); None weighs all alike.
        targets: Probabilities of M target samples under the classifier's own passes float32 [T, M, C]; None without.
    """

    class_weights: NDArray[np.float32] | None = None
    targets: NDArray[np.float32] | None = None

    @cached_property
    def digest(self) -> str:
        """Sha256 of the constants, hexadecimal."""
        digest = hashlib.sha256()
        for values in (self.class_weights, self.targets):
            shape = None if values is None else values.shape
            digest.update(repr(shape).encode())
            if values is not None:
                digest.update(np.ascontiguousarray(values, np.float32).tobytes())
        return digest.hexdigest()

    @property
    def values_per_sample(self) -> int:
        """Floats that the head's largest intermediate takes per sample, C · M · C with targets."""
        if self.targets is None:
            return 0
        return int(math.prod(self.targets.shape[1:]) * self.targets.shape[2])
