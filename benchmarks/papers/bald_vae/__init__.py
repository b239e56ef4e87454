"""BALD-VAE: generative active learning by the uncertainties of both labeled and unlabeled data (RiTA 2019).

A VAE is trained on the pool once and served; `AugmentSamples` makes the companions.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks.papers.bald_vae.campaign import run
from benchmarks.papers.bald_vae.claims import CLAIMS
from benchmarks.papers.bald_vae.presets import PRESETS
from benchmarks.papers.image_tasks import served_pool
from benchmarks.papers.paper import Paper, Resources, Unit


def _prepare(units: Sequence[Unit], folder: Path) -> AbstractContextManager[Resources]:
    given = units[0].setting.parameters
    return served_pool(given["dataset"], given["vae"], folder)


PAPER = Paper(
    name="bald-vae",
    title="BALD-VAE: generative active learning by the uncertainties of labeled and unlabeled data (RiTA 2019)",
    presets=PRESETS,
    prepare=_prepare,
    run=run,
    claims=CLAIMS,
)
