"""A run folder: config.json, checkpoint.pt, metrics.jsonl, samples/*.png. Files appear whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trainer.config import TrainConfig
from trainer.errors import TrainerError


class RunFolder:
    """The files of one training run.

    Args:
        path: the folder; made by `start`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint = path / "checkpoint.pt"
        self.metrics = path / "metrics.jsonl"
        self.samples = path / "samples"
        self._config = path / "config.json"
        self._config_draft = _draft_of(self._config).name  # of a start that was killed

    def start(self, config: TrainConfig) -> bool:
        """Make the folder, or go on in it; return whether a checkpoint is there to resume from.

        Raises:
            TrainerError: if the folder holds another run, one to resume without `config.resume`, or one that went on
                further than `config.iterations`.
        """
        if self._config.exists():
            if not config.resume:
                raise TrainerError(
                    f"{self.path}: holds a run already; pass --resume to go on with it, or choose another --run folder"
                )
            config.check_resumes(self.config())
            self._check_reaches(config.iterations)
        elif self.path.exists() and any(file.name != self._config_draft for file in self.path.iterdir()):
            raise TrainerError(
                f"{self.path}: is not empty and not a training run; choose another --run folder"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomically(self._config, lambda path: path.write_text(config.to_json()))
        self.samples.mkdir(exist_ok=True)
        return self.checkpoint.exists()

    def _check_reaches(self, iterations: int | None) -> None:
        """Raise TrainerError if the run went further already: a bundle would say that it had not."""
        done = self.load_checkpoint()["iteration"] if self.checkpoint.exists() else 0
        if iterations is not None and done > iterations:
            raise TrainerError(
                f"{self.path}: the run is at iteration {done} already, beyond the {iterations} asked for; pass "
                f"--iterations {done} or more, or write a bundle of it as it is with dowser-trainer export"
            )

    def config(self) -> TrainConfig:
        """Return the settings the run was started with.

        Raises:
            TrainerError: if this is no run folder, or of a version that has other settings.
        """
        if not self._config.exists():
            raise TrainerError(f"{self.path}: not a training run (no config.json)")
        try:
            return TrainConfig.from_json(self._config.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, TrainerError) as error:
            raise TrainerError(f"{self._config}: {error}") from error

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint; a crash leaves the old one."""
        import torch

        write_atomically(self.checkpoint, lambda path: torch.save(dict(state), path))

    def load_checkpoint(self) -> dict[str, Any]:
        """Return what `save_checkpoint` was given, on the CPU.

        Raises:
            TrainerError: if there is none, or it cannot be read.
        """
        return load_state(self.checkpoint)

    def append_metrics(self, line: Mapping[str, float]) -> None:
        """Add one line to metrics.jsonl."""
        with self.metrics.open("a") as file:
            file.write(json.dumps(dict(line)) + "\n")

    def read_metrics(self) -> list[dict[str, float]]:
        """Return the lines of metrics.jsonl, up to one that a crash has torn."""
        lines: list[dict[str, float]] = []
        for text in self.metrics.read_text().splitlines() if self.metrics.exists() else []:
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                break
            lines.append(line)
        return lines

    def cut_metrics(self, iteration: int) -> None:
        """Drop the lines after `iteration`, which a resumed run will write again, and a torn last line."""
        kept = [json.dumps(line) + "\n" for line in self.read_metrics() if line["iteration"] <= iteration]
        write_atomically(self.metrics, lambda path: path.write_text("".join(kept)))


def load_state(path: Path) -> dict[str, Any]:
    """Return a dictionary that torch.save wrote, read without executing anything in it.

    Raises:
        TrainerError: if the file is missing or damaged.
    """
    import pickle

    import torch

    if not path.exists():
        raise TrainerError(f"{path}: no such file; the run has not reached its first checkpoint")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise TrainerError(f"{path}: damaged or not a checkpoint: {error}") from error
    return state


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a file beside `path`, then move it there; where it fails, nothing is left of it."""
    draft = _draft_of(path)
    try:
        write(draft)
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")
