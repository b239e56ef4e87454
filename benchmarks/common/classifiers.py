"""The classifiers of the recipes, and their training from scratch: seeded, on the CPU unless a plan says more."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.seeding import seeded

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
            assert layer.bias is not None  # by default they have one
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


def small_cnn(*, channels: int, side: int, classes: int) -> nn.Sequential:
    """Return three 3x3 convolutions of 32, 64 and 128 filters and 256 hidden units for x [B, channels, side, side]."""
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(64, 128, 3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),  # [B, 128 * (side // 8)^2]
        nn.Linear(128 * (side // 8) ** 2, 256),
        nn.ReLU(),
        nn.Linear(256, classes),
    )


def all_cnn(*, channels: int = 3, classes: int = 10) -> nn.Sequential:
    """Return All-CNN-C for x [B, channels, 32, 32] (Springenberg et al. 2014, tables 1 and 3, section 3.1).

    1.4 million parameters; dropout of 20 % of the input, and of 50 % after what replaces pooling. How the weights start
    is not said there: here as He et al. 2015 draw them for ReLU. With PyTorch's own, 25 epochs of 1,000 images of
    CIFAR-10 stay at chance; with these 33 % of others are right.
    """
    module = nn.Sequential(
        nn.Dropout(0.2),
        *_relu_conv(channels, 96, padding=1),
        *_relu_conv(96, 96, padding=1),
        *_relu_conv(96, 96, padding=1, stride=2),
        nn.Dropout(0.5),
        *_relu_conv(96, 192, padding=1),
        *_relu_conv(192, 192, padding=1),
        *_relu_conv(192, 192, padding=1, stride=2),
        nn.Dropout(0.5),
        *_relu_conv(192, 192),  # [B, 192, 6, 6]
        *_relu_conv(192, 192, kernel=1),
        *_relu_conv(192, classes, kernel=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),  # [B, classes]
    )
    for layer in module:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            assert layer.bias is not None  # by default they have one
            nn.init.zeros_(layer.bias)
    return module


def _relu_conv(
    incoming: int, outgoing: int, *, kernel: int = 3, stride: int = 1, padding: int = 0
) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(incoming, outgoing, kernel, stride=stride, padding=padding), nn.ReLU()


def linear(*, features: int, classes: int) -> nn.Sequential:
    """Return a linear model of x [B, ...] with this many values."""
    return nn.Sequential(nn.Flatten(), nn.Linear(features, classes))


def mlp(*, features: int, classes: int) -> nn.Sequential:
    """Return one hidden layer of 128 for feature vectors x [B, features]."""
    return nn.Sequential(nn.Linear(features, 128), nn.ReLU(), nn.Linear(128, classes))


class WithEmbedding(nn.Module):
    """A sequential classifier that also returns what its last layer sees: x -> (logits [B, C], embedding [B, E])."""

    def __init__(self, classifier: nn.Sequential) -> None:
        super().__init__()
        self.body, self.head = classifier[:-1], classifier[-1]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and embedding of x [B, *input_shape]."""
        embedding = self.body(x)
        return self.head(embedding), embedding


@dataclass(frozen=True, kw_only=True)
class Sgd:
    """Stochastic gradient descent, its learning rate divided by ten at some epochs.

    Attributes:
        momentum: of the steps.
        weight_decay: of all parameters.
        decay_epochs: after how many epochs the learning rate falls.
    """

    momentum: float
    weight_decay: float = 0.0
    decay_epochs: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """How a classifier is trained, from scratch, in every round.

    Attributes:
        build: makes the untrained classifier; a top-level function or a partial of one.
        epochs: passes over the labeled samples.
        batch_size: samples a step.
        learning_rate: of Adam, or the first one of `sgd`.
        loss: "cross_entropy", or "hinge": the multi-class hinge loss, which with two classes is a linear SVM's loss of
            the difference of the two logits.
        bfloat16: train and test under autocast, images channels last. With bfloat16 units in the CPU it trains LeNet
            2.4 times as fast and tests it 4.7 times as fast, to the same accuracy; without them it is slower. The
            weights stay float32, and so does what is exported.
        sgd: the optimizer in place of Adam.
        gpu: train on an NVIDIA GPU where there is one; the classifier stays there. For what a CPU needs days for.
    """

    build: Callable[[], nn.Sequential]
    epochs: int
    batch_size: int
    learning_rate: float
    loss: Literal["cross_entropy", "hinge"] = "cross_entropy"
    bfloat16: bool = False
    sgd: Sgd | None = None
    gpu: bool = False

    def describe(self) -> dict[str, Any]:
        """Return what decides about a trained classifier, as plain JSON values."""
        build: Callable[..., nn.Sequential] = self.build
        given: Mapping[str, Any] = {}
        if isinstance(build, partial):
            given, build = build.keywords, build.func
        return {
            "classifier": getattr(build, "__name__", repr(build)),
            "classifier_options": dict(given),
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "bfloat16": self.bfloat16,
            **({"loss": self.loss} if self.loss != "cross_entropy" else {}),
            **({"sgd": asdict(self.sgd)} if self.sgd is not None else {}),
        }


def train_classifier(
    plan: TrainingPlan,
    x: NDArray[np.float32],  # [L, *input_shape]
    y: NDArray[np.int64],  # [L]
    *,
    seed: int,
) -> nn.Sequential:
    """Train by the plan; the seed fixes the first weights, the order of the samples and what dropout leaves out."""
    device = torch.device("cuda" if plan.gpu and torch.cuda.is_available() else "cpu")
    with seeded(seed):
        module = plan.build().to(device)
    with seeded(seed, device):  # dropout is the same whatever the first weights took
        _fit(module, plan, torch.from_numpy(x).to(device), torch.from_numpy(y).to(device), seed + 1)
    return module.eval()


def _fit(module: nn.Sequential, plan: TrainingPlan, inputs: Tensor, labels: Tensor, seed: int) -> None:
    order = torch.Generator().manual_seed(seed)
    if plan.bfloat16:
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer, schedule = _optimizer(module, plan)
    module.train()
    for _ in range(plan.epochs):
        for rows in torch.split(torch.randperm(len(labels), generator=order), plan.batch_size):
            rows = rows.to(labels.device)
            with _precision(inputs, plan.bfloat16):
                logits = module(_laid_out(inputs[rows], plan.bfloat16)).float()
            optimizer.zero_grad(set_to_none=True)
            loss = F.multi_margin_loss if plan.loss == "hinge" else F.cross_entropy
            loss(logits, labels[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        schedule.step()
    module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def _optimizer(
    module: nn.Module, plan: TrainingPlan
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.MultiStepLR]:
    optimizer: torch.optim.Optimizer
    if plan.sgd is None:
        optimizer = torch.optim.Adam(module.parameters(), lr=plan.learning_rate, fused=True)
    else:
        optimizer = torch.optim.SGD(
            module.parameters(),
            lr=plan.learning_rate,
            momentum=plan.sgd.momentum,
            weight_decay=plan.sgd.weight_decay,
        )
    falls = [] if plan.sgd is None else list(plan.sgd.decay_epochs)
    return optimizer, torch.optim.lr_scheduler.MultiStepLR(optimizer, falls, gamma=0.1)


@torch.inference_mode()
def logits_of(module: nn.Module, x: NDArray[np.float32], *, bfloat16: bool = False) -> Tensor:
    """Return logits float32 [n, C] of x [n, *input_shape], on the CPU wherever the module is."""
    module.eval()
    device = next((weight.device for weight in module.parameters()), torch.device("cpu"))
    inputs = torch.from_numpy(x)
    parts = []
    for part in torch.split(inputs, _EVALUATION_BATCH):
        part = part.to(device)
        with _precision(part, bfloat16):
            parts.append(module(_laid_out(part, bfloat16)).float().cpu())
    return torch.cat(parts)


@contextlib.contextmanager
def _precision(inputs: Tensor, bfloat16: bool) -> Iterator[None]:
    with torch.autocast(inputs.device.type, torch.bfloat16, enabled=bfloat16):
        yield


def _laid_out(batch: Tensor, bfloat16: bool) -> Tensor:
    channels_last = bfloat16 and batch.ndim == 4
    return batch.to(memory_format=torch.channels_last) if channels_last else batch


def accuracy(module: nn.Module, x: NDArray[np.float32], y: NDArray[np.int64]) -> float:
    """Return the fraction of x classified as y [n] says."""
    return float((logits_of(module, x).argmax(1) == torch.from_numpy(y)).double().mean())


def recalls(
    logits: Tensor,  # [n, C]
    y: NDArray[np.int64],  # [n]
) -> NDArray[np.float64]:
    """Return the fraction of each class that is classified right [C]; every class must be in y."""
    right = logits.argmax(1).numpy() == y
    classes = logits.shape[1]
    return np.bincount(y[right], minlength=classes) / np.bincount(y, minlength=classes)


def entropies(module: nn.Module, x: NDArray[np.float32], *, bfloat16: bool = False) -> NDArray[np.float64]:
    """Return the entropy of the predicted distribution, nats [n]."""
    log_p = F.log_softmax(logits_of(module, x, bfloat16=bfloat16).double(), dim=1)
    return (-(log_p.exp() * log_p).sum(1)).numpy()
