"""One strategy of M2-VAAL's comparison from one seed: which networks are trained in a round, and what they score."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from benchmarks.common.campaigns import LabelingTask
from benchmarks.papers.own_scores import networks
from benchmarks.papers.own_scores.campaign import Choice, Fit, Fitted, run_campaign, tenth_of_pool
from benchmarks.papers.paper import Record, Resources, Unit
from client import ClassifierExporter, Exhaustive, Random, Strategy
from trainer.networks.dropout_classifier import dropout_classifier
from trainer.scores import M2VaalConfig, VaalConfig, train_m2_vaal, train_vaal


def run(unit: Unit, resources: Resources) -> Record:
    """Run a unit."""
    return run_campaign(unit, resources, choice_of(unit), partial(make_fit, unit))


def choice_of(unit: Unit) -> Choice:
    """Return how a unit chooses."""
    score = unit.parameters["score"]
    strategy: Strategy = Exhaustive()
    if unit.parameters.get("sublinear"):
        strategy = tenth_of_pool(unit)
    if score == "random":
        return Choice(strategy=Random(), acquisition="margin")
    if score == "own":
        return Choice(strategy=strategy)
    if score.startswith("anchor_"):
        return Choice(strategy=strategy, acquisition="least_confidence", rule=score)
    return Choice(strategy=strategy, acquisition=score)


def make_fit(unit: Unit, task: LabelingTask, input_shape: tuple[int, ...]) -> Fit:
    """Return what trains a round's networks: M2's jointly, or the classifier and then what looks at it."""
    given, seed = {**unit.setting.parameters, **unit.parameters}, unit.seed
    exporter = ClassifierExporter(input_shape)

    def joint(labeled: Tensor, labels: Tensor, unlabeled: Tensor) -> Fitted:
        config = M2VaalConfig(
            adversarial=given.get("adversarial", False),
            iterations=given["steps"],
            batch_size=given["batch"],
            seed=seed,
        )
        build = partial(dropout_classifier, input_shape, task.classes)
        made = train_m2_vaal(unlabeled, labeled, labels, task.classes, config, build=build)
        return Fitted(module=made, graph=lambda: exporter(made))

    def apart(labeled: Tensor, labels: Tensor, unlabeled: Tensor) -> Fitted:
        module = networks.build("small", input_shape, task.classes, seed)
        networks.train(
            module,
            labeled,
            labels,
            epochs=given["epochs"],
            batch_size=given["batch_size"],
            seed=seed + 1,
        )
        config = VaalConfig(
            ranked=given["system"] == "ta-vaal",
            layers=networks.LAYERS["small"],
            iterations=given["steps"],
            batch_size=given["batch"],
            seed=seed,
        )
        return Fitted(
            module=module,
            graph=lambda: exporter(train_vaal(module, unlabeled, labeled, labels, config)),
        )

    return joint if given["system"] == "m2" else apart
