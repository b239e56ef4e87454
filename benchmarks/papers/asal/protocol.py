"""The protocol of ASAL's experiments: `full` as the paper states it, `cpu` what two cores finish in three hours.

The paper leaves open how many samples a round adds with two classes (its figures start at 50 labels; appendix A adds
ten), which LeNet it trains, and the step size of the synthesis but for CelebA; `reductions` says what stands in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.papers.asal.reductions import CPU_REDUCTIONS, OPEN
from benchmarks.papers.asal.strategies import Training, strategies
from benchmarks.papers.paper import Preset, Reduction, Setting

GANS = ("wgan-gp", "dcgan")
RESIDUAL = ("wgan-gp-resnet", "wgan-ct-resnet")
KINDS = ("pixels", "autoencoder", "critic")


def _asal(generator: str, *losses: str) -> list[str]:
    return [f"asal-{features}-{generator}-{loss}" for loss in losses for features in KINDS]


# The most important first: two-class entropy, then WGAN-GP against DCGAN, GAAL, then the hinge loss.
TWO_CLASSES = (
    *("random-entropy", *_asal("wgan-gp", "entropy"), "exhaustive-entropy", "supervised-entropy"),
    *(*_asal("dcgan", "entropy"), "gaal-wgan-gp-classifier-entropy", "gaal-dcgan-classifier-entropy"),
    *("gaal-wgan-gp-nearest-entropy", "gaal-dcgan-nearest-entropy", "subset-entropy"),
    *("random-hinge", *_asal("wgan-gp", "hinge"), "exhaustive-hinge", *_asal("dcgan", "hinge")),
)
UNIT_RANGE = ("random-entropy", *_asal("wgan-gp", "entropy"), "exhaustive-entropy", "supervised-entropy")
TEN_CLASSES = (
    *("random-entropy", *_asal("wgan-gp", "entropy"), "exhaustive-entropy", "supervised-entropy"),
    *(*_asal("dcgan", "entropy"), "subset-entropy"),
)
CIFAR_TWO = (
    *("random-entropy", *_asal("wgan-gp", "entropy"), "exhaustive-entropy", "supervised-entropy"),
    *(name for generator in ("dcgan", *RESIDUAL) for name in _asal(generator, "entropy")),
    *("random-hinge", "exhaustive-hinge"),
    *(name for generator in (*GANS, *RESIDUAL) for name in _asal(generator, "hinge")),
)
CIFAR_TEN = (
    *("random-entropy", *_asal("wgan-ct-resnet", "entropy"), "exhaustive-entropy", "supervised-entropy"),
    *(name for generator in ("wgan-gp-resnet", *GANS) for name in _asal(generator, "entropy")),
)


def _setting(
    name: str,
    text: str,
    names: Sequence[str],
    training: Training,
    parameters: Mapping[str, Any],
    *,
    autoencoder_iterations: int,
    seeds: int,
) -> Setting:
    if "synthetic" in parameters:
        rounds = 1
    else:
        initial = parameters["initial_per_class"] * len(parameters["classes"])
        rounds = -(-(parameters["max_labels"] - initial) // parameters["budget"])
    return Setting(
        name=name,
        text=text,
        parameters=parameters,
        strategies=strategies(names, training, autoencoder_iterations=autoencoder_iterations),
        seeds=tuple(range(seeds)),
        rounds=rounds,
    )


def _linear(data: str, classes: Sequence[int], **more: Any) -> dict[str, Any]:
    """§5.3: a linear model, 10 epochs of Adam in batches of 10 at 0.001."""
    return {
        "data": data,
        "classes": list(classes),
        "classifier": "linear",
        "epochs": 10,
        "batch_size": 10,
        "learning_rate": 1e-3,
        "initial_per_class": 25,
        **more,
    }


def _lenet(max_labels: int) -> dict[str, Any]:
    """§5.5: LeNet, 10 epochs of Adam in batches of 50 at 0.001; 10 samples a class, 50 more a round."""
    return {
        "data": "mnist",
        "classes": list(range(10)),
        "classifier": "lenet",
        "epochs": 10,
        "batch_size": 50,
        "learning_rate": 1e-3,
        "initial_per_class": 10,
        "budget": 50,
        "max_labels": max_labels,
    }


def _all_cnn(data: str, **more: Any) -> dict[str, Any]:
    """§5.6: All-CNN, 150 epochs of SGD in batches of 128; 100 samples a class, 1,000 more a round, 30,000 in all."""
    return {
        "data": data,
        "classes": list(range(10)),
        "classifier": "all-cnn",
        "epochs": 150,
        "batch_size": 128,
        "learning_rate": 0.01,
        "decay_epochs": [130, 140],
        "momentum": 0.9,
        "weight_decay": 1e-3,  # Springenberg et al. 2014, section 3.1
        "initial_per_class": 100,
        "budget": 1000,
        "max_labels": 30_000,
        **more,
    }


# Table 3, and the networks' width in the code that the paper names.
FULL_TWO: Training = {each: {"iterations": 40_000, "width": 64} for each in GANS}
FULL_TEN: Training = {each: {"iterations": 100_000, "width": 64} for each in GANS}
FULL_CIFAR_TWO: Training = {
    "dcgan": {"iterations": 100_000, "width": 128},
    "wgan-gp": {"iterations": 200_000, "width": 128},
    **{each: {"iterations": 100_000, "width": 128} for each in RESIDUAL},
}
FULL_CIFAR_TEN: Training = {**FULL_CIFAR_TWO, "dcgan": {"iterations": 200_000, "width": 128}}
CPU_TWO: Training = {
    "wgan-gp": {"iterations": 3000, "learning-rate": 2e-4},
    "dcgan": {"iterations": 5500},
}
CPU_TEN: Training = {
    "wgan-gp": {"iterations": 6000, "learning-rate": 2e-4},
    "dcgan": {"iterations": 6000},
}
QUICK: Training = {
    each: {"iterations": 5, "batch-size": 16, "width": 8, "latent-dim": 16, "precision": "float32"}
    for each in (*GANS, *RESIDUAL)
}

# 40 epochs of 9,681 samples in batches of 100, as in appendix B.
TWO_CODES, TEN_CODES = 3880, 3000

_TWO = "MNIST, 5 against 7, a linear model (§5.3)"
_UNIT = "MNIST, 5 against 7, the linear model with pixels in [0, 1] (appendix E says nothing of them)"
_MATCHES = tuple(f"agreement-{each}" for each in GANS)

FULL = Preset(
    settings=[
        _setting(
            "mnist-two",
            _TWO,
            TWO_CLASSES,
            training=FULL_TWO,
            parameters=_linear("mnist", (5, 7), budget=10, max_labels=500),
            autoencoder_iterations=TWO_CODES,
            seeds=5,
        ),
        _setting(
            "mnist-two-unit",
            _UNIT,
            UNIT_RANGE,
            FULL_TWO,
            _linear("mnist", (5, 7), classifier="linear-unit", budget=10, max_labels=500),
            autoencoder_iterations=TWO_CODES,
            seeds=5,
        ),
        _setting(
            "mnist-two-agreement",
            "Labels of matches, MNIST, 5 against 7 (appendix C.1)",
            _MATCHES,
            FULL_TWO,
            _linear("mnist", (5, 7), synthetic=1300),
            autoencoder_iterations=TWO_CODES,
            seeds=5,
        ),
        _setting(
            "mnist-ten",
            "MNIST, ten classes, LeNet (§5.5)",
            TEN_CLASSES,
            FULL_TEN,
            _lenet(10_000),
            autoencoder_iterations=20_000,  # 40 epochs of 50,000 in batches of 100
            seeds=5,
        ),
        _setting(
            "cifar-two",
            "CIFAR-10, automobile against horse, a linear model (§5.4)",
            CIFAR_TWO,
            FULL_CIFAR_TWO,
            _linear("cifar10", (1, 7), budget=10, max_labels=1000, batch_size=50),
            autoencoder_iterations=10_000,  # 100 epochs of 10,000 in batches of 100
            seeds=5,
        ),
        _setting(
            "cifar-ten",
            "CIFAR-10, ten classes, All-CNN (§5.6)",
            CIFAR_TEN,
            FULL_CIFAR_TEN,
            _all_cnn("cifar10"),
            autoencoder_iterations=50_000,  # 100 epochs of 50,000 in batches of 100
            seeds=3,  # §5.2
        ),
    ],
    reductions=OPEN,
)

CPU = Preset(
    settings=[
        _setting(
            "mnist-two",
            _TWO,
            TWO_CLASSES,
            training=CPU_TWO,
            parameters=_linear("mnist", (5, 7), budget=25, max_labels=500),
            autoencoder_iterations=TWO_CODES,
            seeds=3,
        ),
        _setting(
            "mnist-two-unit",
            _UNIT,
            UNIT_RANGE,
            CPU_TWO,
            _linear("mnist", (5, 7), classifier="linear-unit", budget=25, max_labels=500),
            autoencoder_iterations=TWO_CODES,
            seeds=3,
        ),
        _setting(
            "mnist-two-agreement",
            "Labels of matches, MNIST, 5 against 7 (appendix C.1)",
            _MATCHES,
            CPU_TWO,
            _linear("mnist", (5, 7), synthetic=1300),
            autoencoder_iterations=TWO_CODES,
            seeds=3,
        ),
        _setting(
            "mnist-ten",
            "MNIST, ten classes, LeNet (§5.5)",
            TEN_CLASSES,
            CPU_TEN,
            _lenet(1000),
            autoencoder_iterations=TEN_CODES,
            seeds=3,
        ),
    ],
    reductions=(*CPU_REDUCTIONS, *OPEN),
)

QUICK_STRATEGIES = (
    *("random-entropy", "exhaustive-hinge", "supervised-entropy", "asal-pixels-wgan-gp-entropy"),
    *("asal-critic-wgan-ct-resnet-hinge", "asal-autoencoder-dcgan-entropy"),
    *("gaal-wgan-gp-classifier-entropy", "gaal-wgan-gp-nearest-hinge"),
)
QUICK_PRESET = Preset(
    settings=[
        _setting(
            "digits-two",
            "scikit-learn's digits, 5 against 7, a linear model",
            QUICK_STRATEGIES,
            QUICK,
            _linear("digits", (5, 7), initial_per_class=5, budget=5, max_labels=20),
            autoencoder_iterations=20,
            seeds=1,
        ),
        _setting(
            "digits-two-agreement",
            "Labels of matches, scikit-learn's digits",
            ("agreement-wgan-gp",),
            QUICK,
            _linear("digits", (5, 7), initial_per_class=5, synthetic=20),
            autoencoder_iterations=20,
            seeds=1,
        ),
        _setting(
            "color-ten",
            "100 images of CIFAR-10, or of scikit-learn's digits where that is missing, ten classes, All-CNN",
            ("random-entropy", "exhaustive-entropy", "asal-autoencoder-wgan-gp-resnet-entropy"),
            {each: {**options, "iterations": 3} for each, options in QUICK.items()},
            _all_cnn(
                "color",
                pool=100,
                test=20,
                epochs=2,
                decay_epochs=[1],
                initial_per_class=1,
                budget=2,
                max_labels=14,
            ),
            autoencoder_iterations=5,
            seeds=1,
        ),
    ],
    reductions=[
        Reduction(
            what="everything", paper="see `full`", ours="a run through every step", why="to see that it works"
        )
    ],
)

PRESETS = {"full": FULL, "cpu": CPU, "quick": QUICK_PRESET}
