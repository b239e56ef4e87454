"""One system from one seed: what trains the network, and how the server chooses."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.common.campaigns import LabelingTask
from benchmarks.papers.own_scores import networks
from benchmarks.papers.own_scores.campaign import Choice, Fit, Fitted, run_campaign
from benchmarks.papers.paper import Record, Resources, Unit
from client import ClassifierExporter, Dowser, Exhaustive, Random, RandomSubset, Strategy
from trainer.scores import M2VaalConfig, VabAlConfig, train_m2_vaal, train_vab_al
from trainer.vae_acgan import JointTraining

_BATCH = 128
_JOINT_WIDTH = 16
_JOINT_LATENTS = 64
_JOINT_LEARNING_RATE = 2e-4


def run(unit: Unit, resources: Resources) -> Record:
    """Run a unit."""
    given, scored = unit.parameters, int(unit.setting.parameters["max_scored"])
    strategies: dict[str, Strategy] = {
        "random": Random(),
        "subset": RandomSubset(max_scored=scored),
        "exhaustive": Exhaustive(),
        "dowser": Dowser(max_scored=scored),
        "asal": Dowser(max_scored=0),
    }
    choice = Choice(
        strategy=strategies[given["select"]],
        acquisition=given["acquisition"],
        rule=given.get("rule"),
        companions=given.get("companions", False),
    )
    make = {"plain": _plain, "vab-al": _plain, "m2": _m2, "vae-acgan": _joint}[given["train"]]
    return run_campaign(unit, resources, choice, partial(make, unit))


class _Logits(nn.Module):
    """The logits alone of x -> (logits, embedding): what the joint trainings take."""

    def __init__(self, both: nn.Module) -> None:
        super().__init__()
        self.both = both

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.both(x)[0]
        return logits


def _exporter(unit: Unit, input_shape: tuple[int, ...]) -> ClassifierExporter:
    passes = unit.setting.parameters["passes"] if unit.parameters["acquisition"] == "bald" else None
    return ClassifierExporter(input_shape, passes=passes, seed=unit.seed)


def _plain(unit: Unit, task: LabelingTask, input_shape: tuple[int, ...]) -> Fit:
    """Train the classifier alone; for VaB-AL, what tells the probability of its being wrong after it."""
    settings, export = unit.setting.parameters, _exporter(unit, input_shape)

    def fit(labeled: Tensor, labels: Tensor, unlabeled: Tensor) -> Fitted:
        module = networks.build("small", input_shape, task.classes, unit.seed)
        networks.train(
            module,
            labeled,
            labels,
            epochs=settings["epochs"],
            batch_size=settings["batch_size"],
            seed=unit.seed + 1,
        )
        if unit.parameters["train"] == "plain":
            return Fitted(module=module, graph=lambda: export(module))
        config = VabAlConfig(
            layers=networks.LAYERS["small"],
            weight=0.05,
            learning_rate=3e-4,
            epochs=max(1, round(settings["vae_steps"] * _BATCH / len(unlabeled))),
            batch_size=_BATCH,
            draws=settings["passes"],
            all_classes=unit.parameters["all_classes"],
            seed=unit.seed,
        )
        return Fitted(
            module=module, graph=lambda: export(train_vab_al(module, unlabeled, labeled, labels, config))
        )

    return fit


def _m2(unit: Unit, task: LabelingTask, input_shape: tuple[int, ...]) -> Fit:
    """Train M2-VAAL without the adversarial loss, from scratch each round."""
    export = _exporter(unit, input_shape)
    config = M2VaalConfig(
        adversarial=False,
        iterations=unit.setting.parameters["m2_steps"],
        batch_size=unit.setting.parameters["batch_size"],
        seed=unit.seed,
    )

    def build() -> nn.Module:
        return _Logits(networks.build("small", input_shape, task.classes, unit.seed))

    def fit(labeled: Tensor, labels: Tensor, unlabeled: Tensor) -> Fitted:
        made = train_m2_vaal(unlabeled, labeled, labels, task.classes, config, build=build)
        return Fitted(module=made, graph=lambda: export(made))

    return fit


def _joint(unit: Unit, task: LabelingTask, input_shape: tuple[int, ...]) -> Fit:
    """Train VAE-ACGAN's four networks, which go on from round to round (BGADL, Algorithm 1)."""
    settings, export = unit.setting.parameters, _exporter(unit, input_shape)
    rng = torch.Generator().manual_seed(unit.seed)
    trained = JointTraining(
        input_shape,
        task.classes,
        augmentation="vae-acgan",
        latent_dim=_JOINT_LATENTS + task.classes,
        width=_JOINT_WIDTH,
        learning_rate=_JOINT_LEARNING_RATE,
        seed=unit.seed,
        device=torch.device("cpu"),
        classifier=_Logits(networks.build("small", input_shape, task.classes, unit.seed)),
        warm_up=settings["joint_first_steps"],
    )

    def fit(labeled: Tensor, labels: Tensor, unlabeled: Tensor) -> Fitted:
        for _ in range(settings["joint_steps"] if trained.updates else settings["joint_first_steps"]):
            drawn = torch.randint(len(labels), (settings["batch_size"],), generator=rng)
            trained.update(labeled[drawn], labels[drawn], rng)
        return Fitted(module=trained.classifier, graph=lambda: export(trained.classifier))

    return fit
