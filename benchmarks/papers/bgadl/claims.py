"""The claims of BGADL section 5, and how each is judged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.papers.claims import Claim, Finding, ordering
from benchmarks.papers.records import NotRunError, Results, compare

_BY_ACCURACY = "accuracy averaged over the rounds, higher in every seed"


def _setting(results: Results) -> str:
    """Return the preset's MNIST setting, the first where there are more."""
    for setting in results.preset.settings:
        if setting.parameters["dataset"] == "mnist":
            return setting.name
    raise NotRunError("this preset has no MNIST")


def _above(ours: str, theirs: str) -> Callable[[Results], Finding]:
    return lambda results: ordering([compare(results, _setting(results), ours, theirs)])


def information(results: Results) -> Finding:
    """Judge figure 6: what VAE-ACGAN generates is more informative than what ACGAN does, in the later half."""
    ours, theirs = (results.runs(_setting(results), name) for name in ("vae-acgan", "acgan"))
    later = {
        name: np.array([[each["generated"] for each in record["information"]] for record in runs.values()])
        for name, runs in (("vae-acgan", ours), ("acgan", theirs))
    }  # [S, rounds]
    half = later["acgan"].shape[1] // 2
    means = {name: values[:, half:].mean(1) for name, values in later.items()}
    picks = np.mean([each["picks"] for record in ours.values() for each in record["information"][half:]])
    higher = int((means["vae-acgan"] > means["acgan"]).sum())
    return Finding(
        ours="mean BALD of generated samples in the later half of the rounds: "
        f"VAE-ACGAN {means['vae-acgan'].mean():.3f}, ACGAN {means['acgan'].mean():.3f} nats, higher in {higher} of "
        f"{len(ours)} seeds; the picks that VAE-ACGAN's are made of: {picks:.3f}",
        holds=higher == len(ours),
        why=""
        if higher == len(ours)
        else "the classifier is trained on what is generated, and grows sure of it",
    )


def reconstruction(results: Results) -> Finding:
    """Judge figure 4: the distance between sample and companion falls as training goes on."""
    runs = results.runs(_setting(results), "vae-acgan")
    distances = np.array([record["distance"] for record in runs.values()])  # [S, rounds]
    falls = distances[:, -1] < distances[:, 0]
    return Finding(
        ours=f"mean |x' - x| of labeled samples {distances[:, 0].mean():.2f} after the first round, "
        f"{distances[:, -1].mean():.2f} after the last; falls in {int(falls.sum())} of {len(falls)} seeds",
        holds=bool(falls.all()),
    )


def _cifar(results: Results) -> Finding:
    name = "cifar10-resnet18"
    return ordering([compare(results, name, "vae-acgan", "acgan"), compare(results, name, "acgan", "bald")])


CLAIMS = [
    Claim(
        name="vae-acgan-above-acgan",
        text="AL with VAE-ACGAN is above AL with ACGAN",
        where="figure 5, table 1",
        paper="MNIST, ResNet-18 after 150 rounds: 99.53 ± 0.05 against 99.45 ± 0.02 %",
        measured=_BY_ACCURACY,
        check=_above("vae-acgan", "acgan"),
    ),
    Claim(
        name="acgan-above-bald",
        text="AL with ACGAN is above BALD without augmentation",
        where="figure 5, table 1",
        paper="99.45 ± 0.02 against 99.33 ± 0.10 %",
        measured=_BY_ACCURACY,
        check=_above("acgan", "bald"),
    ),
    Claim(
        name="vae-acgan-above-bald",
        text="AL with VAE-ACGAN is above BALD without augmentation",
        where="figure 5, table 1",
        paper="99.53 ± 0.05 against 99.33 ± 0.10 %",
        measured=_BY_ACCURACY,
        check=_above("vae-acgan", "bald"),
    ),
    Claim(
        name="vae-acgan-above-pmda",
        text="AL with VAE-ACGAN is above AL with PMDA",
        where="table 1",
        paper="99.53 ± 0.05 against 99.37 ± 0.15 %",
        measured=_BY_ACCURACY,
        check=_above("vae-acgan", "pmda"),
    ),
    Claim(
        name="acgan-above-bda-partial",
        text="AL with ACGAN is above BDA with partial training",
        where="figure 5, table 1",
        paper="99.45 ± 0.02 against 99.33 ± 0.04 %",
        measured=_BY_ACCURACY,
        check=_above("acgan", "bda-partial"),
    ),
    Claim(
        name="bald-above-random",
        text="BALD without augmentation is above random selection",
        where="figure 5, table 1",
        paper="99.33 ± 0.10 against 99.00 ± 0.13 %; below it in the first 75 rounds",
        measured=_BY_ACCURACY,
        check=_above("bald", "random"),
    ),
    Claim(
        name="information-value",
        text="samples of VAE-ACGAN are more informative than those of ACGAN, at later stages above all",
        where="figure 6",
        paper="above (CIFAR-100)",
        measured="mean BALD of what is generated for each round's picks, later half of the rounds, in every seed",
        check=information,
    ),
    Claim(
        name="reconstruction-distance",
        text="the distance between x' and x falls as training goes on",
        where="figure 4",
        paper="0.45 to 0.12 over 150 iterations (CIFAR-100)",
        measured="mean Euclidean distance after the last round below that after the first, in every seed",
        check=reconstruction,
    ),
    Claim(
        name="cifar10",
        text="on CIFAR-10 VAE-ACGAN is above ACGAN, and ACGAN above BALD without augmentation",
        where="table 1",
        paper="ResNet-18: 87.63, 86.80, 79.72 %",
        measured=_BY_ACCURACY,
        check=_cifar,
    ),
]
