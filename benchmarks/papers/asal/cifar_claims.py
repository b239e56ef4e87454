"""What ASAL claims on CIFAR-10, with two classes and with ten."""

from __future__ import annotations

import numpy as np

from benchmarks.papers.asal.measures import (
    ABOVE,
    EXHAUSTIVE,
    RANDOM,
    SUPERVISED,
    all_above,
    asal,
    at_the_end,
    early_entropy,
    level,
    mean_entropy,
    share_of,
)
from benchmarks.papers.asal.protocol import GANS, RESIDUAL
from benchmarks.papers.claims import Claim, Finding
from benchmarks.papers.paper import Record
from benchmarks.papers.records import Results, compare

TWO, TEN = "cifar-two", "cifar-ten"
CT_CRITIC = "asal-critic-wgan-ct-resnet-entropy"
CAT = 3  # of CIFAR-10's ten
MANY_LABELS = 500


def _with_many_labels(record: Record) -> float:
    labels, accuracy = np.array(record["labels"]), np.array(record["accuracy"])
    return float(100 * accuracy[labels > MANY_LABELS].mean())


def _every_version() -> list[str]:
    return [name for generator in (*GANS, *RESIDUAL) for name in asal(generator)]


def _no_generator_helps(results: Results) -> Finding:
    pairs = [compare(results, TEN, name, RANDOM) for name in _every_version()]
    return Finding(
        ours="; ".join(each.describe() for each in pairs), holds=not any(each.holds for each in pairs)
    )


def _entropies_alike(results: Results) -> Finding:
    random = results.runs(TEN, RANDOM)
    ratios = {
        name: float(np.mean([mean_entropy(run) / mean_entropy(random[seed]) for seed, run in runs.items()]))
        for name in _every_version()
        for runs in [results.runs(TEN, name)]
    }
    return Finding(
        ours=", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()),
        holds=all(0.8 <= ratio <= 1.2 for ratio in ratios.values()),
        why="times random's; hardly any difference means within a fifth",
    )


CIFAR_CLAIMS = (
    Claim(
        name="cifar-two",
        text="ASAL-Autoencoder exceeds random sampling, CIFAR-10, two classes",
        where="§5.4, figures 4b and 22",
        paper="above, with every generator",
        measured=ABOVE,
        check=all_above(TWO, [f"asal-autoencoder-{each}-entropy" for each in (*GANS, *RESIDUAL)], [RANDOM]),
    ),
    Claim(
        name="cifar-two-exhaustive",
        text="ASAL-Autoencoder with WGAN-GP is as good as exhaustive sampling or slightly better from 500 labels on",
        where="§5.4, figure 4b",
        paper="similar or slightly better",
        measured="test accuracy averaged over the rounds with more than 500 labels",
        check=level(
            TWO,
            ["asal-autoencoder-wgan-gp-entropy"],
            EXHAUSTIVE,
            least=-0.5,
            most=3.0,
            measure=_with_many_labels,
        ),
    ),
    Claim(
        name="cifar-two-ct-discriminator-worst",
        text="ASAL-Discriminator with the residual WGAN-CT is below every other strategy, CIFAR-10, two classes",
        where="figure 22",
        paper="worse than any other",
        measured="test accuracy averaged over the rounds, every other above in every seed",
        check=all_above(
            TWO, [RANDOM, EXHAUSTIVE, *(each for each in _every_version() if each != CT_CRITIC)], [CT_CRITIC]
        ),
    ),
    Claim(
        name="cifar-two-entropy-at-first",
        text="at the beginning ASAL selects samples of higher entropy than random ones, CIFAR-10, two classes",
        where="figure 23",
        paper="above",
        measured="mean entropy of what was added in the first five rounds, with WGAN-GP, every version, every seed",
        check=all_above(TWO, asal("wgan-gp"), [RANDOM], early_entropy, unit="nats"),
    ),
    Claim(
        name="cifar-ten",
        text="ASAL with the residual WGAN-CT follows random sampling or is slightly worse, CIFAR-10, ten classes",
        where="§5.6, figure 4c",
        paper="level or slightly below",
        measured="test accuracy averaged over the rounds, every version",
        check=level(TEN, asal("wgan-ct-resnet"), RANDOM, least=-3.0, most=0.5),
    ),
    Claim(
        name="cifar-ten-generators",
        text="no generator leads to more than random sampling, CIFAR-10, ten classes",
        where="§5.6, figure 24",
        paper="none",
        measured="test accuracy averaged over the rounds; no version above random in every seed",
        check=_no_generator_helps,
    ),
    Claim(
        name="cifar-ten-exhaustive",
        text="exhaustive sampling reaches the fully supervised accuracy with 60 % of the pool, CIFAR-10, ten classes",
        where="§5.6, figure 4c",
        paper="converges to it (88.2 %)",
        measured="test accuracy at 30,000 labels",
        check=level(TEN, [EXHAUSTIVE], SUPERVISED, least=-1.0, most=100.0, measure=at_the_end),
    ),
    Claim(
        name="cifar-ten-entropy",
        text="what ASAL adds hardly differs in entropy from random samples, CIFAR-10, ten classes",
        where="figure 25",
        paper="hardly any difference",
        measured="mean entropy of what was added over the rounds, mean over the seeds",
        check=_entropies_alike,
    ),
    Claim(
        name="cifar-ten-cats",
        text="exhaustive sampling labels more cats than ASAL with the residual WGAN-CT, CIFAR-10, ten classes",
        where="§5.6, figures 26 and 27",
        paper="cats most often, ASAL least often",
        measured="share of cats among the labels at the end, above every version's in every seed",
        check=all_above(TEN, [EXHAUSTIVE], asal("wgan-ct-resnet"), share_of(CAT)),
    ),
)
