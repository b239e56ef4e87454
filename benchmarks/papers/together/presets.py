"""Every system on the same pools with the same network: accuracy over labels, and time over pool size."""

from __future__ import annotations

from typing import Any

from benchmarks.papers.paper import PaperStrategy, Preset, Reduction, Setting, make_setting


def _strategy(
    text: str, *, train: str = "plain", select: str, acquisition: str, **more: Any
) -> PaperStrategy:
    return PaperStrategy(
        text=text, parameters={"train": train, "select": select, "acquisition": acquisition, **more}
    )


OURS = {
    "random": _strategy("random", select="random", acquisition="margin"),
    "subset": _strategy("best margins of a random subset", select="subset", acquisition="margin"),
    "exhaustive": _strategy("best margins of the whole pool", select="exhaustive", acquisition="margin"),
    "dowser": _strategy(
        "Dowser, by margin, as many scored as in the subset", select="dowser", acquisition="margin"
    ),
}
_VAB_AL: dict[str, Any] = {"train": "vab-al", "acquisition": "own_score", "all_classes": False}
THEIRS = {
    "asal": _strategy("ASAL: synthesis and its nearest", select="asal", acquisition="maximum_entropy"),
    "bald-vae": _strategy(
        "BALD-VAE: BALD and companions", select="exhaustive", acquisition="bald", companions=True
    ),
    "bald": _strategy("BALD, MC dropout, the whole pool", select="exhaustive", acquisition="bald"),
    "bald-sublinear": _strategy("BALD on what Dowser proposes", select="dowser", acquisition="bald"),
    "vae-acgan": _strategy(
        "BGADL: BALD and VAE-ACGAN", train="vae-acgan", select="exhaustive", acquisition="bald"
    ),
    "vab-al": _strategy("VaB-AL, the whole pool", select="exhaustive", **_VAB_AL),
    "vab-al-sublinear": _strategy("VaB-AL on what Dowser proposes", select="dowser", **_VAB_AL),
    "m2-vaal": _strategy("M2-VAAL, the whole pool", train="m2", select="exhaustive", acquisition="own_score"),
    "algorithm-2": _strategy(
        "M2-VAAL's Algorithm 2, the whole pool",
        train="m2",
        select="exhaustive",
        acquisition="least_confidence",
        rule="anchor_confidence",
    ),
}
CONTROLS = {
    "m2-random": _strategy("random, M2-VAAL's classifier", train="m2", select="random", acquisition="margin"),
    "vae-acgan-random": _strategy(
        "random, VAE-ACGAN's classifier", train="vae-acgan", select="random", acquisition="margin"
    ),
}
TIMED = (
    *("exhaustive", "subset", "dowser", "asal", "bald", "bald-sublinear"),
    *("vab-al", "vab-al-sublinear", "algorithm-2"),
)

_NETWORKS: dict[str, Any] = {
    "bundle": {"generator": "vae", "features": "latent", "iterations": 3000, "batch-size": 128},
    "epochs": 40,
    "batch_size": 32,
    "passes": 10,
    "vae_steps": 1000,
    "m2_steps": 500,
    "joint_steps": 200,
    "joint_first_steps": 1000,
}
_QUICK: dict[str, Any] = {
    **_NETWORKS,
    "bundle": {**_NETWORKS["bundle"], "iterations": 30},
    **{"epochs": 3, "passes": 3, "vae_steps": 10, "m2_steps": 5, "joint_steps": 3, "joint_first_steps": 3},
}
TIMED_PART = "-of-"
"""In the names of the settings that are run for their time; their accuracies judge nothing."""
SIZES = (2_000, 10_000, 50_000)


def _accuracy(
    name: str,
    text: str,
    *,
    pool: int,
    budget: int,
    rounds: int,
    networks: dict[str, Any],
    seeds: int = 3,
    **more: Any,
) -> Setting:
    return make_setting(
        name,
        text,
        OURS | THEIRS | CONTROLS,
        rounds=rounds,
        seeds=seeds,
        **networks,
        **{"pool": pool, "test": 3000, "max_scored": pool // 10},
        **{"initial": budget, "budget": budget, **more},
    )


def _timed(
    dataset: str, size: int, networks: dict[str, Any], *, max_scored: int = 1000, seeds: int = 3
) -> Setting:
    named = OURS | THEIRS
    return make_setting(
        f"{dataset}{TIMED_PART}{size}",
        f"{dataset}, {size:,} samples, two rounds of 10, for their time",
        {name: named[name] for name in TIMED},
        rounds=2,
        seeds=seeds,
        **networks,
        **{"dataset": dataset, "pool": size, "test": 500, "max_scored": max_scored},
        **{"initial": 50, "budget": 10},
    )


def _preset(pool: int, rounds: int) -> tuple[Setting, ...]:
    cut: dict[str, Any] = {"pool": pool, "rounds": rounds, "networks": _NETWORKS}
    return (
        _accuracy(
            "cifar10-dominant",
            "CIFAR-10, all but the first class thinned to a tenth",
            **cut,
            budget=100,
            dataset="cifar10",
            dominant=0,
        ),
        _accuracy("mnist", "MNIST", **cut, budget=50, dataset="mnist"),
        _accuracy("fashion", "Fashion-MNIST", **cut, budget=50, dataset="fashion"),
        _accuracy(
            "neu-rare",
            "steel defects, the first of six classes thinned to a tenth",
            **{**cut, "pool": min(pool, 1200)},
            budget=30,
            dataset="neu",
            rare=0,
        ),
        _accuracy("cifar10", "CIFAR-10", **cut, budget=100, dataset="cifar10"),
        *(_timed("mnist", size, _NETWORKS) for size in SIZES),
    )


_NETWORK = Reduction(
    what="networks",
    paper="each paper its own",
    ours="one small network with dropout for all; M2 and VAE-ACGAN train it jointly with their generators",
    why="what is compared are the systems, not their networks; each joint system stands beside random draws with "
    "its own training",
)
_GENERATOR = Reduction(
    what="generator of ASAL and Dowser",
    paper="ASAL: WGAN-GP",
    ours="BALD-VAE's, 3,000 steps, its latent means as features",
    why="one bundle serves every system; ASAL's own generators are compared in its report",
)
PRESETS = {
    "full": Preset(settings=_preset(45_000, 10), reductions=(_NETWORK, _GENERATOR)),
    "cpu": Preset(
        settings=_preset(5_000, 4),
        reductions=(
            _NETWORK,
            _GENERATOR,
            Reduction(
                what="training of VAE-ACGAN",
                paper="Algorithm 1, until convergence",
                ours="1,000 updates and 200 a round; its classifier takes what is generated after the first 1,000",
                why="two cores; see BGADL's report",
            ),
            Reduction(
                what="pool and rounds",
                paper="10,000 to 60,000 samples",
                ours="5,000 samples (fewer where a thinned data set has fewer), 4 rounds; 3,000 test images",
                why="two cores",
            ),
        ),
    ),
    "quick": Preset(
        settings=(
            _accuracy(
                "digits",
                "scikit-learn's digits",
                pool=400,
                budget=8,
                rounds=2,
                networks=_QUICK,
                seeds=1,
                dataset="digits",
            ),
            *(_timed("digits", size, _QUICK, max_scored=50, seeds=1) for size in (200, 400)),
        )
    ),
}
