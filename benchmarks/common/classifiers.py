"""The classifiers of the recipes, and their training from scratch: small, seeded, on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

_EVALUATION_BATCH = 250  # fastest of 100 to 1000 for LeNet on one core


def lenet(classes: int = 10) -> nn.Sequential:
    """LeNet for x [B, 1, 28, 28] as Caffe made it common: 20 and 50 filters, 500 hidden units, ReLU, Glorot start.

    LeNet-5 (LeCun et al. 1998) has 6 and 16 filters. In ten epochs of two batches, which is what 100 labels come to,
    it stays untrained under PyTorch's own initialization (35 % of the digits right), and this one does not (77 %).
    """
    module = nn.Sequential(
        nn.Conv2d(1, 20, 5),
        nn.MaxPool2d(2),  # pooling before ReLU gives the same and computes less
        nn.ReLU(),
        nn.Conv2d(20, 50, 5),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),  # [B, 800]
        nn.Linear(800, 500),
        nn.ReLU(),
        nn.Linear(500, classes),
    )
    for layer in module:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return module


def digits_net(classes: int = 10) -> nn.Sequential:
    """Return a small convolutional network for x [B, 1, 8, 8]."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),  # [B, 512]
        nn.Linear(512, 64),
        nn.ReLU(),
        nn.Linear(64, classes),
    )


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """How a classifier is trained, from scratch, in every round."""

    build: Callable[[], nn.Module]
    epochs: int
    batch_size: int
    learning_rate: float


def train_classifier(
    plan: TrainingPlan,
    x: NDArray[np.float32],  # [L, *input_shape]
    y: NDArray[np.int64],  # [L]
    *,
    seed: int,
) -> nn.Module:
    """Train with Adam and cross entropy; the seed fixes the first weights and the order of the samples."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = plan.build()
    order = torch.Generator().manual_seed(seed + 1)
    inputs, labels = torch.from_numpy(x), torch.from_numpy(y)
    optimizer = torch.optim.Adam(module.parameters(), lr=plan.learning_rate, fused=True)
    module.train()
    for _ in range(plan.epochs):
        for rows in torch.randperm(len(labels), generator=order).split(plan.batch_size):
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(module(inputs[rows]), labels[rows]).backward()
            optimizer.step()
    return module.eval()


@torch.inference_mode()
def logits_of(module: nn.Module, x: NDArray[np.float32]) -> Tensor:
    """Return logits [n, C] of x [n, *input_shape]."""
    module.eval()
    return torch.cat([module(part) for part in torch.from_numpy(x).split(_EVALUATION_BATCH)])


def accuracy(module: nn.Module, x: NDArray[np.float32], y: NDArray[np.int64]) -> float:
    """Return the fraction of x classified as y [n] says."""
    return float((logits_of(module, x).argmax(1) == torch.from_numpy(y)).double().mean())


def entropies(module: nn.Module, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the entropy of the predicted distribution, nats [n]."""
    log_p = F.log_softmax(logits_of(module, x).double(), dim=1)
    return (-(log_p.exp() * log_p).sum(1)).numpy()
