"""A torch classifier as one ONNX graph with its gradient, ready for `Client.upload_classifier`.

Needs the extra "export" (torch and the onnx packages); nothing of it is imported before the first call.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from client.errors import MissingExtraError

if TYPE_CHECKING:
    import onnx
    import torch

Example: TypeAlias = "Sequence[int] | NDArray[Any] | torch.Tensor"
"""What shows the input: the shape of one x without the batch (`pool.input_shape`), or a batch of inputs."""

Network: TypeAlias = "torch.nn.Module | Sequence[torch.nn.Module]"
"""A classifier, or the members of an ensemble of them."""


def export_classifier(
    module: Network,
    example: Example,
    *,
    passes: int | None = None,
    preprocess: torch.nn.Module | None = None,
    seed: int = 0,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """Export a classifier together with its gradient, compared with torch before it is returned.

    Args:
        module: Maps x [B, *input_shape] to logits [B, C], or to (logits, embedding [B, E]). It is exported as
            in eval mode and keeps its own. Several modules (a list, or a `torch.nn.ModuleList`) are a deep
            ensemble with logits [T, B, C], one pass a member. Ensembles and passes leave embeddings out.
        example: The shape of one input x (`pool.input_shape`), or a batch of real inputs.
        passes: Keep dropout on, as T fixed masks (Monte Carlo dropout); None is the plain eval mode.
        preprocess: Applied in front, where the network wants another range or size than the pool's x.
        seed: Seed of the dropout masks.
        metadata: Written to the graph, for the reader of an upload.

    Returns:
        The ONNX graph.

    Raises:
        graphs.GraphError: The module has a layer that cannot be differentiated here; it is named.
        ValueError: There are passes but no dropout, passes of an ensemble, or an ensemble of fewer than 2.
        MissingExtraError: The packages for exporting are not installed.
    """
    exporter = ClassifierExporter(example, passes=passes, preprocess=preprocess, seed=seed, metadata=metadata)
    return exporter(module)


class ClassifierExporter:
    """Exports a classifier that is retrained every round: in full once, then only its new weights.

    A full export traces the module and takes seconds; new weights in the old graph, milliseconds. A module
    that does not fit the graph of the round before (another architecture) is exported in full again.

    Takes what `export_classifier` takes.
    """

    def __init__(
        self,
        example: Example,
        *,
        passes: int | None = None,
        preprocess: torch.nn.Module | None = None,
        seed: int = 0,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self._example = example
        self._passes = passes
        self._preprocess = preprocess
        self._seed = seed
        self._metadata = metadata
        self._previous: onnx.ModelProto | None = None
        self.refreshed = False  # whether the last export only renewed the weights

    def __call__(self, module: Network) -> bytes:
        """Return the ONNX graph of a module or an ensemble; raises what `export_classifier` does."""
        graphs = _require_graphs()
        module = self._single(module)
        example = _as_tensor(self._example, module)
        whole = self._whole(module, example)
        model: onnx.ModelProto | None = None
        if self._previous is not None:
            try:
                model = graphs.refresh(self._previous, whole, example=example)
            except graphs.GraphError:
                model = None
        self.refreshed = model is not None
        if model is None:
            model = graphs.export_pullback(
                whole, example, kind=graphs.GraphKind.CLASSIFIER, metadata=self._metadata
            )
        self._previous = model
        return model.SerializeToString()

    def _single(self, module: Network) -> torch.nn.Module:
        """Make the members of an ensemble one module."""
        import torch

        if isinstance(module, torch.nn.Module) and not isinstance(module, torch.nn.ModuleList):
            return module
        if self._passes is not None:
            raise ValueError("an ensemble makes one pass a member; export it without passes")
        ensemble: torch.nn.Module = _require_graphs().Ensemble(module)
        return ensemble

    def _whole(self, module: torch.nn.Module, example: torch.Tensor) -> torch.nn.Module:
        """Put the preprocessing in front and fix the dropout masks."""
        import torch

        whole = module if self._preprocess is None else torch.nn.Sequential(self._preprocess, module)
        if self._passes is None:
            return whole
        fixed: torch.nn.Module = _require_graphs().fix_dropout(whole, self._passes, self._seed, example)
        return fixed


def _as_tensor(example: Example, module: torch.nn.Module) -> torch.Tensor:
    """Return a float32 batch on the module's device; noise where only a shape is known."""
    import torch

    device = next((weight.device for weight in module.parameters()), torch.device("cpu"))
    if isinstance(example, torch.Tensor):
        return example.to(device)
    if isinstance(example, np.ndarray):
        return torch.from_numpy(example.astype(np.float32)).to(device)
    return torch.randn(4, *example, generator=torch.Generator().manual_seed(0)).to(device)


def _require_graphs() -> Any:
    """Import the exporter.

    Raises:
        MissingExtraError: A package it needs is not installed.
    """
    try:
        for name in ("onnx", "onnxruntime", "onnxscript", "torch"):
            importlib.import_module(name)
        import graphs
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f'exporting a classifier needs {error.name}; install it with: pip install "dowser-al[export]"',
            name=error.name,
        ) from error
    return graphs
