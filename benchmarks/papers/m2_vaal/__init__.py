"""M2-VAAL: Losalka, Singhania and Sun, "Active Learning using Deep Generative Models", as a paper of the recipe."""

from benchmarks.papers.m2_vaal.claims import CLAIMS, sections
from benchmarks.papers.m2_vaal.presets import PRESETS
from benchmarks.papers.m2_vaal.run import run
from benchmarks.papers.own_scores.campaign import prepare
from benchmarks.papers.paper import Paper

PAPER = Paper(
    name="m2-vaal",
    title="M2-VAAL: active learning using deep generative models (Losalka, Singhania and Sun)",
    presets=PRESETS,
    prepare=prepare,
    run=run,
    claims=CLAIMS,
    sections=sections,
)
