"""The systems of all five papers beside each other and beside Dowser's selection, as a paper of the recipe."""

from benchmarks.papers.own_scores.campaign import prepare
from benchmarks.papers.paper import Paper
from benchmarks.papers.together.claims import CLAIMS
from benchmarks.papers.together.presets import PRESETS
from benchmarks.papers.together.run import run
from benchmarks.papers.together.sizes import figures, sections

PAPER = Paper(
    name="together",
    title="The best of each paper, on one axis",
    presets=PRESETS,
    prepare=prepare,
    run=run,
    claims=CLAIMS,
    sections=sections,
    figures=figures,
)
