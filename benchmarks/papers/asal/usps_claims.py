"""What ASAL claims of training on MNIST and testing on USPS (appendix E)."""

from __future__ import annotations

from benchmarks.papers.asal.measures import (
    EXHAUSTIVE,
    RANDOM,
    SUPERVISED,
    TEN,
    TWO,
    all_above,
    asal,
    transfer,
    transfer_at_the_end,
)
from benchmarks.papers.claims import Claim, Finding, ordering
from benchmarks.papers.records import Results, compare

TWO_UNIT = "mnist-two-unit"
SUPERVISED_PERCENT, WITHIN_PERCENT = 91.0, 1.0
_WHERE = "appendix E, figure 17"
_OVER = "accuracy on USPS's test images averaged over the rounds, in every seed"


def _supervised(results: Results) -> Finding:
    reached = [transfer(record) for record in results.runs(TWO, SUPERVISED).values()]
    mean = sum(reached) / len(reached)
    return Finding(
        ours=f"{mean:.1f} %",
        holds=abs(mean - SUPERVISED_PERCENT) <= WITHIN_PERCENT,
        why=f"counts within {WITHIN_PERCENT:.0f} point",
    )


def _other_panels(results: Results) -> Finding:
    pairs = [
        compare(results, TWO, name, f"{rival}-{loss}", measure=transfer)
        for generator, loss in (("dcgan", "entropy"), ("wgan-gp", "hinge"), ("dcgan", "hinge"))
        for name in asal(generator, loss)
        for rival in ("exhaustive", "random")
    ]
    return ordering(pairs)


def _exhaustive_worst(results: Results) -> Finding:
    pairs = [
        compare(results, TWO, f"random-{loss}", f"exhaustive-{loss}", measure=transfer)
        for loss in ("entropy", "hinge")
    ]
    return ordering(pairs)


def _exhaustive_worst_in_unit_range(results: Results) -> Finding:
    pairs = [
        compare(results, TWO_UNIT, each, EXHAUSTIVE, measure=transfer) for each in (RANDOM, *asal("wgan-gp"))
    ]
    return ordering(pairs)


def _exhaustive_best(results: Results) -> Finding:
    rivals = [RANDOM, *asal("wgan-gp"), *asal("dcgan")]
    pairs = [compare(results, TEN, EXHAUSTIVE, each, measure=transfer) for each in rivals]
    return ordering(
        [*pairs, compare(results, TEN, EXHAUSTIVE, SUPERVISED, measure=transfer_at_the_end)],
        why="against the fully supervised model, at the last round",
    )


USPS_CLAIMS = (
    Claim(
        name="usps-two",
        text="trained on MNIST and tested on USPS, ASAL is above exhaustive and random sampling, two classes",
        where=f"{_WHERE}d",
        paper="above both",
        measured=f"{_OVER}, every version with WGAN-GP and cross entropy",
        check=all_above(TWO, asal("wgan-gp"), [EXHAUSTIVE, RANDOM], transfer),
    ),
    Claim(
        name="usps-two-other-panels",
        text="so it is with DCGAN and with the hinge loss",
        where=f"{_WHERE}a to c",
        paper="above both",
        measured=f"{_OVER}, every version",
        check=_other_panels,
    ),
    Claim(
        name="usps-two-exhaustive-worst",
        text="on USPS exhaustive sampling is worse than random sampling, two classes, with both losses",
        where=_WHERE,
        paper="worse than any other strategy",
        measured=_OVER,
        check=_exhaustive_worst,
    ),
    Claim(
        name="usps-two-unit",
        text="with pixels in [0, 1], ASAL is above random sampling on USPS, two classes",
        where=f"{_WHERE}d",
        paper="above",
        measured=f"{_OVER}, every version with WGAN-GP and cross entropy",
        check=all_above(TWO_UNIT, asal("wgan-gp"), [RANDOM], transfer),
    ),
    Claim(
        name="usps-two-unit-exhaustive-worst",
        text="with pixels in [0, 1], exhaustive sampling is the worst on USPS, two classes",
        where=_WHERE,
        paper="worse than any other strategy",
        measured=f"{_OVER}, below random sampling and every version",
        check=_exhaustive_worst_in_unit_range,
    ),
    Claim(
        name="usps-two-supervised",
        text="the fully supervised linear model is right on so much of USPS, two classes",
        where="appendix E",
        paper="91 %",
        measured="accuracy on USPS's test images, mean over the seeds",
        check=_supervised,
    ),
    Claim(
        name="usps-ten",
        text="on USPS exhaustive sampling is above all other strategies and the fully supervised model, ten classes",
        where="appendix E, figure 18",
        paper="clearly above",
        measured=_OVER,
        check=_exhaustive_best,
    ),
    Claim(
        name="usps-ten-asal",
        text="on USPS ASAL-Autoencoder and ASAL-Discriminator with WGAN-GP are above random sampling, ten classes",
        where="appendix E, figure 18b",
        paper="above",
        measured=_OVER,
        check=all_above(TEN, asal("wgan-gp")[1:], [RANDOM], transfer),
    ),
)
