from __future__ import annotations

from pathlib import Path

import pytest
import torch

import trainer
from trainer import TrainConfig
from trainer.consistency import consistency_term
from trainer.data import open_training_data
from trainer.supervision import Supervision
from trainer.systems.gan import GanSystem


def test_two_equal_looks_cost_nothing_and_distances_count_as_in_the_paper() -> None:
    scores, hidden = torch.tensor([1.0, 3.0]), torch.tensor([[0.0, 2.0], [1.0, 1.0]])
    assert consistency_term(scores, scores, hidden, hidden).item() == 0
    # Squared score distances 4 and 0; squared hidden distances, mean over the units, 0 and 2.
    term = consistency_term(scores, torch.tensor([3.0, 3.0]), hidden, torch.tensor([[0.0, 2.0], [3.0, 1.0]]))
    assert term.item() == pytest.approx((4 + 0.1 * 2) / 2)


def test_the_term_is_of_real_samples_under_two_masks_and_ends_with_the_dropout(
    digits: Path, tmp_path: Path
) -> None:
    config = TrainConfig(
        data=digits, out=tmp_path / "bundle", generator="wgan-ct-resnet", width=8, precision="float32"
    ).resolved()
    data = open_training_data(config.data)
    adversaries = GanSystem(config, data, Supervision()).adversaries
    real = torch.from_numpy(data.take(range(16)))
    state = torch.random.get_rng_state()
    rng = torch.Generator().manual_seed(0)
    assert adversaries.update_critic(real, rng)["consistency_term"] > 0
    assert torch.equal(torch.random.get_rng_state(), state)
    for layer in adversaries.critic.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    assert adversaries.update_critic(real, rng)["consistency_term"] == 0


def test_the_plain_residual_critic_has_no_such_term(digits: Path, tmp_path: Path) -> None:
    config = TrainConfig(
        data=digits,
        out=tmp_path / "bundle",
        generator="wgan-gp-resnet",
        width=4,
        iterations=1,
        log_every=1,
        latent_dim=5,
    )
    trainer.train(config, show_progress=False)
    line = (config.run_folder / "metrics.jsonl").read_text()
    assert "gradient_penalty" in line and "consistency_term" not in line
