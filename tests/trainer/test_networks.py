from __future__ import annotations

import pytest
import torch
from torch import nn

from trainer.networks import build_networks
from trainer.networks.autoencoder import build_autoencoder
from trainer.networks.folding import fold_batch_norms

SHAPES = [(1, 8, 8), (3, 9, 13), (1, 16, 16), (1, 28, 28), (3, 32, 32), (1, 33, 50), (3, 64, 64), (1, 8, 64)]


@pytest.mark.parametrize("kind", ["wgan-gp", "dcgan", "wgan-gp-resnet", "wgan-ct-resnet"])
@pytest.mark.parametrize("shape", SHAPES)
def test_generator_and_critic_fit_every_image_size_exactly(kind: str, shape: tuple[int, ...]) -> None:
    networks = build_networks(kind, shape, latent_dim=10, width=2, seed=0)
    x = networks.generator(torch.randn(3, 10))
    assert x.shape == (3, *shape)
    assert x.abs().max() <= 1
    assert networks.critic(x).shape == (3,)


def test_every_side_from_8_to_64_px_is_met() -> None:
    for side in range(8, 65):
        networks = build_networks("wgan-gp", (1, side, 8), latent_dim=3, width=1, seed=0)
        assert networks.generator(torch.randn(2, 3)).shape == (2, 1, side, 8)


def test_the_generator_at_64_px_is_that_of_table_1() -> None:
    generator = build_networks("wgan-gp", (3, 64, 64), latent_dim=128, width=64, seed=0).generator
    assert isinstance(generator[0], nn.Linear) and generator[0].out_features == 4096
    deconvolutions = [layer for layer in generator if isinstance(layer, nn.ConvTranspose2d)]
    assert [layer.out_channels for layer in deconvolutions] == [256, 128, 64, 3]
    assert {layer.kernel_size for layer in deconvolutions} == {(5, 5)}
    assert isinstance(generator[-1], nn.Tanh)


def test_the_wasserstein_critic_has_no_batch_norm_and_the_discriminator_has() -> None:
    def norms(kind: str) -> int:
        critic = build_networks(kind, (1, 28, 28), latent_dim=4, width=2, seed=0).critic
        return sum(isinstance(module, nn.BatchNorm2d) for module in critic.modules())

    assert norms("wgan-gp") == 0
    assert norms("dcgan") == 2


def test_the_residual_critic_at_32_px_is_that_of_the_paper_with_its_dropout() -> None:
    critic = build_networks("wgan-ct-resnet", (3, 32, 32), latent_dim=4, width=6, seed=0).critic
    x = torch.randn(2, 3, 32, 32)
    sides = []
    for layer in critic.hidden[:-1]:
        x = layer(x)
        sides.append((type(layer).__name__, x.shape[-1]))
    blocks, dropped = ("Residual", "Dropout")
    assert sides[:-1] == [
        *((blocks, 16), (blocks, 8), (dropped, 8), (blocks, 8), (dropped, 8), (blocks, 8), (dropped, 8)),
    ]
    assert [layer.p for layer in critic.hidden if isinstance(layer, nn.Dropout)] == [0.2, 0.5, 0.5]
    plain = build_networks("wgan-gp-resnet", (3, 32, 32), latent_dim=4, width=6, seed=0).critic
    assert not any(isinstance(layer, nn.Dropout | nn.BatchNorm2d) for layer in plain.modules())


@pytest.mark.parametrize(("shape", "codes"), [((1, 28, 28), 192), ((1, 8, 8), 192), ((3, 32, 32), 256)])
def test_the_autoencoder_has_as_many_codes_as_in_the_paper(shape: tuple[int, ...], codes: int) -> None:
    assert build_autoencoder(shape, seed=0).encoder(torch.zeros(2, *shape)).shape == (2, codes)


@pytest.mark.parametrize("shape", [*SHAPES, (20,), (3,)])
def test_the_autoencoder_reconstructs_every_shape(shape: tuple[int, ...]) -> None:
    assert build_autoencoder(shape, seed=0)(torch.zeros(2, *shape)).shape == (2, *shape)


def test_the_seed_alone_decides_the_initial_weights() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, second, other = (
        build_networks("mlp", (4,), latent_dim=3, width=5, seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first.generator[0].weight, second.generator[0].weight)
    assert not torch.equal(first.generator[0].weight, other.generator[0].weight)


@pytest.mark.parametrize(("kind", "shape"), [("wgan-gp", (1, 14, 14)), ("mlp", (5,)), ("mlp", (3, 8, 8))])
def test_folding_batch_norms_keeps_the_function(kind: str, shape: tuple[int, ...]) -> None:
    generator = build_networks(kind, shape, latent_dim=6, width=4, seed=0).generator
    for _ in range(3):
        generator(torch.randn(64, 6) * 3)  # running statistics far from 0 and 1
    generator.eval()
    folded = fold_batch_norms(nn.Sequential(generator, nn.Identity()))
    z = torch.randn(9, 6)
    torch.testing.assert_close(folded(z), generator(z), atol=1e-5, rtol=1e-4)
    assert not any(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) for module in folded.modules())


def test_folding_covers_color_autoencoders() -> None:
    encoder = build_autoencoder((3, 16, 16), seed=0).encoder
    encoder(torch.randn(32, 3, 16, 16) * 2 + 1)
    encoder.eval()
    x = torch.randn(4, 3, 16, 16)
    torch.testing.assert_close(fold_batch_norms(encoder)(x), encoder(x), atol=1e-5, rtol=1e-4)
