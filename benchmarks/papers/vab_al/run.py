"""One strategy of VaB-AL's comparison from one seed: the same network and its dropout everywhere, other choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from benchmarks.common.campaigns import LabelingTask
from benchmarks.papers.own_scores import networks
from benchmarks.papers.own_scores.campaign import Choice, Fit, Fitted, run_campaign, tenth_of_pool
from benchmarks.papers.paper import Record, Resources, Unit
from client import ClassifierExporter, Exhaustive, Random
from trainer.scores import VaalConfig, VabAlConfig, train_vaal, train_vab_al

_BATCH = 128


def run(unit: Unit, resources: Resources) -> Record:
    """Run a unit."""
    parameters = unit.parameters
    score = parameters["score"]
    choices = {
        "random": Choice(strategy=Random(), acquisition="margin"),
        "bald": Choice(strategy=Exhaustive(), acquisition="bald"),
        "coreset": Choice(strategy=Exhaustive(), acquisition="margin", rule="k_center"),
        "vab-al": Choice(strategy=Exhaustive()),
        "vaal": Choice(strategy=Exhaustive()),
    }
    choice = choices[score]
    if parameters.get("sublinear"):
        choice = replace(choice, strategy=tenth_of_pool(unit))

    def make_fit(task: LabelingTask, input_shape: tuple[int, ...]) -> Fit:
        return _Fit(unit, task, input_shape)

    return run_campaign(unit, resources, choice, make_fit)


class _Fit:
    """Trains the network, and where the strategy needs it what scores with it."""

    def __init__(self, unit: Unit, task: LabelingTask, input_shape: tuple[int, ...]) -> None:
        self._unit, self._task, self._shape = unit, task, input_shape
        self._settings: Mapping[str, Any] = unit.setting.parameters
        passes = self._settings["passes"] if unit.parameters["score"] == "bald" else None
        self._exporter = ClassifierExporter(input_shape, passes=passes, seed=unit.seed)

    def __call__(self, labeled: Tensor, labels: Tensor, unlabeled: Tensor) -> Fitted:
        settings, seed = self._settings, self._unit.seed
        module = networks.build(settings["network"], self._shape, self._task.classes, seed)
        networks.train(
            module,
            labeled,
            labels,
            epochs=settings["epochs"],
            batch_size=settings["batch_size"],
            seed=seed + 1,
        )
        return Fitted(
            module=module,
            graph=lambda: self._exporter(self._scored(module, labeled, labels, unlabeled)),
        )

    def _scored(self, module: nn.Module, labeled: Tensor, labels: Tensor, unlabeled: Tensor) -> nn.Module:
        kind = self._unit.parameters["score"]
        if kind == "vab-al":
            return train_vab_al(module, unlabeled, labeled, labels, self._vab_al(len(unlabeled)))
        if kind == "vaal":
            config = VaalConfig(
                iterations=self._settings["vaal_steps"],
                seed=self._unit.seed,
                layers=networks.LAYERS[self._settings["network"]],
            )
            return train_vaal(module, unlabeled, labeled, labels, config)
        return module

    def _vab_al(self, unlabeled: int) -> VabAlConfig:
        settings = self._settings
        epochs = settings.get("vae_epochs") or max(1, round(settings["vae_steps"] * _BATCH / unlabeled))
        return VabAlConfig(
            layers=networks.LAYERS[settings["network"]],
            weight=settings["vae_weight"],
            learning_rate=settings["vae_learning_rate"],
            epochs=epochs,
            batch_size=_BATCH,
            draws=settings["draws"],
            prior=self._unit.parameters.get("prior", True),
            difficulty=self._unit.parameters.get("difficulty", True),
            all_classes=self._unit.parameters["all_classes"],
            seed=self._unit.seed,
        )
