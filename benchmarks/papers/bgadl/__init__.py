"""BGADL: Tran et al., "Bayesian Generative Active Deep Learning" (ICML 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks.papers.bgadl.campaign import run
from benchmarks.papers.bgadl.claims import CLAIMS
from benchmarks.papers.bgadl.figures import figures
from benchmarks.papers.bgadl.presets import PRESETS, SERVED
from benchmarks.papers.image_tasks import served_pool
from benchmarks.papers.paper import Paper, Resources, Unit


def _prepare(units: Sequence[Unit], folder: Path) -> AbstractContextManager[Resources]:
    return served_pool(units[0].setting.parameters["dataset"], SERVED, folder)


PAPER = Paper(
    name="bgadl",
    title="Bayesian Generative Active Deep Learning (Tran, Do, Reid, Carneiro; ICML 2019)",
    presets=PRESETS,
    prepare=_prepare,
    run=run,
    claims=CLAIMS,
    figures=figures,
)
