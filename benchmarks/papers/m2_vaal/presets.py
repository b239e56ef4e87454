"""M2-VAAL's settings: a start of three classes (figure 2b), one of a thousand labels (2a), and the algorithms (4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmarks.papers.paper import PaperStrategy, Preset, Reduction, make_setting

ADVERSARIES = {
    "m2-vaal": PaperStrategy(
        text="M2-VAAL without the adversarial loss", parameters={"system": "m2", "score": "own"}
    ),
    "random": PaperStrategy(text="random, M2's classifier", parameters={"system": "m2", "score": "random"}),
    "m2-vaal-adversarial": PaperStrategy(
        text="M2-VAAL with the adversarial loss",
        parameters={"system": "m2", "score": "own", "adversarial": True},
    ),
    "vaal": PaperStrategy(text="VAAL", parameters={"system": "vaal", "score": "own"}),
}
TASK_AWARE = {
    "ta-vaal": PaperStrategy(text="TA-VAAL", parameters={"system": "ta-vaal", "score": "own"}),
    "random-plain": PaperStrategy(
        text="random, the classifier alone", parameters={"system": "plain", "score": "random"}
    ),
    "m2-vaal-sublinear": PaperStrategy(
        text="M2-VAAL without the adversarial loss, on a tenth of the pool, proposed by the default selection",
        parameters={"system": "m2", "score": "own", "sublinear": True},
    ),
    "vaal-sublinear": PaperStrategy(
        text="VAAL on a tenth of the pool, proposed by the default selection",
        parameters={"system": "vaal", "score": "own", "sublinear": True},
    ),
}
ALGORITHMS = {
    "algorithm-2": PaperStrategy(
        text="Algorithm 2: unconfidence weighted by distance",
        parameters={"system": "m2", "score": "anchor_confidence"},
    ),
    "random": PaperStrategy(text="random", parameters={"system": "m2", "score": "random"}),
    "algorithm-1": PaperStrategy(
        text="Algorithm 1: the farthest of each class",
        parameters={"system": "m2", "score": "anchor_distance"},
    ),
    "least-confidence": PaperStrategy(
        text="least confidence", parameters={"system": "m2", "score": "least_confidence"}
    ),
    "entropy": PaperStrategy(text="entropy", parameters={"system": "m2", "score": "maximum_entropy"}),
    "algorithm-2-sublinear": PaperStrategy(
        text="Algorithm 2 on a tenth of the pool, proposed by the default selection",
        parameters={"system": "m2", "score": "anchor_confidence", "sublinear": True},
    ),
}
THREE_CLASSES = [2, 4, 7]
CPU: dict[str, Any] = {"dataset": "fashion", "steps": 500, "epochs": 40, "batch_size": 32, "batch": 32}
FULL: dict[str, Any] = {"dataset": "fashion", "steps": 10_000, "epochs": 100, "batch_size": 64, "batch": 64}

THOUSAND_STEPS = 1700
"""M2's from a thousand labels: about as many as a classifier alone takes there, 40 epochs of 1,000 to 1,750 labels."""


def _longer(strategies: Mapping[str, PaperStrategy], steps: int) -> Mapping[str, PaperStrategy]:
    """Return the strategies, of which those of M2 train it for so many steps a round."""
    return {
        name: replace(each, parameters={**each.parameters, "steps": steps})
        if each.parameters["system"] == "m2"
        else each
        for name, each in strategies.items()
    }


READINGS = (
    Reduction(
        what="weights of the losses",
        paper="equations 8 and 9 add them up, their units not stated",
        ours="one sample's L_trd in nats, L_T 50 times, L_adv and L_D as means of cross entropies",
        why="a cross entropy beside some hundreds of nats would teach the classifier little",
    ),
    Reduction(
        what="discriminator of M2-VAAL and VAAL",
        paper="sees q(z | x); L_D of equation 7 is printed with 1 - log D",
        ours="sees the mean of q(z | x); log(1 - D)",
        why="VAAL's own, whose equation 7 it is",
    ),
    Reduction(
        what="TA-VAAL",
        paper="its ranker learns along with the classifier",
        ours="after it, from the finished classifier's features and losses",
        why="a score is trained for a classifier somebody else has trained",
    ),
    Reduction(
        what="Algorithm 2",
        paper="weights predictions by normalized distances, without a formula",
        ours="1 less the largest probability, times the distance as a part of its class's largest",
        why="equation 1's measure, and what leaves classes with many anchors no advantage",
    ),
)
"""What the paper leaves open, in every preset."""


def _cpu() -> Preset:
    cut = {**CPU, "pool": 5500, "test": 3000}
    return Preset(
        settings=(
            make_setting(
                "algorithms",
                "Fashion-MNIST, 5,500 samples, from 50 labels by 50",
                ALGORITHMS,
                **{**cut, "initial": 50, "budget": 50, "rounds": 4},
            ),
            make_setting(
                "three-classes",
                "Fashion-MNIST, 5,500 samples, from 500 labels of three classes by 64",
                ADVERSARIES,
                **{**cut, "initial": 500, "budget": 64, "rounds": 12, "start_classes": THREE_CLASSES},
            ),
            make_setting(
                "thousand",
                "Fashion-MNIST, 5,500 samples, from 1,000 labels by 250",
                _longer(ADVERSARIES | TASK_AWARE, THOUSAND_STEPS),
                **{**cut, "initial": 1000, "budget": 250, "rounds": 3},
            ),
        ),
        reductions=(
            Reduction(what="pool", paper="55,000", ours="5,500; 3,000 test images", why="two cores"),
            Reduction(
                what="rounds",
                paper="from 500 to 2,000 labels by 64; from 1,000 to 8,000 by 1,000; from 50 by 50",
                ours="12 rounds; from 1,000 to 1,750 by 250; 4 rounds",
                why="two cores",
            ),
            Reduction(
                what="networks",
                paper="two convolutions and two linear layers each; 3M parameters for Algorithms 1 and 2",
                ours="one hidden layer of 400 in encoder and decoder, two small convolutions in the classifier",
                why="two cores",
            ),
            Reduction(
                what="training",
                paper="not stated",
                ours=f"from scratch a round, M2 500 steps (from a thousand labels {THOUSAND_STEPS:,}), a classifier "
                "alone 40 epochs",
                why="two cores; from a thousand labels 40 epochs are 1,250 steps and more",
            ),
            *READINGS,
        ),
    )


def _full() -> Preset:
    whole = {**FULL, "pool": 55_000}
    return Preset(
        settings=(
            make_setting(
                "algorithms",
                "Fashion-MNIST, 55,000, from 50 labels by 50",
                ALGORITHMS,
                **{**whole, "initial": 50, "budget": 50, "rounds": 19},
            ),
            make_setting(
                "three-classes",
                "Fashion-MNIST, 55,000, from 500 labels of three classes by 64",
                ADVERSARIES,
                **{**whole, "initial": 500, "budget": 64, "rounds": 23, "start_classes": THREE_CLASSES},
            ),
            make_setting(
                "thousand",
                "Fashion-MNIST, 55,000, from 1,000 labels by 1,000",
                ADVERSARIES | TASK_AWARE,
                **{**whole, "initial": 1000, "budget": 1000, "rounds": 7},
            ),
        ),
        reductions=(
            Reduction(
                what="networks and training",
                paper="two convolutions and two linear layers each; epochs not stated",
                ours="encoder and decoder of one hidden layer; 10,000 steps",
                why="the paper leaves them open",
            ),
            *READINGS,
        ),
    )


def _quick() -> Preset:
    tiny = {**CPU, "dataset": "digits", "steps": 10, "epochs": 3, "rounds": 2, "budget": 6}
    return Preset(
        settings=(
            make_setting(
                "algorithms", "scikit-learn's digits", ALGORITHMS, seeds=1, **{**tiny, "initial": 20}
            ),
            make_setting(
                "thousand",
                "scikit-learn's digits",
                ADVERSARIES | TASK_AWARE,
                seeds=1,
                **{**tiny, "initial": 40},
            ),
        )
    )


PRESETS = {"cpu": _cpu(), "full": _full(), "quick": _quick()}
