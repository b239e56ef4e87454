"""The generators of a setting: trained once each, bundled with every kind of features that is asked for, and served."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.common.campaigns import LabelingTask
from benchmarks.common.classifiers import TrainingPlan, lenet, small_cnn, train_classifier
from benchmarks.common.mnist_bundles import Served, serve_with_index
from benchmarks.common.processes import run_tool, serving
from benchmarks.common.training import train_bundle
from benchmarks.papers.asal.data import load_task
from benchmarks.papers.asal.strategies import FEATURES
from benchmarks.papers.paper import Resources, Unit

ANY = "any"
"""Key of a server for strategies that look at no features."""
_QUICKEST = "gaussian/pixels"

ORACLE_EPOCHS = 3


@contextmanager
def prepare(units: Sequence[Unit], folder: Path) -> Iterator[Resources]:
    """Train, index and serve what these units need.

    Yields:
        `targets`: "host:port" by "GENERATOR/FEATURES", and of `ANY`; `oracle`: the file of the classifier that labels
        synthetic samples, where one is needed.
    """
    parameters = units[0].setting.parameters
    task = load_task(parameters, "entropy")
    folder = folder.parent / shared_folder(parameters)
    folder.mkdir(parents=True, exist_ok=True)
    pool = folder / "pool.npy"
    if not pool.exists():
        temporary = pool.with_name(f".{pool.name}.tmp.npy")
        np.save(temporary, task.pool_raw)
        temporary.replace(pool)
    with ExitStack() as stack:
        targets = {}
        for key, training in _wanted(units).items():
            served = make_served(key, training, pool, folder)
            state = folder / f"state-{key.replace('/', '-')}"
            targets[key] = stack.enter_context(
                serving(bundle=served.bundle, index=served.index, state=state, threads=1)
            )
        if targets:
            targets[ANY] = next(iter(targets.values()))
        oracle = folder / "oracle.pt"
        if any("oracle" in unit.parameters or unit.parameters["how"] == "agreement" for unit in units):
            train_oracle(task, oracle)
        yield {"targets": targets, "oracle": str(oracle)}


def shared_folder(parameters: Mapping[str, Any]) -> str:
    """Return the folder of a pool: settings of the same one share its generators."""
    decisive = {name: parameters.get(name) for name in ("data", "classes", "pool")}
    return f"{parameters['data']}-{len(parameters['classes'])}-{_digest(decisive)}"


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]


def server_key(parameters: Mapping[str, Any]) -> str:
    """Return which server a unit talks to, by its strategy's parameters."""
    if "generator" not in parameters:
        return ANY
    return f"{parameters['generator']}/{parameters.get('features', 'pixels')}"


def _wanted(units: Sequence[Unit]) -> dict[str, Mapping[str, Any]]:
    """Return the training options of every server that these units talk to; what needs no features takes any."""
    served = [unit.parameters for unit in units if unit.parameters["how"] != "supervised"]
    wanted: dict[str, Mapping[str, Any]] = {}
    for parameters in served:
        training = parameters.get("training", {})
        if parameters["how"] == "agreement":
            wanted |= {f"{parameters['generator']}/{features}": training for features in FEATURES}
        elif "generator" in parameters:
            wanted[server_key(parameters)] = training
    return wanted if wanted or not served else {_QUICKEST: {}}


def make_served(key: str, training: Mapping[str, Any], pool: Path, folder: Path) -> Served:
    """Return a bundle and its index; train and build what is not there yet."""
    generator, features = key.split("/")
    digest = _digest(training)
    run, bundle = folder / f"run-{generator}-{digest}", folder / f"bundle-{generator}-{digest}-{features}"
    if not bundle.exists():
        if any(folder.glob(f"bundle-{generator}-{digest}-*")):
            run_tool("dowser-trainer", "export", "--run", run, "--features", features, "--out", bundle)
        else:
            options = {"generator": generator, "features": features, **training}
            train_bundle(pool, options, run=run, bundle=bundle)
    return serve_with_index(bundle, pool, folder / f"index-{generator}-{digest}-{features}", name="pool")


def oracle_plan(task: LabelingTask) -> TrainingPlan:
    """Return how the classifier that labels synthetic samples is trained: convolutional, on the whole pool."""
    return TrainingPlan(
        build=lambda: _oracle_network(task), epochs=ORACLE_EPOCHS, batch_size=50, learning_rate=1e-3
    )


def train_oracle(task: LabelingTask, path: Path) -> None:
    """Train it and keep its weights, where they are not there yet."""
    if path.exists():
        return
    x = model_inputs(task.pool_raw)
    torch.save(train_classifier(oracle_plan(task), x, task.pool_y, seed=0).state_dict(), path)


def load_oracle(task: LabelingTask, path: Path) -> torch.nn.Module:
    """Return what `train_oracle` kept."""
    module = _oracle_network(task)
    module.load_state_dict(torch.load(path, weights_only=True))
    return module.eval()


def model_inputs(raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return x float32 [n, C, H, W] in [-1, 1] of uint8 images, as the bundles' preprocessing makes it."""
    x = raw.astype(np.float32) * (2 / 255) - 1
    return np.ascontiguousarray(x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2))


def _oracle_network(task: LabelingTask) -> torch.nn.Sequential:
    shape = task.pool_raw.shape[1:]
    if shape == (28, 28):
        return lenet(task.classes)
    return small_cnn(channels=1 if len(shape) == 2 else 3, side=shape[0], classes=task.classes)
