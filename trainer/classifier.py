"""The classifier that was trained along with a generator, exported beside it with masks of its dropout for BALD."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from trainer.data import TrainingData
from trainer.errors import TrainerError
from trainer.runs import RunFolder, write_atomically

MC_PASSES = 20
"""Dropout masks of the exported classifier."""

CLASSIFIER = "classifier.onnx"
"""In the run's folder: the classifier with its dropout masks, ready to upload."""


def export_classifier(classifier: nn.Module, data: TrainingData, *, seed: int) -> bytes:
    """Return the classifier as ONNX with its gradient and `MC_PASSES` fixed dropout masks, ready to upload.

    Raises:
        TrainerError: if the export fails.
    """
    import graphs

    example = torch.from_numpy(data.take(np.arange(4)))
    try:
        fixed = graphs.fix_dropout(classifier, MC_PASSES, seed, example)
        return graphs.export_pullback(fixed, example, kind=graphs.GraphKind.CLASSIFIER).SerializeToString()
    except graphs.GraphError as error:
        raise TrainerError(f"the export of the classifier failed: {error}") from error


def write_classifier(classifier: nn.Module, data: TrainingData, run: RunFolder, *, seed: int) -> None:
    """Leave the classifier in the run's folder, in place of an older one."""
    exported = export_classifier(classifier, data, seed=seed)
    write_atomically(run.path / CLASSIFIER, lambda path: path.write_bytes(exported))
