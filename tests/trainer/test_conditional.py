from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import nn

import trainer
from trainer import TrainConfig, TrainerError
from trainer.data import open_training_data
from trainer.labels import read_labels
from trainer.loop import train_system
from trainer.networks import build_networks
from trainer.networks.conditional import ClassLatents, draw_class_logits
from trainer.rarity import measure_rarity
from trainer.runs import RunFolder, load_state
from trainer.supervision import Supervision
from trainer.systems import build_system

Tiny = Callable[..., TrainConfig]


def test_class_logits_are_normal_draws_with_the_largest_at_the_class() -> None:
    classes = torch.randint(10, (20_000,), generator=torch.Generator().manual_seed(1))
    logits = draw_class_logits(classes, 10, torch.Generator().manual_seed(2))
    assert torch.equal(logits.argmax(dim=1), classes)
    free = torch.randn(20_000, 10, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(logits.sort(dim=1).values, free.sort(dim=1).values)


def test_class_latents_become_shares_and_noise_stays() -> None:
    z = torch.tensor([[0.5, -2.0, 0.0, 3.0], [1.0, 4.0, 0.25, 0.25]])
    seen = ClassLatents(2)(z)
    torch.testing.assert_close(seen, torch.tensor([[0.5, -2.0, 0.0, 1.0], [1.0, 4.0, 0.5, 0.5]]))


@pytest.mark.parametrize("kind", ["wgan-gp", "dcgan", "mlp"])
def test_the_critic_scores_a_sample_by_its_class(kind: str) -> None:
    critic = build_networks(kind, (1, 8, 8), latent_dim=6, width=4, seed=0, class_count=3).critic.eval()
    x = torch.randn(2, 1, 8, 8)
    scores = [critic(x, shares.expand(2, 3)) for shares in torch.eye(3)]
    assert not torch.allclose(scores[0], scores[1]) and not torch.allclose(scores[1], scores[2])
    assert critic.embedding is not None
    torch.testing.assert_close(
        scores[0] - critic(x), critic.hidden(x) @ critic.embedding.weight[:, 0], rtol=1e-4, atol=1e-6
    )


def test_classes_must_leave_latents_for_noise(digits: Path, tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("".join(f"{row},{row}\n" for row in range(12)))
    config = tiny(digits, labels=tmp_path / "labels.csv", conditional=True)
    with pytest.raises(TrainerError, match="12 classes take a latent each and leave none of 12"):
        trainer.train(config, show_progress=False)
    assert not config.run_folder.exists()


def test_the_class_latents_choose_between_a_common_and_a_rare_cluster(tmp_path: Path, tiny: Tiny) -> None:
    rng = np.random.default_rng(0)
    side = np.where(np.arange(2000) < 100, 1, -1)[:, None]  # a twentieth is rare
    x = side * [30, 1] + rng.normal(size=(2000, 2)) + [100, 0]
    np.save(tmp_path / "pool.npy", x.astype(np.float32))
    (tmp_path / "labels.csv").write_text(
        "".join(f"{row},{'rare' if row < 100 else 'common'}\n" for row in range(0, 2000, 50))
    )
    config = tiny(
        tmp_path / "pool.npy", generator="mlp", width=48, latent_dim=6, batch_size=64, learning_rate=2e-3,
        labels=tmp_path / "labels.csv", rarity=1.0, conditional=True,
    )  # fmt: skip
    config = replace(config, iterations=200, run=config.run_folder)
    data = open_training_data(config.data)
    rarity = measure_rarity(
        data, read_labels(tmp_path / "labels.csv", data.source), exponent=1, conditional=True
    )
    run = RunFolder(config.run_folder)
    run.start(config)
    system = build_system(config, data, Supervision(rarity=rarity, class_names=rarity.class_names))
    assert system is not None
    train_system(system, config, data, run, show_progress=False)
    generator: nn.Module = system.generator()
    z = torch.randn(1000, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        made_rare = generator(z).numpy()[:, 0] > 100
    assert made_rare.mean() == pytest.approx(0.5, abs=0.1)
    assert (made_rare == (z[:, -1] > z[:, -2]).numpy()).mean() > 0.9  # "rare" comes after "common"


@pytest.mark.parametrize("generator", ["wgan-gp", "mlp", "gaussian"])
def test_a_conditional_bundle_keeps_the_generators_contract(
    digits: Path, tiny: Tiny, tmp_path: Path, generator: str
) -> None:
    truth = np.load(digits)["y"]
    np.savez(tmp_path / "labels.npz", pool_ids=np.arange(0, 1600, 20), labels=truth[:1600:20])
    config = tiny(digits, generator=generator, labels=tmp_path / "labels.npz", conditional=True)
    trainer.train(config, show_progress=False)
    session = ort.InferenceSession(config.out / "generator.onnx", providers=["CPUExecutionProvider"])
    z = np.random.default_rng(0).normal(size=(5, 12)).astype(np.float32)
    x, dz = session.run(["x", "dz"], {"z": z, "dx": np.ones((5, 1, 8, 8), np.float32)})
    assert (x.shape, dz.shape) == ((5, 1, 8, 8), (5, 12))
    if generator != "gaussian":
        assert np.abs(dz[:, -10:]).max() > 0
        assert load_state(config.run_folder / "checkpoint.pt")["class_names"] == [str(c) for c in range(10)]
    exported = trainer.export(config.run_folder, "pixels", tmp_path / "exported", show_progress=False)
    assert (exported / "generator.onnx").read_bytes() == (config.out / "generator.onnx").read_bytes()
    rows = np.flatnonzero(truth != 4)[::20]  # a later round need not name every class again
    np.savez(tmp_path / "fewer.npz", pool_ids=rows, labels=truth[rows])
    trainer.refresh(
        config.run_folder, tmp_path / "fewer.npz", tmp_path / "refreshed", iterations=1, show_progress=False
    )
