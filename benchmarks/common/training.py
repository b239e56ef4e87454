"""``dowser-trainer train`` as recipes call it: once a bundle, and on from where it was interrupted."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.common.processes import run_tool

_WITHOUT_CHECKPOINTS = "gaussian"  # it takes seconds


def train_bundle(data: Path, training: Mapping[str, Any], *, run: Path, bundle: Path) -> None:
    """Train a bundle unless it is there.

    Args:
        data: The pool's file.
        training: Options of the command, by their names without dashes before them; "generator" among them.
        run: Folder of its checkpoints.
        bundle: Folder of the bundle.
    """
    if bundle.exists():
        return
    options = [str(part) for name, value in training.items() for part in (f"--{name}", value)]
    if training["generator"] == _WITHOUT_CHECKPOINTS:
        shutil.rmtree(run, ignore_errors=True)
    elif (run / "config.json").exists():
        options.append("--resume")
    run_tool("dowser-trainer", "train", "--data", data, "--run", run, "--out", bundle, *options)
