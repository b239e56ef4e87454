from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from trainer import TrainConfig, TrainerError
from trainer.adversaries import calibrated
from trainer.data import TrainingData, open_training_data
from trainer.interrupts import DeferredInterrupt
from trainer.loop import train_system
from trainer.networks import build_networks
from trainer.runs import RunFolder, load_state, write_atomically
from trainer.supervision import Supervision
from trainer.systems import System, build_system

Tiny = Callable[..., TrainConfig]


def train_on(config: TrainConfig, data: TrainingData, run: RunFolder) -> System:
    system = build_system(config, data, Supervision())
    assert system is not None
    train_system(system, config, data, run, show_progress=False)
    return system


def run_to(config: TrainConfig, iterations: int) -> RunFolder:
    config = replace(config.resolved(), iterations=iterations)
    run = RunFolder(config.run_folder)
    run.start(config)
    train_on(config, open_training_data(config.data), run)
    return run


def losses_of(run: RunFolder) -> list[dict[str, float]]:
    return [{k: v for k, v in line.items() if k != "iterations_per_second"} for line in run.read_metrics()]


def assert_same_state(first: object, second: object) -> None:
    assert type(first) is type(second)
    if isinstance(first, dict) and isinstance(second, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_same_state(first[key], second[key])
    elif isinstance(first, list) and isinstance(second, list):
        for one, other in zip(first, second, strict=True):
            assert_same_state(one, other)
    elif isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        assert torch.equal(first, second)
    else:
        assert first == second


class InterruptedData(TrainingData):
    """A pool whose seventh batch is read just as Ctrl-C is pressed."""

    def take(self, rows: np.ndarray) -> np.ndarray:
        reads.append(1)
        if len(reads) == 7:
            os.kill(os.getpid(), signal.SIGINT)
        return super().take(rows)


reads: list[int] = []


def test_ctrl_c_finishes_the_iteration_and_loses_nothing(digits: Path, tiny: Tiny) -> None:
    whole = run_to(tiny(digits), 5)
    config = tiny(digits).resolved()
    run = RunFolder(config.run_folder)
    run.start(config)
    pool = open_training_data(digits)
    data = InterruptedData(**{field.name: getattr(pool, field.name) for field in fields(pool)})
    reads.clear()
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train_on(config, data, run)
    assert signal.getsignal(signal.SIGINT) is handler
    assert run.load_checkpoint()["iteration"] == 2  # five batches an iteration
    run_to(replace(config, resume=True), 5)
    assert_same_state(run.load_checkpoint(), whole.load_checkpoint())


def test_a_signal_after_the_last_iteration_is_not_lost() -> None:
    with pytest.raises(KeyboardInterrupt), DeferredInterrupt():
        os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(ZeroDivisionError), DeferredInterrupt():
        os.kill(os.getpid(), signal.SIGTERM)
        raise ZeroDivisionError


@pytest.mark.parametrize("generator", ["wgan-gp", "dcgan", "wgan-gp-resnet", "wgan-ct-resnet", "mlp", "vae"])
def test_a_resumed_run_equals_an_uninterrupted_one(digits: Path, tiny: Tiny, generator: str) -> None:
    whole = run_to(tiny(digits, generator=generator, log_every=4), 10)
    config = tiny(digits, generator=generator, log_every=4)
    run_to(config, 5)
    halves = run_to(replace(config, resume=True), 10)
    first, second = whole.load_checkpoint(), halves.load_checkpoint()
    assert_same_state(first, second)
    # Stopping closed a line of metrics at iteration 5; all whole lines after that are the same.
    assert [line["iteration"] for line in losses_of(whole)] == [4, 8, 10]
    assert losses_of(halves)[0] == losses_of(whole)[0]
    assert losses_of(halves)[-1] == losses_of(whole)[-1]


def test_a_run_killed_between_checkpoints_repeats_the_lost_lines(digits: Path, tiny: Tiny) -> None:
    config = tiny(digits, log_every=3, checkpoint_every=4)
    run = run_to(config, 4)
    kept = run.checkpoint.read_bytes()
    run_to(replace(config, resume=True), 9)
    wanted = losses_of(run)
    run.checkpoint.write_bytes(kept)  # as if killed after logging iteration 9, before its checkpoint
    with run.metrics.open("a") as file:
        file.write('{"iteration": 12, "crit')
    assert losses_of(run) == wanted
    run_to(replace(config, resume=True), 9)
    assert losses_of(run) == wanted


def test_the_seed_decides_the_result(digits: Path, tiny: Tiny) -> None:
    runs = [run_to(tiny(digits, seed=seed), 3).load_checkpoint() for seed in (1, 1, 2)]
    assert_same_state(runs[0], runs[1])
    assert not torch.equal(
        runs[0]["adversaries"]["generator"]["0.weight"], runs[2]["adversaries"]["generator"]["0.weight"]
    )


def test_the_loop_leaves_metrics_and_sample_grids(digits: Path, tiny: Tiny) -> None:
    run = run_to(tiny(digits, preview_every=2), 4)
    assert sorted(file.name for file in run.samples.iterdir()) == ["000002.png", "000004.png", "final.png"]
    with Image.open(run.samples / "final.png") as grid:
        assert grid.mode == "L" and min(grid.size) >= 384
    line = run.read_metrics()[-1]
    assert {"iteration", "critic_loss", "wasserstein", "gradient_penalty", "generator_loss"} < line.keys()
    assert json.loads((run.path / "config.json").read_text())["seed"] == 0


def test_a_run_is_not_overwritten_nor_resumed_with_other_settings(digits: Path, tiny: Tiny) -> None:
    config = tiny(digits)
    run_to(config, 2)
    with pytest.raises(TrainerError, match="pass --resume"):
        run_to(config, 4)
    with pytest.raises(TrainerError, match="batch_size=16, now batch_size=8"):
        run_to(replace(config, resume=True, batch_size=8), 4)


def test_a_run_is_not_resumed_to_an_iteration_it_has_passed(digits: Path, tiny: Tiny) -> None:
    config = tiny(digits)
    run = run_to(config, 4)
    with pytest.raises(TrainerError, match=r"at iteration 4 already, beyond the 2.*--iterations 4"):
        run_to(replace(config, resume=True), 2)
    assert run.config().iterations == 4


def test_a_start_that_was_killed_is_started_again(digits: Path, tiny: Tiny) -> None:
    config = tiny(digits)
    config.run_folder.mkdir()
    (config.run_folder / ".config.json.tmp").write_text('{"da')
    assert run_to(config, 1).load_checkpoint()["iteration"] == 1


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")

    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        write_atomically(tmp_path / "file", fail)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("file", "old")]


def test_a_folder_of_something_else_is_left_alone(digits: Path, tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("keep me")
    with pytest.raises(TrainerError, match="not a training run"):
        run_to(tiny(digits, run=tmp_path), 2)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(TrainerError, match=r"checkpoint\.pt: damaged"):
        load_state(tmp_path / "checkpoint.pt")


def test_divergence_stops_the_run_with_advice(vectors: Path, tiny: Tiny) -> None:
    config = tiny(vectors, generator="mlp")
    run = run_to(config, 2)
    state = run.load_checkpoint()
    state["adversaries"]["critic"]["head.bias"].fill_(float("inf"))
    run.save_checkpoint(state)
    with pytest.raises(TrainerError, match=r"diverged.*--learning-rate"):
        run_to(replace(config, resume=True), 4)
    assert run.read_metrics()[-1]["iteration"] == 2


def test_the_calibrated_generator_has_the_statistics_of_its_own_weights() -> None:
    generator = build_networks("wgan-gp", (1, 8, 8), latent_dim=5, width=2, seed=0).generator
    with torch.no_grad():
        generator[0].weight.mul_(7)  # the running statistics know nothing of this
    z = torch.randn(4096, 5)
    inner = calibrated(generator, 5)[:2](z)
    torch.testing.assert_close(inner.std(dim=0), torch.ones(inner.shape[1]), atol=0.05, rtol=0)
    assert generator.training and not calibrated(generator, 5).training
    assert torch.equal(calibrated(generator, 5)(z[:8]), calibrated(generator, 5)(z[:8]))


def test_bfloat16_keeps_weights_and_losses_in_float32(digits: Path, tiny: Tiny) -> None:
    run = run_to(tiny(digits, precision="bfloat16"), 3)
    weights = run.load_checkpoint()["adversaries"]["generator"]
    assert {value.dtype for value in weights.values() if value.is_floating_point()} == {torch.float32}
    assert np.isfinite(run.read_metrics()[-1]["gradient_penalty"])


def test_an_mlp_learns_two_separate_clusters(tmp_path: Path, tiny: Tiny) -> None:
    rng = np.random.default_rng(0)
    side = rng.integers(0, 2, (2000, 1)) * 2 - 1
    np.save(
        tmp_path / "pool.npy", (side * [30, 1] + rng.normal(size=(2000, 2)) + [100, 0]).astype(np.float32)
    )
    config = tiny(
        tmp_path / "pool.npy", generator="mlp", width=48, latent_dim=4, batch_size=64, learning_rate=2e-3
    )
    config = replace(config, iterations=300, run=config.run_folder)
    data = open_training_data(config.data)
    run = RunFolder(config.run_folder)
    run.start(config)
    generator: nn.Module = train_on(config, data, run).generator()
    with torch.no_grad():
        x = generator(torch.randn(1000, 4)).numpy()
    left, right = (np.abs(x[:, 0] - center) < 10 for center in (70, 130))
    assert left.mean() > 0.25 and right.mean() > 0.25
    assert (left | right).mean() > 0.7
