"""What ASAL's experiments compare, each as a configuration of the client's strategies.

Names: random-LOSS, exhaustive-LOSS, asal-FEATURES-GENERATOR-LOSS, gaal-GENERATOR-ORACLE-LOSS, agreement-GENERATOR.
LOSS is "entropy" (cross entropy, maximum entropy) or "hinge" (hinge loss, minimum distance); FEATURES "pixels"
(ASAL-Gray and -RGB), "autoencoder" or "critic" (ASAL-Discriminator).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.papers.paper import PaperStrategy
from client import Acquisition, Dowser, Exhaustive, Random, RandomSubset, Strategy

FEATURES = {"pixels": "Gray", "autoencoder": "Autoencoder", "critic": "Discriminator"}
GENERATORS = {
    "dcgan": "DCGAN",
    "wgan-gp": "WGAN-GP",
    "wgan-gp-resnet": "residual WGAN-GP",
    "wgan-ct-resnet": "residual WGAN-CT",
}
ORACLES = {
    "classifier": "labels by a classifier trained on the whole pool",
    "nearest": "labels of the nearest real sample",
}
ACQUISITIONS = {"entropy": Acquisition.MAXIMUM_ENTROPY, "hinge": Acquisition.MINIMUM_DISTANCE}
LOSSES = {"entropy": "cross entropy", "hinge": "hinge loss"}

SUBSET_SCORED = 1000
STEPS = 100  # §5.2
STEP_SIZE = 0.01  # appendix A.2, the one place that states it

Training = Mapping[str, Mapping[str, Any]]
"""Options of ``dowser-trainer train`` by generator."""


def strategies(
    names: Iterable[str], training: Training, *, autoencoder_iterations: int
) -> dict[str, PaperStrategy]:
    """Return strategies by name; those that look at a generator depend on how it was trained."""
    return {name: _strategy(name, training, autoencoder_iterations) for name in names}


def _strategy(name: str, training: Training, autoencoder_iterations: int) -> PaperStrategy:
    how, *rest = name.split("-")
    if how == "agreement":
        generator = "-".join(rest)
        return PaperStrategy(
            text=f"labels of matches and of {GENERATORS[generator]}'s synthetic samples",
            parameters={
                "how": how,
                "loss": "entropy",
                "generator": generator,
                **_trained(training, generator, autoencoder_iterations),
            },
        )
    loss = rest.pop()
    told = LOSSES[loss]
    if how == "asal":
        features, generator = rest[0], "-".join(rest[1:])
        return PaperStrategy(
            text=f"ASAL-{FEATURES[features]}, {GENERATORS[generator]}, {told}",
            parameters={
                "how": how,
                "loss": loss,
                "features": features,
                "generator": generator,
                **_trained(training, generator, autoencoder_iterations),
            },
        )
    if how == "gaal":
        oracle, generator = rest[-1], "-".join(rest[:-1])
        return PaperStrategy(
            text=f"GAAL, {GENERATORS[generator]}, {ORACLES[oracle]}, {told}",
            parameters={
                "how": how,
                "loss": loss,
                "features": "pixels",
                "generator": generator,
                "oracle": oracle,
                **_trained(training, generator, autoencoder_iterations),
            },
        )
    texts = {
        "random": f"random, {told}",
        "exhaustive": f"exhaustive, {'maximum entropy' if loss == 'entropy' else 'minimum distance'}, {told}",
        "subset": f"the best of {SUBSET_SCORED} random samples, {told}",
        "supervised": f"fully supervised, {told}",
    }
    return PaperStrategy(text=texts[how], parameters={"how": how, "loss": loss})


def _trained(training: Training, generator: str, autoencoder_iterations: int) -> dict[str, Any]:
    return {
        "training": {"autoencoder-iterations": autoencoder_iterations, **training[generator]},
        "step_size": STEP_SIZE,
    }


def client_strategy(parameters: Mapping[str, Any], budget: int) -> Strategy:
    """Return the client's strategy of a campaign's parameters."""
    how = parameters["how"]
    if how == "random":
        return Random()
    if how == "exhaustive":
        return Exhaustive()
    if how == "subset":
        return RandomSubset(max_scored=SUBSET_SCORED)
    return Dowser(
        max_scored=0,
        latents=budget,
        steps=STEPS,
        step_size=parameters["step_size"],
        warm_start=0.0,
        early_stop=0.0,
    )
