"""The papers by name; a paper's package is loaded when it is asked for."""

from __future__ import annotations

import importlib
import importlib.util

from benchmarks.common.errors import BenchmarkError
from benchmarks.papers.paper import Paper

PAPERS = {
    "asal": "benchmarks.papers.asal",
    "bgadl": "benchmarks.papers.bgadl",
    "bald-vae": "benchmarks.papers.bald_vae",
    "m2-vaal": "benchmarks.papers.m2_vaal",
    "vab-al": "benchmarks.papers.vab_al",
    "together": "benchmarks.papers.together",
}


def find_paper(name: str) -> Paper:
    """Return the `PAPER` of a paper's package.

    Raises:
        BenchmarkError: There is no such paper.
    """
    if name not in PAPERS or importlib.util.find_spec(PAPERS[name]) is None:
        present = [each for each, module in PAPERS.items() if importlib.util.find_spec(module) is not None]
        raise BenchmarkError(f"no such paper: {name}; there are {', '.join(present)}")
    paper: Paper = importlib.import_module(PAPERS[name]).PAPER
    return paper
