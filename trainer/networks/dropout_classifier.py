"""The classifier that is trained jointly with a generator where none is given; dropout on, for BALD.

Images: two 3x3 convolutions, max pooling, dropout 0.25, 128 hidden units, dropout 0.5, after the network of Gal et al.
2017 ("Deep Bayesian Active Learning with Image Data", section 5), with pooling behind each convolution, which
computes a quarter. Vectors: one hidden layer of 128. BGADL uses ResNet-18 and says that any classifier will do.
"""

from __future__ import annotations

import math

from torch import nn

CONVOLUTION_DROPOUT = 0.25
HIDDEN_DROPOUT = 0.5
_HIDDEN = 128


def dropout_classifier(sample_shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """Return u [B, *sample_shape] -> logits [B, C]."""
    if len(sample_shape) == 1:
        body: list[nn.Module] = []
        features = sample_shape[0]
    else:
        channels, height, width = sample_shape
        body = [
            *(nn.Conv2d(channels, 32, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()),
            *(nn.Conv2d(32, 64, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()),
            *(nn.Dropout(CONVOLUTION_DROPOUT), nn.Flatten()),
        ]
        features = 64 * math.prod(side // 4 for side in (height, width))
    return nn.Sequential(
        *body,
        *(nn.Linear(features, _HIDDEN), nn.ReLU()),
        *(nn.Dropout(HIDDEN_DROPOUT), nn.Linear(_HIDDEN, classes)),
    )
