"""What ASAL claims on MNIST, and all claims in the paper's order; every accuracy is paired by seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.papers.asal.cifar_claims import CIFAR_CLAIMS
from benchmarks.papers.asal.measures import (
    ABOVE,
    EXHAUSTIVE,
    RANDOM,
    SUPERVISED,
    TEN,
    TWO,
    all_above,
    asal,
    at_the_end,
    early_entropy,
    elsewhere,
    mean_entropy,
    share_of,
)
from benchmarks.papers.asal.protocol import GANS
from benchmarks.papers.asal.strategies import FEATURES
from benchmarks.papers.asal.usps_claims import USPS_CLAIMS
from benchmarks.papers.claims import Claim, Finding, ordering
from benchmarks.papers.paper import Record
from benchmarks.papers.records import Comparison, Results, compare

MATCHES = "mnist-two-agreement"
GAAL_WGAN, GAAL_DCGAN = "gaal-wgan-gp-classifier-entropy", "gaal-dcgan-classifier-entropy"

FIVE = 0  # class 0 of the two is the digit 5
ONES = 1  # of the ten


def _entropy_gap(results: Results) -> Finding:
    random = results.runs(TWO, RANDOM)
    gains = {}
    for name in asal("wgan-gp"):
        runs = results.runs(TWO, name)
        gains[name] = [mean_entropy(runs[seed]) / mean_entropy(random[seed]) - 1 for seed in random]
    each = ", ".join(f"{name} {100 * np.mean(gain):+.0f} %" for name, gain in gains.items())
    whole = 100 * float(np.mean(list(gains.values())))
    return Finding(
        ours=f"{whole:+.0f} % on average ({each})",
        holds=all(value > 0 for gain in gains.values() for value in gain),
        why=f"from {mean_entropy_of(results, RANDOM):.3f} nats of random samples",
    )


def mean_entropy_of(results: Results, strategy: str) -> float:
    """Return the mean entropy of what a strategy added, over rounds and seeds, nats."""
    return float(np.mean([mean_entropy(record) for record in results.runs(TWO, strategy).values()]))


def _generators(setting: str) -> Callable[[Results], Finding]:
    def check(results: Results) -> Finding:
        pairs = zip(asal("wgan-gp"), asal("dcgan"), strict=True)
        return ordering([compare(results, setting, ours, theirs) for ours, theirs in pairs])

    return check


def _gaal_and_generators(results: Results) -> Finding:
    pairs = [
        compare(results, TWO, GAAL_WGAN, RANDOM),
        compare(results, TWO, "asal-pixels-wgan-gp-entropy", RANDOM),
        compare(results, TWO, RANDOM, GAAL_DCGAN),
        compare(results, TWO, RANDOM, "asal-pixels-dcgan-entropy"),
    ]
    return ordering(pairs)


def _gaal_jumps(results: Results) -> Finding:
    """A jump is a change from one round to the next: its standard deviation is what a curve's smoothness is not."""

    def jumps(record: Record) -> float:
        return float(100 * np.std(np.diff(record["accuracy"][1:])))

    pair = compare(results, TWO, GAAL_WGAN, "asal-pixels-wgan-gp-entropy", measure=jumps)
    return ordering([pair])


def _hinge_entropy(results: Results) -> Finding:
    pairs = [
        compare(results, TWO, name, "random-hinge", measure=mean_entropy, unit="nats")
        for generator in GANS
        for name in asal(generator, "hinge")
    ]
    return ordering(pairs)


def _reaches_supervised(results: Results) -> Finding:
    gaps = {
        name: compare(results, TWO, name, SUPERVISED, measure=at_the_end).mean
        for name in (EXHAUSTIVE, *asal("wgan-gp"), RANDOM)
    }
    told = ", ".join(f"{name} {gap:+.2f}" for name, gap in gaps.items())
    nearest = gaps[EXHAUSTIVE] >= max(gaps.values())
    return Finding(
        ours=f"points to the fully supervised accuracy at the end: {told}",
        holds=nearest and gaps[EXHAUSTIVE] > -0.5,
        why="reached means within half a point, and by exhaustive scoring best",
    )


def _fives(results: Results) -> Finding:
    return ordering([compare(results, TWO, EXHAUSTIVE, RANDOM, measure=share_of(FIVE))])


def _dcgan_sevens(results: Results) -> Finding:
    shares = [
        record["label_shares"][-1][FIVE]
        for name in asal("dcgan")
        for record in results.runs(TWO, name).values()
    ]
    ratio = float(np.mean([(1 - share) / max(share, 1e-9) for share in shares]))
    return Finding(
        ours=f"{ratio:.2f} sevens for a five at the end, mean over features and seeds",
        holds=ratio > 2,
        why="counts as almost three times from 2 on; the pool has 1.15",
    )


def _dcgan_ones(results: Results) -> Finding:
    ones = share_of(ONES)
    shares = {
        name: {seed: ones(record) for seed, record in results.runs(TEN, name).items()}
        for name in (*asal("dcgan"), RANDOM)
    }
    random = shares[RANDOM]
    told = ", ".join(f"{name} {np.mean(list(each.values())):.1f} %" for name, each in shares.items())
    return Finding(
        ours=f"{told} of the labels at the end, mean over seeds",
        holds=all(shares[name][seed] > 2 * random[seed] for name in asal("dcgan") for seed in random),
        why="counts as far more from twice random's share on",
    )


def _agreements(results: Results) -> dict[str, dict[str, list[float]]]:
    return {
        generator: {
            features: [
                record["agreement"][features]
                for record in results.runs(MATCHES, f"agreement-{generator}").values()
            ]
            for features in FEATURES
        }
        for generator in GANS
    }


def _told(shares: dict[str, dict[str, list[float]]]) -> str:
    return "; ".join(
        f"{generator}: "
        + ", ".join(f"{features} {100 * np.mean(each):.1f} %" for features, each in kinds.items())
        for generator, kinds in shares.items()
    )


def _agreement_generators(results: Results) -> Finding:
    shares = _agreements(results)
    pairs = [
        Comparison(
            ours=f"WGAN-GP, {features}",
            theirs="DCGAN",
            differences=tuple(
                100 * (a - b)
                for a, b in zip(shares["wgan-gp"][features], shares["dcgan"][features], strict=True)
            ),
            unit="points",
        )
        for features in FEATURES
    ]
    found = ordering(pairs)
    return Finding(ours=found.ours, holds=found.holds, why=_told(shares))


def _agreement_pixels(results: Results) -> Finding:
    shares = _agreements(results)
    means = {
        name: {kind: float(np.mean(each)) for kind, each in kinds.items()} for name, kinds in shares.items()
    }
    return Finding(
        ours=_told(shares),
        holds=all(max(kinds, key=kinds.__getitem__) == "pixels" for kinds in means.values()),
    )


_MNIST = (
    Claim(
        name="entropy-63-percent",
        text="ASAL selects samples of higher entropy than random ones, two classes",
        where="§5.3, figure 3b",
        paper="+63 % on average over the three versions",
        measured="mean entropy of what was added, by the round's own classifier, over the rounds; holds where every "
        "version is above random in every seed",
        check=_entropy_gap,
    ),
    Claim(
        name="asal-above-random",
        text="all ASAL versions outperform random sampling, two classes",
        where="§5.3, figure 3a",
        paper="clearly above",
        measured=ABOVE,
        check=all_above(TWO, asal("wgan-gp"), [RANDOM]),
    ),
    Claim(
        name="wgan-above-dcgan",
        text="ASAL with WGAN-GP exceeds ASAL with DCGAN, two classes",
        where="figure 10",
        paper="clearly above",
        measured=ABOVE,
        check=_generators(TWO),
    ),
    Claim(
        name="only-exhaustive-reaches-supervised",
        text="with 500 labels only exhaustive uncertainty sampling reaches the fully supervised accuracy, two classes",
        where="§5.3",
        paper="reached by exhaustive sampling, not by ASAL, and by random least",
        measured="test accuracy at the last round",
        check=_reaches_supervised,
    ),
    Claim(
        name="asal-above-gaal",
        text="ASAL exceeds GAAL with WGAN-GP, two classes",
        where="§5.3.1, figure 3c",
        paper="above",
        measured=ABOVE,
        check=all_above(TWO, ["asal-pixels-wgan-gp-entropy"], [GAAL_WGAN]),
    ),
    Claim(
        name="generators-decide",
        text="ASAL and GAAL are above random with WGAN-GP and below it with DCGAN, two classes",
        where="§5.3.1, figure 3c",
        paper="above, below",
        measured="test accuracy averaged over the rounds; all four orderings in every seed",
        check=_gaal_and_generators,
    ),
    Claim(
        name="gaal-less-stable",
        text="GAAL is less stable than ASAL with WGAN-GP, two classes",
        where="§5.3.1",
        paper="higher variance between 250 and 300 labels",
        measured="standard deviation of the change in accuracy from round to round, points",
        check=_gaal_jumps,
    ),
    Claim(
        name="hinge-entropy",
        text="with minimum distance and the hinge loss, ASAL selects samples of higher entropy than random ones too",
        where="figure 12",
        paper="above with both generators",
        measured="mean entropy of what was added; both generators, every version, every seed",
        check=_hinge_entropy,
    ),
    Claim(
        name="exhaustive-picks-fives",
        text="exhaustive sampling picks more 5s than the pool has, random converges to the pool",
        where="figure 9",
        paper="more 5s than 7s, in a pool with more 7s",
        measured="share of 5s among the labels at the end, exhaustive above random",
        check=_fives,
    ),
    Claim(
        name="dcgan-picks-sevens",
        text="with DCGAN, ASAL labels almost three times as many 7s as 5s",
        where="figure 11",
        paper="almost 3",
        measured="7s for a 5 among the labels at the end",
        check=_dcgan_sevens,
    ),
    Claim(
        name="agreement-wgan",
        text="matches have their synthetic sample's label more often with WGAN-GP than with DCGAN",
        where="appendix C.1, figure 13",
        paper="higher with every kind of features",
        measured="1,300 synthetic samples of high entropy for the first round's classifier; the mean over the classes",
        check=_agreement_generators,
    ),
    Claim(
        name="agreement-gray",
        text="matches by gray values agree most often",
        where="appendix C.1, figure 13",
        paper="highest with both generators",
        measured="the same, mean over the seeds",
        check=_agreement_pixels,
    ),
    Claim(
        name="ten-above-random",
        text="all ASAL versions exceed random sampling, ten classes",
        where="§5.5, figure 14b",
        paper="above",
        measured=ABOVE,
        check=all_above(TEN, asal("wgan-gp"), [RANDOM]),
    ),
    Claim(
        name="ten-dcgan-below-random",
        text="with DCGAN, ASAL is below random sampling, ten classes",
        where="figure 14a",
        paper="below",
        measured="test accuracy averaged over the rounds, every version below in every seed",
        check=all_above(TEN, [RANDOM], asal("dcgan")),
    ),
    Claim(
        name="ten-wgan-above-dcgan",
        text="ASAL with WGAN-GP exceeds ASAL with DCGAN, ten classes",
        where="figure 14",
        paper="above random sampling with WGAN-GP, below it with DCGAN",
        measured=ABOVE,
        check=_generators(TEN),
    ),
    Claim(
        name="ten-discriminator-best",
        text="ASAL-Discriminator is the best version, ten classes",
        where="figure 14b",
        paper="best",
        measured="test accuracy averaged over the rounds, above the two others in every seed",
        check=all_above(TEN, ["asal-critic-wgan-gp-entropy"], asal("wgan-gp")[:2]),
    ),
    Claim(
        name="ten-entropy-at-first",
        text="at the beginning ASAL selects samples of higher entropy than random ones, ten classes",
        where="figure 15",
        paper="above",
        measured="mean entropy of what was added in the first five rounds",
        check=all_above(TEN, asal("wgan-gp"), [RANDOM], early_entropy, unit="nats"),
    ),
    Claim(
        name="ten-dcgan-picks-ones",
        text="with DCGAN, ASAL labels far more 1s than random sampling, ten classes",
        where="figure 16",
        paper="30 % of the labels are 1s",
        measured="share of 1s among the labels at the end, above twice random's in every seed",
        check=_dcgan_ones,
    ),
)

_ELSEWHERE = (
    Claim(
        name="celeba",
        text="ASAL is above random sampling on CelebA, three attributes",
        where="appendix A, figure 6",
        paper="above",
        measured="not measured",
        check=elsewhere("CelebA is not at hand"),
    ),
    Claim(
        name="sub-linear",
        text="the time of a selection grows less than the pool",
        where="appendix A.3, figure 7",
        paper="44 s at 16 million",
        measured="not here: `python -m benchmarks growth`",
        check=elsewhere("measured by `python -m benchmarks growth`, with other strategies"),
    ),
)

CLAIMS = (*_MNIST, *USPS_CLAIMS, *CIFAR_CLAIMS, *_ELSEWHERE)
