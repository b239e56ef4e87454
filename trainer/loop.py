"""The training loop: seeded, logged, checkpointed, and exact on resume.

A run that was stopped and resumed makes the very same updates as one that was not: the checkpoint carries weights,
optimizers, the random state and the sums of the unfinished line of metrics. It also says which pool and labels it was
trained on, as a run that goes on with others is no such run.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from trainer.config import TrainConfig
from trainer.data import TrainingData
from trainer.errors import TrainerError
from trainer.interrupts import DeferredInterrupt
from trainer.preview import draw_samples, save_grid
from trainer.runs import RunFolder
from trainer.systems import System


def train_system(
    system: System,
    config: TrainConfig,
    data: TrainingData,
    run: RunFolder,
    *,
    class_names: Sequence[str] = (),
    inputs: Mapping[str, str] | None = None,
    show_progress: bool = True,
) -> None:
    """Train from scratch, or from the run's checkpoint, until `config.iterations`; leave a final checkpoint.

    Args:
        system: what is trained, as it was built.
        config: resolved.
        data: the pool.
        run: started; gets checkpoints, metrics and sample grids.
        class_names: kept in the checkpoint.
        inputs: digests of what it is trained on ("pool", "labels"), kept in the checkpoint.
        show_progress: draw a progress bar on stderr.

    Raises:
        TrainerError: if the losses diverge, or the checkpoint is of other inputs.
        KeyboardInterrupt: on SIGINT or SIGTERM, after the iteration and with a checkpoint.
    """
    from tqdm import tqdm

    inputs = dict(inputs or {})
    rng = torch.Generator().manual_seed(config.seed)
    window = _Window()
    done = 0
    if run.checkpoint.exists():
        state = run.load_checkpoint()
        _check_inputs(state.get("inputs", {}), inputs)
        system.load_state(state["adversaries"])
        rng.set_state(state["rng"])
        window.sums, window.count = state["window"], state["window_count"]
        done = state["iteration"]
    run.cut_metrics(done)

    def save() -> None:
        run.save_checkpoint(
            {
                "iteration": done,
                "class_names": list(class_names),
                "inputs": inputs,
                "adversaries": system.state(),
                "rng": rng.get_state(),
                "window": window.sums,
                "window_count": window.count,
            }
        )

    def preview(name: str) -> None:
        x = draw_samples(system.generator(), system.latent_dim)
        save_grid(run.samples / f"{name}.png", x, data.input_min, data.input_max)

    iterations = config.iterations or 0
    bar = tqdm(
        total=iterations,
        initial=done,
        desc=config.generator,
        unit="it",
        disable=not show_progress,
        smoothing=0.05,
    )
    with bar, DeferredInterrupt() as interrupt:
        while done < iterations:
            window.add(system.iterate(config.batch_size, rng))
            done += 1
            bar.update()
            if done % config.log_every == 0 or done == iterations:
                line = _checked({"iteration": done, **window.close()})
                run.append_metrics(line)
                bar.set_postfix({k: f"{v:.3g}" for k, v in line.items() if "loss" in k or k == "wasserstein"})
            if config.checkpoint_every and done % config.checkpoint_every == 0:
                save()
            if config.preview_every and done % config.preview_every == 0:
                preview(f"{done:06d}")
            if interrupt.pending:
                break
        save()
    preview("final")


def _check_inputs(kept: Mapping[str, str], given: Mapping[str, str]) -> None:
    """Raise TrainerError where a run would go on with something else than it was started with."""
    for name, digest in given.items():
        if kept.get(name, digest) != digest:
            raise TrainerError(
                f"cannot resume: the {name} changed since the run was started; put back what it was started with, or "
                "start another run folder"
            )


def _checked(line: dict[str, float]) -> dict[str, float]:
    """Return the line of metrics, or raise TrainerError where the training has diverged."""
    if all(math.isfinite(value) for value in line.values()):
        return line
    raise TrainerError(
        f"the losses diverged before iteration {line['iteration']:.0f}; start again in another run folder "
        "with a smaller --learning-rate or --precision float32"
    )


class _Window:
    """Sums of the losses since the last line of metrics."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.sums: dict[str, Any] = {}
        self.count = 0
        self._started = time.perf_counter()
        self._timed = 0

    def add(self, values: dict[str, torch.Tensor]) -> None:
        for name, value in values.items():
            self.sums[name] = self.sums[name] + value.double() if name in self.sums else value.double()
        self.count += 1
        self._timed += 1

    def close(self) -> dict[str, float]:
        """Return the means and the rate, and begin anew."""
        means = {name: float(total) / self.count for name, total in self.sums.items()}
        rate = self._timed / (time.perf_counter() - self._started)
        self._begin()
        return {**means, "iterations_per_second": rate}
