from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from google.protobuf import json_format
from PIL import Image
from torch import nn

import graphs
import trainer
from dowser.v1 import bundle_pb2
from samples import Preprocessing, open_samples
from trainer import TrainConfig, TrainerError, bundle
from trainer.data import open_training_data

BundleOf = Callable[[str, str, str], Path]
Tiny = Callable[..., TrainConfig]

KINDS = [
    *(("digits", generator, features) for generator in ("wgan-gp", "dcgan", "mlp")
      for features in ("pixels", "autoencoder", "critic")),
    *(("digits", generator, "critic") for generator in ("wgan-gp-resnet", "wgan-ct-resnet")),
    *(("vectors", "mlp", features) for features in ("pixels", "autoencoder", "critic")),
    *((pool, "gaussian", features) for pool in ("digits", "vectors") for features in ("pixels", "autoencoder")),
]  # fmt: skip


def manifest_of(folder: Path) -> bundle_pb2.BundleManifest:
    return json_format.Parse((folder / "manifest.json").read_text(), bundle_pb2.BundleManifest())


def session_of(path: Path) -> ort.InferenceSession:
    return ort.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(("pool", "generator", "features"), KINDS)
def test_a_bundle_keeps_its_manifests_promises(
    bundle_of: BundleOf, pool: str, generator: str, features: str
) -> None:
    folder = bundle_of(pool, generator, features)
    manifest = manifest_of(folder)
    assert (manifest.format, manifest.generator, manifest.features) == (1, generator, features)
    assert sorted(file.name for file in folder.iterdir()) == [
        "encoder.onnx", "generator.onnx", "manifest.json", "preview.png",
    ]  # fmt: skip
    for entry in manifest.files:
        content = (folder / entry.name).read_bytes()
        assert (entry.size_bytes, entry.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    shape = tuple(manifest.input_shape)
    assert graphs.check(folder / "generator.onnx", graphs.GraphKind.GENERATOR).has_pullback
    graphs.check(folder / "encoder.onnx", graphs.GraphKind.ENCODER)
    generate, encode = session_of(folder / "generator.onnx"), session_of(folder / "encoder.onnx")
    rng = np.random.default_rng(0)
    for batch in (1, manifest.latent_dim, 17):
        z = rng.normal(size=(batch, manifest.latent_dim)).astype(np.float32)
        x, dz = generate.run(["x", "dz"], {"z": z, "dx": np.ones((batch, *shape), np.float32)})
        (encoded,) = encode.run(["features"], {"x": x})
        assert (x.shape, dz.shape, encoded.shape) == ((batch, *shape), z.shape, (batch, manifest.feature_dim))
        assert x.min() >= manifest.input_min - 1e-6 and x.max() <= manifest.input_max + 1e-6
        assert np.abs(dz).max() > 0
    for name in ("generator_max_error", "generator_gradient_max_error", "encoder_max_error"):
        assert manifest.metrics[name] <= bundle.EXPORT_TOLERANCE
    assert manifest.training["seed"] == "0"
    assert set(manifest.versions) == {"dowser", "torch", "onnx", "onnxruntime"}
    with Image.open(folder / "preview.png") as preview:
        preview.verify()


def test_the_gradient_in_the_graph_is_the_slope_of_the_graph(bundle_of: BundleOf) -> None:
    generate = session_of(bundle_of("digits", "wgan-gp", "pixels") / "generator.onnx")
    rng = np.random.default_rng(1)
    z, direction = rng.normal(size=(2, 4, 12)).astype(np.float32)
    dx = rng.normal(size=(4, 1, 8, 8)).astype(np.float32)

    def value(z: np.ndarray) -> float:
        return float(
            (generate.run(["x"], {"z": z.astype(np.float32), "dx": dx})[0].astype(np.float64) * dx).sum()
        )

    step = 1e-3
    slope = (value(z + step * direction) - value(z - step * direction)) / (2 * step)
    (dz,) = generate.run(["dz"], {"z": z, "dx": dx})
    assert slope == pytest.approx(float((dz * direction).sum()), rel=0.05)


def test_the_manifests_preprocessing_leads_from_the_file_to_the_encoder(
    bundle_of: BundleOf, digits: Path
) -> None:
    folder = bundle_of("digits", "gaussian", "pixels")
    manifest = manifest_of(folder)
    preprocessing = Preprocessing.from_proto(manifest.preprocessing)
    x = preprocessing.to_input(open_samples(digits).read(0, 100))
    (features,) = session_of(folder / "encoder.onnx").run(["features"], {"x": x})
    assert features.shape == (100, 50)
    assert len(np.unique(features.round(4), axis=0)) == 100
    np.testing.assert_allclose(
        np.linalg.norm(features[1:] - features[:-1], axis=1),
        np.linalg.norm((x[1:] - x[:-1]).reshape(99, -1), axis=1),
        rtol=0.02,
    )


@pytest.mark.parametrize("shape", [(16, 32, 32, 3), (20, 3, 12, 20), (16, 64, 64)])
def test_other_image_shapes_make_bundles(tmp_path: Path, tiny: Tiny, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "pool.npy", np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    config = tiny(
        tmp_path / "pool.npy", features="autoencoder", iterations=1, width=4, autoencoder_iterations=2
    )
    manifest = manifest_of(trainer.train(config, show_progress=False))
    input_shape = open_training_data(config.data).input_shape
    assert tuple(manifest.input_shape) == input_shape
    assert manifest.feature_dim == shape[0] - 1  # fewer samples than feature_dim


def test_the_default_latent_of_gaussian_serves_a_pool_without_settings(digits: Path, tmp_path: Path) -> None:
    manifest = manifest_of(
        trainer.train(TrainConfig(data=digits, out=tmp_path / "b", generator="gaussian"), show_progress=False)
    )
    assert (manifest.latent_dim, manifest.feature_dim) == (33, 50)


def test_an_existing_bundle_is_not_overwritten(bundle_of: BundleOf, digits: Path, tiny: Tiny) -> None:
    folder = bundle_of("digits", "wgan-gp", "pixels")
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(TrainerError, match="exists already"):
        trainer.train(tiny(digits, out=folder), show_progress=False)
    assert (folder / "manifest.json").read_bytes() == before


@pytest.fixture
def parts(digits: Path, tiny: Tiny) -> tuple[bundle.Trained, TrainConfig]:
    generator = nn.Sequential(nn.Linear(12, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
    return bundle.Trained(generator=generator, encoder=encoder, latent_dim=12, metrics={}), tiny(
        digits
    ).resolved()


def test_nothing_is_written_when_torch_and_onnx_runtime_disagree(
    parts: tuple[bundle.Trained, TrainConfig], digits: Path
) -> None:
    class Drifting(nn.Module):
        """Gives something else each time it is run."""

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return z.repeat(1, 6)[:, :64].reshape(-1, 1, 8, 8) * (1 if z.requires_grad else 2)

    trained, config = parts
    broken = bundle.Trained(generator=Drifting(), encoder=trained.encoder, latent_dim=12, metrics={})
    with pytest.raises(TrainerError):
        bundle.write_bundle(config.out, broken, open_training_data(digits), config)
    assert list(config.out.parent.iterdir()) == []


def test_a_network_that_cannot_be_exported_is_named(
    parts: tuple[bundle.Trained, TrainConfig], digits: Path
) -> None:
    class Inverting(nn.Module):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return torch.linalg.inv(torch.eye(8) + z.mean()).expand(len(z), 1, 8, 8)

    trained, config = parts
    broken = bundle.Trained(generator=Inverting(), encoder=trained.encoder, latent_dim=12, metrics={})
    with pytest.raises(TrainerError, match=r"the export failed.*inv"):
        bundle.write_bundle(config.out, broken, open_training_data(digits), config)
    assert list(config.out.parent.iterdir()) == []
