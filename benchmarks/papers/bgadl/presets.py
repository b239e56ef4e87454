"""What BGADL compares, as section 5 states it, and what two cores can do of it."""

from __future__ import annotations

from typing import Any

from benchmarks.papers.paper import PaperStrategy, Preset, Reduction, Setting, make_setting


def _strategy(text: str, select: str, augmentation: str) -> PaperStrategy:
    return PaperStrategy(text=text, parameters={"select": select, "augmentation": augmentation})


STRATEGIES = {
    "vae-acgan": _strategy("BALD, VAE-ACGAN", "bald", "vae-acgan"),
    "acgan": _strategy("BALD, ACGAN", "bald", "acgan"),
    "bald": _strategy("BALD without augmentation", "bald", "none"),
    "pmda": _strategy("BALD, PMDA", "bald", "pmda"),
    "bda-partial": _strategy("random draws, ACGAN: BDA, partial training", "random", "acgan"),
    "random": _strategy("random draws", "random", "none"),
    "bda-full": _strategy("all labels, ACGAN: BDA, full training", "none", "acgan"),
}
SERVED: dict[str, Any] = {"generator": "gaussian", "features": "pixels"}
"""The bundle that the server needs; nothing of it is used by BALD over a random subset."""


def _full(dataset: str, classifier: str, initial: int) -> Setting:
    return make_setting(
        f"{dataset}-{classifier}",
        f"{dataset}, {classifier}, {initial:,} labels and 150 times 100 of 2,000 candidates",
        STRATEGIES,
        rounds=150,
        seeds=3,
        dataset=dataset,
        classifier=classifier,
        initial=initial,
        budget=100,
        max_scored=2000,
        passes=20,
        batch_size=100,
        initial_steps=initial,
        steps=200,
        warm_up=initial,
        width=64,
        latent_dim=110,
    )


FULL = Preset(
    settings=[
        _full("mnist", "resnet18", 1000),
        _full("mnist", "resnet18pa", 1000),
        _full("cifar10", "resnet18", 5000),
        _full("cifar10", "resnet18pa", 5000),
    ],
    reductions=[
        Reduction(
            what="training steps a round, dropout masks",
            paper="not stated",
            ours="200 steps of 100 samples, the networks going on from round to round; 20 masks",
            why="Algorithm 1 says until convergence",
        ),
        Reduction(
            what="classifier",
            paper="ResNet-18 (no dropout in it is mentioned)",
            ours="with dropout 0.5 before its last layer",
            why="equation 2 is zero without dropout",
        ),
        Reduction(
            what="generator and discriminator",
            paper="signs of Algorithm 1 as printed",
            ours="the generator opposes the discriminator (non-saturating loss)",
            why="as printed it would help it; see trainer/vae_acgan.py",
        ),
        Reduction(
            what="weights of the losses",
            paper="equation 9 and Algorithm 1 add them up, L_rec of no stated unit",
            ours="L_rec in nats; x' and g(u, v) count half for the classifier, and not at all in the first steps",
            why="as many artificial samples as real ones (section 5); at first what is generated has wrong labels",
        ),
        Reduction(
            what="data sets",
            paper="also CIFAR-100 and SVHN",
            ours="MNIST and CIFAR-10",
            why="the project has no others",
        ),
    ],
)


def _cpu(initial: int, *, budget: int, rounds: int) -> Setting:
    return make_setting(
        f"mnist-{initial}",
        f"MNIST, a LeNet-size classifier, {initial:,} labels and {rounds} times {budget} of 2,000 candidates",
        STRATEGIES,
        rounds=rounds,
        seeds=3,
        dataset="mnist",
        classifier="lenet",
        initial=initial,
        budget=budget,
        max_scored=2000,
        passes=10,
        batch_size=50,
        initial_steps=1000,
        steps=200,
        warm_up=1000,  # Algorithm 1 pre-trains the classifier with the first labels
        width=16,
        latent_dim=74,
    )


CPU = Preset(
    settings=[_cpu(1000, budget=100, rounds=15), _cpu(100, budget=50, rounds=8)],
    reductions=[
        *FULL.reductions,
        Reduction(
            what="classifier",
            paper="ResNet-18, 18pa",
            ours="PyTorch's MNIST example",
            why="time on two cores",
        ),
        Reduction(
            what="labels",
            paper="1,000 and 150 x 100",
            ours="1,000 and 15 x 100, by which the claims are judged; beside it 100 and 8 x 50",
            why="time",
        ),
        Reduction(
            what="generator and batch",
            paper="not stated; batches of 100",
            ours="width 16, batches of 50, 1,000 first steps",
            why="time",
        ),
        Reduction(what="CIFAR-10", paper="ResNet-18, 18pa", ours="not in this preset", why="time"),
    ],
)
QUICK = Preset(
    settings=[
        make_setting(
            "digits",
            "scikit-learn's digits",
            STRATEGIES,
            rounds=2,
            seeds=1,
            dataset="digits",
            classifier="digits",
            initial=30,
            budget=20,
            max_scored=200,
            passes=4,
            batch_size=16,
            initial_steps=10,
            steps=5,
            warm_up=5,
            width=8,
            latent_dim=26,
        )
    ]
)
PRESETS = {"full": FULL, "cpu": CPU, "quick": QUICK}
