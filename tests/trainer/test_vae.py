from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import distributions

import trainer
from trainer import TrainConfig, TrainerError
from trainer.bundle import read_manifest
from trainer.data import open_training_data
from trainer.runs import load_state
from trainer.vae import VariationalAutoencoder, drawn, kl_divergence, reconstruction_loss

Tiny = Callable[..., TrainConfig]


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_the_divergence_is_torchs_own(rng: torch.Generator) -> None:
    mean, log_variance = torch.randn(5, 3, generator=rng), torch.randn(5, 3, generator=rng)
    posterior = distributions.Normal(mean, (0.5 * log_variance).exp())
    expected = distributions.kl_divergence(posterior, distributions.Normal(0.0, 1.0)).sum(dim=1)
    assert kl_divergence(mean, log_variance) == pytest.approx(expected, rel=1e-5)


def test_the_reconstruction_loss_is_the_likelihood_of_bernoulli_pixels(rng: torch.Generator) -> None:
    u = 2 * torch.rand(4, 1, 3, 3, generator=rng).round() - 1
    made = 1.8 * torch.rand(4, 1, 3, 3, generator=rng) - 0.9
    log_p = distributions.Bernoulli((made + 1) / 2).log_prob((u + 1) / 2).flatten(1).sum(dim=1)
    assert reconstruction_loss(u, made) == pytest.approx(-log_p, rel=1e-4)


def test_a_pixel_that_rounding_puts_outside_its_range_costs_what_the_bound_does() -> None:
    made = torch.zeros(1, 1, 2, 2)
    beyond = torch.tensor([1.00006, -1.00006, 1.0, -1.0]).reshape(1, 1, 2, 2)
    assert reconstruction_loss(beyond, made) == pytest.approx(reconstruction_loss(beyond.clamp(-1, 1), made))


def test_draws_have_the_posteriors_mean_and_variance(rng: torch.Generator) -> None:
    mean, log_variance = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, 2.0]])
    z = drawn(mean.expand(20_000, 2), log_variance.expand(20_000, 2), rng)
    assert z.mean(dim=0) == pytest.approx(mean[0], abs=0.08)
    assert z.var(dim=0) == pytest.approx(log_variance[0].exp(), rel=0.05)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (6,)])
def test_training_reconstructs_better(shape: tuple[int, ...], rng: torch.Generator) -> None:
    system = VariationalAutoencoder(
        shape, latent_dim=4, width=16, learning_rate=3e-3, seed=0, device=torch.device("cpu")
    )
    patterns = torch.randn(3, *shape, generator=rng).sign() * 0.9
    losses = []
    for _ in range(150):
        u = patterns[torch.randint(3, (32,), generator=rng)]
        losses.append(float(system.update(u, rng)["reconstruction_loss"]))
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10])


def test_a_bundle_of_a_vae_reconstructs(digits: Path, tiny: Tiny) -> None:
    bundle = trainer.train(
        tiny(digits, generator="vae", features="latent", iterations=800, width=64), show_progress=False
    )
    manifest = read_manifest(bundle)
    assert (manifest.latent_dim, manifest.posterior_dim, list(manifest.class_names)) == (12, 12, [])
    x = open_training_data(digits).take(np.arange(50))
    (z,) = ort.InferenceSession(bundle / "posterior.onnx").run(["features"], {"x": x})
    inputs = {"z": z, "dx": np.zeros_like(x)}
    (made,) = ort.InferenceSession(bundle / "generator.onnx").run(["x"], inputs)
    apart = np.linalg.norm((made[:, None] - x[None]).reshape(50, 50, -1), axis=2)
    assert np.median(np.diag(apart)) < 0.75 * np.median(apart)


def test_labels_decide_how_often_a_vae_sees_a_sample(digits: Path, tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("".join(f"{row},{int(row > 0)}\n" for row in range(40)))
    states = []
    for rarity in (0.0, 2.0):
        config = tiny(digits, generator="vae", iterations=3, labels=tmp_path / "labels.csv", rarity=rarity)
        trainer.train(config, show_progress=False)
        states.append(load_state(config.run_folder / "checkpoint.pt")["adversaries"]["posterior"])
    assert not torch.equal(states[0]["mean.weight"], states[1]["mean.weight"])


def test_latent_features_are_the_posteriors_means_rotated(digits: Path, tiny: Tiny) -> None:
    bundle = trainer.train(
        tiny(digits, generator="vae", features="latent", iterations=50), show_progress=False
    )
    x = open_training_data(digits).take(np.arange(30))
    (means,) = ort.InferenceSession(bundle / "posterior.onnx").run(["features"], {"x": x})
    (features,) = ort.InferenceSession(bundle / "encoder.onnx").run(["features"], {"x": x})

    def distances(points: np.ndarray) -> np.ndarray:
        return np.linalg.norm(points[:, None] - points[None], axis=2)

    assert distances(features) == pytest.approx(distances(means), rel=1e-2, abs=1e-4)


def test_vectors_come_back_on_the_pools_scale(vectors: Path, tiny: Tiny) -> None:
    bundle = trainer.train(
        tiny(vectors, generator="vae", features="latent", iterations=600, width=32, learning_rate=3e-3),
        show_progress=False,
    )
    x = open_training_data(vectors).take(np.arange(200))
    (z,) = ort.InferenceSession(bundle / "posterior.onnx").run(["features"], {"x": x})
    (made,) = ort.InferenceSession(bundle / "generator.onnx").run(["x"], {"z": z, "dx": np.zeros_like(x)})
    assert ((made - x) ** 2).mean(axis=0) / x.var(axis=0) == pytest.approx(0.0, abs=0.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"features": "critic"}, "has no critic"),
        ({"generator": "wgan-gp", "features": "latent"}, "no encoder to its latents"),
        ({"generator": "vae-acgan"}, "pass --labels"),
        ({"conditional": True, "labels": Path("labels.csv")}, "--conditional is not for vae"),
    ],
)
def test_what_does_not_go_together_is_refused(
    tmp_path: Path, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(TrainerError, match=message):
        TrainConfig(data=tmp_path, out=tmp_path / "out", **{"generator": "vae", **settings})


def test_first_weights_leave_the_global_state_alone() -> None:
    before = torch.get_rng_state()
    VariationalAutoencoder(
        (1, 8, 8), latent_dim=2, width=4, learning_rate=1e-3, seed=3, device=torch.device("cpu")
    )
    assert torch.equal(before, torch.get_rng_state())
