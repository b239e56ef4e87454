"""BALD-VAE and BGADL: what their claims are judged by, and that their recipes' pieces fit together."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from benchmarks.papers.bald_vae import PAPER as BALD_VAE
from benchmarks.papers.bald_vae.claims import largest_drop, roughness
from benchmarks.papers.bald_vae.networks import NETWORKS
from benchmarks.papers.bgadl import PAPER as BGADL
from benchmarks.papers.bgadl.resnet import resnet18
from benchmarks.papers.claims import Verdict, judge
from benchmarks.papers.paper import Paper
from benchmarks.papers.records import Results


def record(accuracy: list[float], **more: Any) -> dict[str, Any]:
    return {"labels": list(range(len(accuracy))), "accuracy": accuracy, **more}


def verdicts(paper: Paper, setting: str, runs: dict[str, dict[str, Any]]) -> dict[str, Verdict]:
    finished = {name: dict.fromkeys(range(3), each) for name, each in runs.items()}
    results = Results(preset=paper.presets["cpu"], finished={setting: finished})
    return {each.claim.name: each.verdict for each in judge(paper.claims, results)}


def test_a_straight_rise_is_not_rough_and_a_drop_is() -> None:
    assert roughness(record([0.1, 0.5, 0.6, 0.7, 0.8])) == pytest.approx(0)
    assert largest_drop(record([0.9, 0.5, 0.6, 0.7])) == 0  # the start does not count
    assert largest_drop(record([0.5, 0.7, 0.55, 0.8])) == pytest.approx(15)
    assert roughness(record([0.5, 0.7, 0.55, 0.8])) > 15


def test_steadiness_is_judged_by_the_spread_between_rounds() -> None:
    smooth, rough = record([0.3, 0.5, 0.6, 0.7], information=[]), record([0.3, 0.6, 0.5, 0.7])
    told = verdicts(BALD_VAE, "mnist-100", {"bald-vae": smooth, "bald-o": rough, "vae-all": smooth})
    assert told["steadier-than-bald-o"] is Verdict.HOLDS
    assert told["steadier-than-vae-all"] is Verdict.FAILS  # as smooth is not steadier
    assert told["better-by-500"] is Verdict.NOT_RUN


def test_companions_are_as_informative_within_a_fifth() -> None:
    def informed(companion: float) -> dict[str, Any]:
        return record(
            [0.3, 0.5], information=[{"sample": 0.5, "companion": companion, "distance": 4.0}, None]
        )

    for companion, verdict in ((0.45, Verdict.HOLDS), (0.3, Verdict.FAILS), (0.7, Verdict.FAILS)):
        told = verdicts(BALD_VAE, "mnist-100", {"bald-vae": informed(companion)})
        assert told["companions-informative"] is verdict


def test_bgadl_is_judged_by_orderings_information_and_distance() -> None:
    def generating(level: float, generated: list[float], distance: list[float]) -> dict[str, Any]:
        information = [{"picks": 0.4, "generated": each} for each in generated]
        return record([0.5, level, level], information=information, distance=distance)

    told = verdicts(
        BGADL,
        "mnist-1000",
        {
            "vae-acgan": generating(0.9, [0.1, 0.3], [9.0, 7.0]),
            "acgan": generating(0.8, [0.2, 0.2], []),
            "bald": generating(0.85, [], []),
        },
    )
    assert told["vae-acgan-above-acgan"] is Verdict.HOLDS
    assert told["acgan-above-bald"] is Verdict.FAILS
    assert told["information-value"] is Verdict.HOLDS  # the later half counts
    assert told["reconstruction-distance"] is Verdict.HOLDS
    assert told["vae-acgan-above-pmda"] is Verdict.NOT_RUN


@pytest.mark.parametrize("paper", [BALD_VAE, BGADL], ids=lambda paper: paper.name)
def test_every_preset_names_a_classifier_with_dropout_that_takes_its_samples(paper: Paper) -> None:
    shapes = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32), "digits": (1, 8, 8)}
    for preset in paper.presets.values():
        for setting in preset.settings:
            shape = shapes[setting.parameters["dataset"]]
            kind = setting.parameters.get("classifier", "")
            pre_activated = kind.endswith("pa")
            network = (
                resnet18(shape[0], 10, pre_activated=pre_activated)
                if kind.startswith("resnet")
                else NETWORKS[setting.parameters["dataset"]]()
            )
            assert network.eval()(torch.zeros(2, *shape)).shape == (2, 10)
            assert any("Dropout" in type(part).__name__ for part in network.modules())
