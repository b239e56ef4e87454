"""M2: its bounds, and a bundle that is trained from some labels, refreshed with more, and opened by the server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import trainer
from query_server.models import Bundle, Runtime
from trainer import TrainConfig, TrainerError
from trainer.m2 import M2Training, classification_weight
from trainer.runs import load_state
from trainer.vae import kl_divergence

Tiny = Callable[..., TrainConfig]


def write_labels(path: Path, digits: Path, step: int) -> Path:
    truth = np.load(digits)["y"]
    path.write_text("pool_id,label\n" + "".join(f"{row},{truth[row]}\n" for row in range(0, 1600, step)))
    return path


def training(**settings: object) -> M2Training:
    given = {"latent_dim": 14, "width": 32, "learning_rate": 3e-3, "seed": 0, "device": torch.device("cpu")}
    return M2Training((1, 8, 8), 10, **{**given, **settings})


def test_the_bound_of_an_unlabeled_sample_sums_over_every_class() -> None:
    m2, rng = training(), torch.Generator().manual_seed(1)
    u = torch.rand(3, 1, 8, 8, generator=rng) * 2 - 1
    with torch.no_grad():
        mean, log_variance = m2.posterior(u)
        divergence = kl_divergence(mean, log_variance)
        q = torch.rand(3, 10, generator=rng).softmax(dim=1)
        bound = m2._bound(u, mean, divergence, q.log())
        for row in range(3):
            each = [
                m2._reconstruction(u[row : row + 1], mean[row : row + 1], torch.tensor([c]))[0]
                + divergence[row]
                for c in range(10)
            ]
            entropy = -(q[row] * q[row].log()).sum()
            expected = sum(q[row, c] * each[c] for c in range(10)) - entropy
            torch.testing.assert_close(bound[row], expected)


def test_the_classifier_learns_from_labels_and_the_decoder_from_the_pool(digits: Path) -> None:
    arrays = np.load(digits)
    u = torch.from_numpy(arrays["x"][:, None].astype(np.float32) * (2 / 255) - 1)
    y = torch.from_numpy(arrays["y"].astype(np.int64))
    m2, rng = training(), torch.Generator().manual_seed(0)
    losses = []
    for _ in range(120):
        labeled, others = (
            torch.randint(low, high, (32,), generator=rng) for low, high in ((0, 80), (80, 1500))
        )
        alpha = classification_weight(1500, 80)
        losses.append(m2.update(u[labeled], y[labeled], u[others], rng, alpha=alpha))
    assert losses[-1]["unlabeled_loss"] < 0.8 * losses[0]["unlabeled_loss"]
    with torch.no_grad():
        right = (m2.classifier.eval()(u[1500:]).argmax(dim=1) == y[1500:]).float().mean()
    assert right > 0.5


@pytest.fixture(scope="module")
def trained(digits: Path, tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    labels = write_labels(tmp_path_factory.mktemp("labels") / "labels.csv", digits, 20)
    config = tiny(digits, generator="m2", features="latent", labels=labels)
    trainer.train(config, show_progress=False)
    return config.resolved()


def test_a_bundle_has_the_classes_as_its_last_latents_and_infers_the_others(trained: TrainConfig) -> None:
    bundle = Bundle.open(trained.out, Runtime(device="cpu"))
    assert bundle.latent_dim == trained.latent_dim == 12
    assert list(bundle.manifest.class_names) == [str(c) for c in range(10)]
    assert bundle.manifest.posterior_dim == 2


def test_a_refresh_learns_more_labels_and_keeps_the_encoder(
    trained: TrainConfig, digits: Path, tmp_path: Path
) -> None:
    labels = write_labels(tmp_path / "labels.csv", digits, 10)
    out = tmp_path / "bundle"
    trainer.refresh(trained.run_folder, labels, out, iterations=4, show_progress=False)
    assert (out / "encoder.onnx").read_bytes() == (trained.out / "encoder.onnx").read_bytes()
    assert (out / "generator.onnx").read_bytes() != (trained.out / "generator.onnx").read_bytes()
    assert load_state(out.with_name("bundle-run") / "checkpoint.pt")["iteration"] == 10
    assert (out.with_name("bundle-run") / "classifier.onnx").exists()


def test_m2_without_labels_is_refused(digits: Path, tiny: Tiny) -> None:
    with pytest.raises(TrainerError, match="labels"):
        tiny(digits, generator="m2")


def test_vectors_are_refused(vectors: Path, tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("0,0\n1,1\n")
    config = tiny(vectors, generator="m2", labels=tmp_path / "labels.csv")
    with pytest.raises(TrainerError, match="m2 is for images"):
        trainer.train(config, show_progress=False)
    assert not config.run_folder.exists()
