"""Hold an exported graph against torch: values and vector-Jacobian products, under ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor, nn

from graphs.contract import SIGNATURES, GraphError, GraphErrorCode, GraphKind

TOLERANCE = 1e-4
"""Largest error allowed, relative to the largest absolute value of the tensor."""

ATTEMPTS = 3
"""Probes tried before a mismatch counts: a rounding difference right at a kink (ReLU, max) flips one
derivative."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What torch says for one input: float32 arrays by tensor name of the graph."""

    feeds: dict[str, npt.NDArray[np.float32]]
    expected: dict[str, npt.NDArray[np.float32]]


def make_probe(
    module: nn.Module,
    example: Tensor,
    batch: int,
    kind: GraphKind,
    output_names: Sequence[str],
    *,
    pullback: bool,
    seed: int,
) -> Probe:
    """Run torch on a random batch like the example: normal noise around the example's own samples."""
    generator = torch.Generator().manual_seed(seed)
    base = example.detach().to("cpu")
    rows = torch.randint(len(base), (batch,), generator=generator)
    spread = float(base.std()) if base.numel() > 1 else 0.0
    noise = torch.randn((batch, *base.shape[1:]), generator=generator) * (spread if spread > 1e-6 else 1.0)
    x = (base[rows] + noise).to(example.device).requires_grad_(pullback)
    names = SIGNATURES[kind]
    with torch.enable_grad() if pullback else torch.no_grad():
        result = module(x)
    outputs = result if isinstance(result, tuple) else (result,)
    feeds = {names.input: _numpy(x)}
    expected = {name: _numpy(value) for name, value in zip(output_names, outputs, strict=True)}
    if pullback and names.cotangent and names.gradient:
        cotangent = torch.randn(outputs[0].shape, generator=generator).to(example.device)
        (gradient,) = torch.autograd.grad(outputs[0], x, cotangent)
        feeds[names.cotangent] = _numpy(cotangent)
        expected[names.gradient] = _numpy(gradient)
    return Probe(feeds=feeds, expected=expected)


def verify_graph(
    model: onnx.ModelProto,
    module: nn.Module,
    example: Tensor,
    kind: GraphKind,
    output_names: Sequence[str],
    *,
    pullback: bool,
    batch_sizes: Sequence[int] = (1, 2, 5),
    tolerance: float = TOLERANCE,
    code: GraphErrorCode = GraphErrorCode.GRADIENT_MISMATCH,
) -> None:
    """Compare a graph with the module it came from.

    Raises:
        GraphError: `code`, with the tensor, batch size and error, if for some batch size all of `ATTEMPTS`
            random probes differ by more than `tolerance`.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise GraphError(code, f"ONNX Runtime cannot load the exported graph: {error}") from error
    for batch in batch_sizes:
        worst: tuple[float, str] = (0.0, "")
        for attempt in range(ATTEMPTS):
            probe = make_probe(
                module, example, batch, kind, output_names, pullback=pullback, seed=1000 * batch + attempt
            )
            try:
                results = session.run(list(probe.expected), probe.feeds)
            except Exception as error:
                raise GraphError(
                    code, f"ONNX Runtime fails at batch size {batch}: {error}", batch=batch
                ) from error
            worst = max(
                (relative_error(np.asarray(got), want), name)
                for got, (name, want) in zip(results, probe.expected.items(), strict=True)
            )
            if worst[0] <= tolerance:
                break
        else:
            raise GraphError(
                code,
                f"the graph's {worst[1]} differs from torch by {worst[0]:.2e} of its largest value at batch "
                f"size {batch}; the limit is {tolerance:.0e}",
                tensor=worst[1],
                batch=batch,
                error=f"{worst[0]:.3e}",
                limit=tolerance,
            )


def relative_error(got: npt.NDArray[np.float32], want: npt.NDArray[np.float32]) -> float:
    """Return the largest difference over the largest absolute value; infinite where shapes or NaNs differ."""
    if got.shape != want.shape:
        return float("inf")
    if want.size == 0:
        return 0.0
    error = float(np.abs(got - want).max() / max(float(np.abs(want).max()), 1e-12))
    return error if np.isfinite(error) else float("inf")


def _numpy(value: Tensor) -> npt.NDArray[np.float32]:
    return np.asarray(value.detach().cpu().numpy(), np.float32)
