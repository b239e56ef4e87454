"""ASAL: Mayer and Timofte, "Adversarial Sampling for Active Learning" (ICLR 2019 submission).

Synthetic samples of high entropy, made with a GAN that was trained on the pool, are matched to their nearest real ones;
those are labeled. `protocol` and `reductions` say what is run, `strategies` what is compared, `claims` what the paper
says of it.
"""

from benchmarks.papers.asal.bundles import prepare
from benchmarks.papers.asal.claims import CLAIMS
from benchmarks.papers.asal.protocol import PRESETS
from benchmarks.papers.asal.report import figures, sections
from benchmarks.papers.asal.runs import run_unit
from benchmarks.papers.paper import Paper

PAPER = Paper(
    name="asal",
    title="ASAL: Adversarial Sampling for Active Learning (Mayer and Timofte)",
    presets=PRESETS,
    prepare=prepare,
    run=run_unit,
    claims=CLAIMS,
    sections=sections,
    figures=figures,
)
