"""Writes a bundle: generator.onnx with its pullback, encoder.onnx, preview.png and manifest.json.

A generator that comes with an encoder to its latents has that in posterior.onnx: x -> mean latents [B, Z - C]. With the
C classes behind them (`trainer.networks.conditional`), generator(posterior(x)) reconstructs a sample.

Nothing appears under the bundle's name until torch and ONNX Runtime agree on values and gradients within
`EXPORT_TOLERANCE`; the errors measured are in the manifest's metrics.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

import graphs
from graphs.export.verify import relative_error
from trainer.config import TrainConfig
from trainer.data import TrainingData
from trainer.errors import TrainerError
from trainer.networks.folding import fold_batch_norms
from trainer.preview import draw_samples, save_grid

if TYPE_CHECKING:
    from dowser.v1 import bundle_pb2

FORMAT = 1
EXPORT_TOLERANCE = 1e-4
"""Largest difference between torch and ONNX Runtime, relative to the largest absolute value of the tensor."""

# A rounding difference right at a kink (ReLU, clamp) flips one derivative: a mismatch counts if all probes show it.
_PROBES = 3
_PROBE_ROWS = 7


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a bundle is made of.

    Attributes:
        generator: z [B, Z] -> x [B, *input_shape], in eval mode on the CPU.
        encoder: x -> features [B, D], in eval mode on the CPU; or the graph of an earlier bundle, kept byte for byte.
        latent_dim: Z.
        metrics: final metrics of training.
        posterior: x -> mean of the latents [B, Z - C], in eval mode on the CPU; None where nothing infers them.
        class_names: the C classes of the generator's last latents, where samples are reconstructed with their class.
    """

    generator: nn.Module
    encoder: nn.Module | bytes
    latent_dim: int
    metrics: Mapping[str, float]
    posterior: nn.Module | None = None
    class_names: tuple[str, ...] = ()


def check_free(out: Path) -> None:
    """Raise TrainerError if `out` is taken."""
    if out.exists():
        raise TrainerError(f"{out}: exists already; remove it, or choose another --out folder")


def write_bundle(out: Path, trained: Trained, data: TrainingData, config: TrainConfig) -> Path:
    """Export, verify and write the bundle as a whole; return `out`.

    Raises:
        TrainerError: if `out` exists, a network cannot be exported, or torch and ONNX Runtime disagree.
    """
    check_free(out)
    temporary = out.with_name(f".{out.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        errors = _export_graphs(temporary, trained, data)
        x = draw_samples(trained.generator, trained.latent_dim)
        save_grid(temporary / "preview.png", x, data.input_min, data.input_max)
        _write_manifest(temporary, trained, data, config, {**trained.metrics, **errors})
        temporary.rename(out)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return out


def read_manifest(folder: Path) -> bundle_pb2.BundleManifest:
    """Read the manifest of a bundle.

    Raises:
        TrainerError: if there is none, or it is no manifest.
    """
    from google.protobuf import json_format

    from dowser.v1 import bundle_pb2

    path = folder / "manifest.json"
    try:
        return json_format.Parse(path.read_text(encoding="utf-8"), bundle_pb2.BundleManifest())
    except (OSError, UnicodeDecodeError, json_format.ParseError) as error:
        raise TrainerError(
            f"{path}: not the manifest of a bundle: {error}; name the bundle whose encoder is kept with --bundle"
        ) from error


def read_encoder(folder: Path, manifest: bundle_pb2.BundleManifest) -> bytes:
    """Return the bytes of a bundle's encoder.onnx.

    Raises:
        TrainerError: if they are not what the manifest promises.
    """
    path = folder / "encoder.onnx"
    promised = [entry.sha256 for entry in manifest.files if entry.name == path.name]
    content = path.read_bytes() if path.is_file() else b""
    if promised != [hashlib.sha256(content).hexdigest()]:
        raise TrainerError(f"{path}: missing, or not the file its manifest names; restore the bundle")
    return content


def _export_graphs(folder: Path, trained: Trained, data: TrainingData) -> dict[str, float]:
    """Write both graphs and return the errors measured against torch."""
    z = torch.randn(_PROBE_ROWS, trained.latent_dim, generator=torch.Generator().manual_seed(1))
    x = torch.from_numpy(data.take(np.arange(min(_PROBE_ROWS, len(data)))))
    try:
        generator = graphs.export_pullback(
            fold_batch_norms(trained.generator),
            z,
            kind=graphs.GraphKind.GENERATOR,
            tolerance=EXPORT_TOLERANCE,
        ).SerializeToString()
        errors = _generator_errors(generator, trained)
        if isinstance(trained.encoder, bytes):
            encoder = trained.encoder
        else:
            encoder = _encoder_graph(trained.encoder, x)
            errors |= _encoder_errors(encoder, trained.encoder, data)
        if trained.posterior is not None:
            (folder / "posterior.onnx").write_bytes(_encoder_graph(trained.posterior, x))
    except graphs.GraphError as error:
        raise TrainerError(f"the export failed: {error}") from error
    (folder / "generator.onnx").write_bytes(generator)
    (folder / "encoder.onnx").write_bytes(encoder)
    return errors


def _encoder_graph(module: nn.Module, x: Tensor) -> bytes:
    """Export x [B, ...] -> features [B, D]."""
    graph = graphs.export_forward(
        fold_batch_norms(module), x, kind=graphs.GraphKind.ENCODER, tolerance=EXPORT_TOLERANCE
    )
    return graph.SerializeToString()


def _generator_errors(graph: bytes, trained: Trained) -> dict[str, float]:
    """Compare x and dz of the graph with those of the module before its batch norms were folded."""
    session = _session(graph)

    def probe(rng: torch.Generator) -> dict[str, float]:
        z = torch.randn(_PROBE_ROWS, trained.latent_dim, generator=rng).requires_grad_(True)
        x: Tensor = trained.generator(z)
        dx = torch.randn(x.shape, generator=rng)
        (dz,) = torch.autograd.grad(x, z, dx)
        graph_x, graph_dz = session.run(["x", "dz"], {"z": z.detach().numpy(), "dx": dx.numpy()})
        return {
            "generator_max_error": relative_error(graph_x, x.detach().numpy()),
            "generator_gradient_max_error": relative_error(graph_dz, dz.numpy()),
        }

    return _best_probe(probe)


def _encoder_errors(graph: bytes, encoder: nn.Module, data: TrainingData) -> dict[str, float]:
    session = _session(graph)

    def probe(rng: torch.Generator) -> dict[str, float]:
        rows = torch.randint(len(data), (_PROBE_ROWS,), generator=rng).numpy()
        x = data.take(rows)
        with torch.no_grad():
            features = encoder(torch.from_numpy(x)).numpy()
        (graph_features,) = session.run(["features"], {"x": x})
        return {"encoder_max_error": relative_error(graph_features, features)}

    return _best_probe(probe)


def _best_probe(probe: Callable[[torch.Generator], dict[str, float]]) -> dict[str, float]:
    """Return the errors of the first probe within tolerance.

    Raises:
        TrainerError: if none is.
    """
    errors: dict[str, float] = {}
    for seed in range(_PROBES):
        errors = probe(torch.Generator().manual_seed(seed))
        if max(errors.values()) <= EXPORT_TOLERANCE:
            return errors
    name, worst = max(errors.items(), key=lambda item: item[1])
    raise TrainerError(
        f"torch and ONNX Runtime disagree: {name} is {worst:.2e}, the limit is {EXPORT_TOLERANCE:g}; no bundle written"
    )


def _session(graph: bytes) -> Any:  # onnxruntime has no types
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _write_manifest(
    folder: Path, trained: Trained, data: TrainingData, config: TrainConfig, metrics: Mapping[str, float]
) -> None:
    from google.protobuf import json_format

    from dowser.v1 import bundle_pb2

    encoder = _session((folder / "encoder.onnx").read_bytes())
    (features,) = encoder.run(["features"], {"x": data.take(np.arange(1))})
    names = ["generator.onnx", "encoder.onnx", "preview.png"]
    if trained.posterior is not None:
        names.append("posterior.onnx")
    manifest = bundle_pb2.BundleManifest(
        format=FORMAT,
        created_unix_seconds=int(time.time()),
        input_shape=data.input_shape,
        input_min=data.input_min,
        input_max=data.input_max,
        preprocessing=data.preprocessing.to_proto(),
        latent_dim=trained.latent_dim,
        feature_dim=features.shape[1],
        generator=config.generator,
        features=config.features,
        files=[_file_entry(folder / name) for name in names],
        training=config.flat(),
        metrics={name: float(value) for name, value in metrics.items()},
        versions=_versions(),
        posterior_dim=trained.latent_dim - len(trained.class_names) if trained.posterior is not None else 0,
        class_names=trained.class_names,
    )
    (folder / "manifest.json").write_text(
        json_format.MessageToJson(manifest, preserving_proto_field_name=True)
    )


def _file_entry(path: Path) -> bundle_pb2.FileEntry:
    from dowser.v1 import bundle_pb2

    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return bundle_pb2.FileEntry(name=path.name, size_bytes=len(content), sha256=digest)


def _versions() -> dict[str, str]:
    import importlib.metadata

    names = {"dowser": "dowser-al", "torch": "torch", "onnx": "onnx", "onnxruntime": "onnxruntime"}
    versions = {}
    for name, distribution in names.items():
        try:
            versions[name] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:  # the GPU flavor is another distribution
            versions[name] = "unknown"
    return versions
