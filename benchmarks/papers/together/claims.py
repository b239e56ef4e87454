"""What the comparison is asked: each paper's system beside random draws, and Dowser beside its rivals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.papers.claims import Claim, Finding, above
from benchmarks.papers.records import Results
from benchmarks.papers.together.presets import TIMED_PART


def _above(ours: str, *rivals: str) -> Callable[[Results], Finding]:
    """Return the check that a strategy is above these wherever all of them are run for their accuracy."""

    def settings(results: Results) -> list[str]:
        return [
            setting.name
            for setting in results.preset.settings
            if TIMED_PART not in setting.name and {ours, *rivals} <= set(setting.strategies)
        ]

    return above(settings, ours, *rivals)


def _claim(name: str, text: str, paper: str, ours: str, rivals: Sequence[str]) -> Claim:
    return Claim(
        name=name,
        text=text,
        where=paper or "this project",
        paper="above" if paper else "none",
        measured="test accuracy averaged over the rounds, paired by seed, in every seed of every finished data set",
        check=_above(ours, *rivals),
    )


CLAIMS = (
    _claim("dowser-random", "Dowser is above random draws", "", "dowser", ["random"]),
    _claim("dowser-subset", "Dowser is above the best of a random subset as large", "", "dowser", ["subset"]),
    _claim("dowser-exhaustive", "Dowser is above exhaustive scoring", "", "dowser", ["exhaustive"]),
    _claim("asal", "ASAL's matching is above random draws", "ASAL", "asal", ["random"]),
    _claim("bald-vae", "BALD-VAE is above BALD without companions", "BALD-VAE", "bald-vae", ["bald"]),
    _claim(
        "vae-acgan",
        "VAE-ACGAN with BALD is above the same with random draws",
        "BGADL",
        "vae-acgan",
        ["vae-acgan-random"],
    ),
    _claim("vab-al", "VaB-AL is above random draws", "VaB-AL", "vab-al", ["random"]),
    _claim(
        "vab-al-sublinear",
        "VaB-AL on a part of the pool keeps up with the whole",
        "",
        "vab-al-sublinear",
        ["vab-al"],
    ),
    _claim(
        "bald-sublinear",
        "BALD on a part of the pool keeps up with the whole",
        "",
        "bald-sublinear",
        ["bald"],
    ),
    _claim(
        "m2-vaal", "M2-VAAL is above random draws with its classifier", "M2-VAAL", "m2-vaal", ["m2-random"]
    ),
    _claim(
        "algorithm-2",
        "Algorithm 2 is above random draws with its classifier",
        "M2-VAAL",
        "algorithm-2",
        ["m2-random"],
    ),
)
