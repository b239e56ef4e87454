"""The claims of BALD-VAE section IV, and how each is judged."""

from __future__ import annotations

import numpy as np

from benchmarks.papers.claims import Claim, Finding, ordering
from benchmarks.papers.paper import Record
from benchmarks.papers.records import Comparison, NotRunError, Results, compare


def roughness(record: Record) -> float:
    """Return the spread between rounds: the standard deviation of the accuracy's change from round to round, points.

    A straight rise has none, whatever its slope; what is left is how unevenly it goes.
    """
    return float(100 * np.diff(record["accuracy"][1:]).std())


def largest_drop(record: Record) -> float:
    """Return the largest fall of the accuracy from one round to the next, points; 0 where it never falls."""
    return float(100 * max(0.0, -np.diff(record["accuracy"][1:]).min()))


def steadier(results: Results, setting: str, rival: str) -> Finding:
    """Judge whether BALD-VAE's curve is smoother than a rival's: less spread in every seed."""
    rough = compare(results, setting, rival, "bald-vae", measure=roughness)
    drop = compare(results, setting, rival, "bald-vae", measure=largest_drop)
    return Finding(
        ours=f"spread between rounds, {rough.describe()}; largest drop, {drop.describe()}",
        holds=rough.holds,
        why="" if rough.holds else _why(rough),
    )


def _why(rough: Comparison) -> str:
    if rough.mean > 0:
        return "steadier on average, not in every seed"
    return "the rival's curve is as steady: trained from scratch in every round, BALD alone has few drops to mend"


def informative(results: Results) -> Finding:
    """Judge whether companions are about as informative as the samples they are made of (equation 6)."""
    runs = results.runs("mnist-100", "bald-vae")
    kept = [each for record in runs.values() for each in record["information"] if each]
    if not kept:
        raise NotRunError("no labeled sample was as uncertain as the last pick")
    shares = np.array([each["companion"] / each["sample"] for each in kept])
    distance = float(np.mean([each["distance"] for each in kept]))
    return Finding(
        ours=f"a companion has {shares.mean():.2f} of its sample's BALD (rounds: {shares.min():.2f} to "
        f"{shares.max():.2f}), at a distance of {distance:.2f}",
        holds=bool(abs(shares.mean() - 1) <= 0.2),
        why="a VAE's reconstruction is smoother than its sample, and moves it towards what the classifier knows"
        if shares.mean() < 0.8
        else "",
    )


CLAIMS = [
    Claim(
        name="steadier-than-bald-o",
        text="BALD-VAE is steadier than BALD-O",
        where="section IV.B, figure 2",
        paper="BALD-O drops by more than 10 points, BALD-VAE is smooth",
        measured="standard deviation of the accuracy's change from round to round, lower in every seed",
        check=lambda results: steadier(results, "mnist-100", "bald-o"),
    ),
    Claim(
        name="steadier-than-vae-all",
        text="BALD-VAE is steadier than VAE-All",
        where="section IV.B, figure 2",
        paper="VAE-All drops by more than 10 points",
        measured="as above",
        check=lambda results: steadier(results, "mnist-100", "vae-all"),
    ),
    Claim(
        name="vae-all-best-on-mnist",
        text="VAE-All is the best on MNIST by hundreds",
        where="section IV.B, figure 2",
        paper="VAE-All above BALD-VAE",
        measured="accuracy averaged over the rounds",
        check=lambda results: ordering([compare(results, "mnist-100", "vae-all", "bald-vae")]),
    ),
    Claim(
        name="better-by-500",
        text="BALD-VAE is above BALD-O where 500 are picked at a time",
        where="section IV.B, figure 3",
        paper="above in every round",
        measured="accuracy averaged over the rounds",
        check=lambda results: ordering([compare(results, "mnist-500", "bald-vae", "bald-o")]),
    ),
    Claim(
        name="companions-informative",
        text="a companion is as informative as its sample",
        where="section III.C, equation 6",
        paper="a(x') is about a(x)",
        measured="mean BALD of companions divided by that of their samples within 0.2 of 1",
        check=informative,
    ),
    Claim(
        name="cifar10",
        text="on CIFAR-10 BALD-VAE is above BALD-O and VAE-All",
        where="section IV.C, figure 4",
        paper="above both",
        measured="accuracy averaged over the rounds",
        check=lambda results: ordering(
            [compare(results, "cifar10-1000", "bald-vae", rival) for rival in ("bald-o", "vae-all")]
        ),
    ),
]
