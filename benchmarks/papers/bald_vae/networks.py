"""The classifiers of BALD-VAE section IV.A: PyTorch's MNIST example, and its CIFAR-10 tutorial with dropout added.

The MNIST example had its dropout until 2019, and BALD is zero without any; the tutorial's network never had, so two
layers are given to it.
"""

from __future__ import annotations

from torch import nn


def mnist_example() -> nn.Sequential:
    """Return x [B, 1, 28, 28] -> logits [B, 10]."""
    return nn.Sequential(
        *(nn.Conv2d(1, 10, 5), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Conv2d(10, 20, 5), nn.Dropout2d(0.5), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(320, 50), nn.ReLU(), nn.Dropout(0.5), nn.Linear(50, 10)),
    )


def cifar_tutorial() -> nn.Sequential:
    """Return x [B, 3, 32, 32] -> logits [B, 10]."""
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Dropout(0.5)),
        *(nn.Linear(120, 84), nn.ReLU(), nn.Dropout(0.5), nn.Linear(84, 10)),
    )


def digits_example() -> nn.Sequential:
    """Return x [B, 1, 8, 8] -> logits [B, 10], for the quick run."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(256, 50), nn.ReLU(), nn.Dropout(0.5), nn.Linear(50, 10)),
    )


NETWORKS = {"mnist": mnist_example, "cifar10": cifar_tutorial, "digits": digits_example}
