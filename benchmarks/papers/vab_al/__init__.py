"""VaB-AL: Choi et al. 2021, class imbalance and difficulty with variational Bayes, as a paper of the recipe."""

from benchmarks.papers.own_scores.campaign import prepare
from benchmarks.papers.paper import Paper
from benchmarks.papers.vab_al.claims import CLAIMS, sections
from benchmarks.papers.vab_al.presets import PRESETS
from benchmarks.papers.vab_al.run import run

PAPER = Paper(
    name="vab-al",
    title="VaB-AL: class imbalance and difficulty with variational Bayes (Choi et al. 2021)",
    presets=PRESETS,
    prepare=prepare,
    run=run,
    claims=CLAIMS,
    sections=sections,
)
