"""The adversarial training loop: seeded, logged, checkpointed, and exact on resume.

A run that was stopped and resumed makes the very same updates as one that was not: the checkpoint carries weights,
both optimizers, the random state and the sums of the unfinished line of metrics.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import nn

from trainer.adversaries import Adversaries, calibrated
from trainer.config import TrainConfig
from trainer.data import TrainingData
from trainer.devices import choose_device, choose_precision
from trainer.errors import TrainerError
from trainer.interrupts import DeferredInterrupt
from trainer.networks import build_networks
from trainer.networks.build import Destandardize, Standardize
from trainer.preview import draw_samples, save_grid
from trainer.rarity import Rarity
from trainer.runs import RunFolder


class Trainable(Protocol):
    """What `run_iterations` needs of networks in training."""

    latent_dim: int

    def state(self) -> dict[str, Any]:
        """Return everything a checkpoint needs."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""


def build_adversaries(config: TrainConfig, data_shape: tuple[int, ...], class_count: int = 0) -> Adversaries:
    """Return the GAN of a resolved configuration, of `class_count` classes or none, at its first iteration."""
    device = choose_device(config.device)
    networks = build_networks(
        config.generator,
        data_shape,
        config.latent_dim or 0,
        config.width or 0,
        seed=config.seed,
        class_count=class_count,
    )
    return Adversaries(
        networks,
        kind=config.generator,
        latent_dim=config.latent_dim or 0,
        learning_rate=config.learning_rate or 0.0,
        device=device,
        precision=torch.float32 if config.generator == "mlp" else choose_precision(config.precision, device),
        class_count=class_count,
    )


def finished_generator(adversaries: Adversaries, data: TrainingData, kind: str) -> nn.Module:
    """Return z [B, Z] -> x on the pool's scale: the averaged weights, calibrated, in eval mode on the CPU."""
    generator = calibrated(adversaries.averaged, adversaries.latent_dim)
    if kind != "mlp":
        return generator
    scale = Destandardize(
        torch.from_numpy(data.mean), torch.from_numpy(data.std), data.input_min, data.input_max
    )
    return nn.Sequential(generator, scale).eval()


def finished_critic_features(adversaries: Adversaries, data: TrainingData, kind: str) -> nn.Module:
    """Return x on the pool's scale -> the critic's last hidden layer [B, hidden_dim], in eval mode on the CPU."""
    hidden: nn.Module = copy.deepcopy(adversaries.critic.hidden).to("cpu").eval().requires_grad_(False)
    if kind != "mlp":
        return hidden
    return nn.Sequential(Standardize(torch.from_numpy(data.mean), torch.from_numpy(data.std)), hidden).eval()


def train_gan(
    config: TrainConfig,
    data: TrainingData,
    run: RunFolder,
    *,
    rarity: Rarity | None = None,
    show_progress: bool = True,
) -> Adversaries:
    """Train from scratch, or from the run's checkpoint, until `config.iterations`; leave a final checkpoint.

    Args:
        config: resolved.
        data: the pool.
        run: started; gets checkpoints, metrics and sample grids.
        rarity: how often each sample is drawn, and its class where `config.conditional`; None draws uniformly.
        show_progress: draw a progress bar on stderr.

    Raises:
        TrainerError: if the losses diverge, or the networks do not fit the samples.
        KeyboardInterrupt: on SIGINT or SIGTERM, after the iteration and with a checkpoint.
    """
    class_names = rarity.class_names if rarity is not None and config.conditional else ()
    adversaries = build_adversaries(config, data.input_shape, len(class_names))
    run_iterations(
        adversaries,
        config,
        data,
        run,
        iterate=lambda rng: _iterate(adversaries, data, config, rng, rarity),
        finished=lambda: finished_generator(adversaries, data, config.generator),
        class_names=class_names,
        show_progress=show_progress,
    )
    return adversaries


def run_iterations(
    system: Trainable,
    config: TrainConfig,
    data: TrainingData,
    run: RunFolder,
    *,
    iterate: Callable[[torch.Generator], dict[str, torch.Tensor]],
    finished: Callable[[], nn.Module],
    class_names: Sequence[str] = (),
    show_progress: bool = True,
) -> None:
    """Iterate from the run's checkpoint, or from the start, until `config.iterations`; leave a final checkpoint.

    Args:
        system: what is trained, as it was built.
        config: resolved.
        data: the pool.
        run: started; gets checkpoints, metrics and sample grids.
        iterate: makes one iteration and returns its losses, scalars.
        finished: returns the generator as it would be exported now.
        class_names: kept in the checkpoint.
        show_progress: draw a progress bar on stderr.

    Raises:
        TrainerError: if the losses diverge.
        KeyboardInterrupt: on SIGINT or SIGTERM, after the iteration and with a checkpoint.
    """
    from tqdm import tqdm

    rng = torch.Generator().manual_seed(config.seed)
    window = _Window()
    done = 0
    if run.checkpoint.exists():
        state = run.load_checkpoint()
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
                "adversaries": system.state(),
                "rng": rng.get_state(),
                "window": window.sums,
                "window_count": window.count,
            }
        )

    def preview(name: str) -> None:
        x = draw_samples(finished(), system.latent_dim)
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
            window.add(iterate(rng))
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
                save()
                raise KeyboardInterrupt
    save()
    preview("final")


def _checked(line: dict[str, float]) -> dict[str, float]:
    """Return the line of metrics, or raise TrainerError where the training has diverged."""
    if all(math.isfinite(value) for value in line.values()):
        return line
    raise TrainerError(
        f"the losses diverged before iteration {line['iteration']:.0f}; start again in another run folder "
        "with a smaller --learning-rate or --precision float32"
    )


def _iterate(
    adversaries: Adversaries,
    data: TrainingData,
    config: TrainConfig,
    rng: torch.Generator,
    rarity: Rarity | None,
) -> dict[str, torch.Tensor]:
    """Update the critic `critic_steps` times and the generator once; return the last losses of each."""
    shape = (adversaries.critic_steps, config.batch_size)
    if rarity is None:
        rows = torch.randint(len(data), shape, generator=rng).numpy()
    else:
        rows = rarity.rows(torch.rand(shape, generator=rng, dtype=torch.float64).numpy())
    measured: dict[str, torch.Tensor] = {}
    for step_rows in rows:
        real = data.take(step_rows)
        if config.generator == "mlp":
            real = (real - data.mean) / data.std
        classes = None if rarity is None else torch.from_numpy(rarity.classes[step_rows])
        measured |= adversaries.update_critic(torch.from_numpy(real).to(adversaries.device), rng, classes)
    return measured | adversaries.update_generator(config.batch_size, rng)


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
