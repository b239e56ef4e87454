"""The consistency term of WGAN-CT: the critic may not tell two noisy looks at one real sample apart.

Wei et al. 2018, "Improving the Improved Training of Wasserstein GANs: A Consistency Term and Its Dual Effect",
equations 4 and 5: with x', x'' two passes of a real sample under different dropout masks, D the critic and D_ its last
hidden layer,

    CT = E[max(0, d(D(x'), D(x'')) + 0.1 * d(D_(x'), D_(x'')) - M')],    L = WGAN-GP + 2 * CT

Distances are squared, that of the hidden layer the mean over its units, and M' is 0, as in the authors' code.
"""

from __future__ import annotations

import torch
from torch import Tensor

CONSISTENCY_WEIGHT = 2.0
HIDDEN_WEIGHT = 0.1
MARGIN = 0.0


def consistency_term(
    scores: Tensor,  # [B], of real samples
    scores_again: Tensor,  # [B], of the same under other masks
    hidden: Tensor,  # [B, E]
    hidden_again: Tensor,  # [B, E]
) -> Tensor:
    """Return CT, a scalar, not yet times its weight."""
    distance = (scores - scores_again) ** 2 + HIDDEN_WEIGHT * ((hidden - hidden_again) ** 2).mean(
        dim=1
    )  # [B]
    term: Tensor = torch.clamp(distance - MARGIN, min=0).mean()
    return term
