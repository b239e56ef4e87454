"""Matching features: what the encoder measures, then PCA to D, folded into one graph (ASAL sections 4.2, 5.2).

pixels: the values of x. autoencoder: codes of an auto-encoder trained here. critic: the last hidden layer of the
critic that was trained against the generator. Each is followed by PCA, which is one Linear layer.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.data import TrainingData
from trainer.errors import TrainerError
from trainer.networks.autoencoder import Autoencoder, build_autoencoder
from trainer.networks.folding import fold_batch_norms
from trainer.runs import RunFolder, load_state, write_atomically
from trainer.scales import to_network

_PCA_ROWS = 50_000
_PCA_VALUES = 200_000_000  # float32 values of the fitted subset: 0.8 GB
_BATCH = 1024
_CONSTANT = 1e-6  # a spread below this share of the largest value is rounding
_AUTOENCODER_BATCH = 100
_AUTOENCODER_LEARNING_RATE = 1e-3


def fit_encoder(
    base: nn.Module, data: TrainingData, *, feature_dim: int, seed: int
) -> tuple[nn.Module, dict[str, float]]:
    """Return x [B, ...] -> [B, D]: `base` with a PCA of its outputs, fitted on at most 50,000 random samples.

    Args:
        base: x [B, ...] -> [B, E], in eval mode on the CPU.
        data: the pool.
        feature_dim: D, cut to E and to the samples fitted on.
        seed: of the subset and the PCA.

    Raises:
        TrainerError: if the features do not vary over the pool.
    """
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(seed)
    width = _outputs(base, data.take(np.arange(1))).shape[1]
    wide = max(width, math.prod(data.input_shape))
    x = data.subset(min(_PCA_ROWS, max(1000, _PCA_VALUES // wide)), rng)
    outputs = _outputs(base, x)  # [n, E]
    del x
    if not np.ptp(outputs, axis=0).max() > _CONSTANT * np.abs(outputs).max():
        raise TrainerError("the features do not vary over the pool; choose another kind of features")
    dims = min(feature_dim, width, len(outputs) - 1)
    pca = PCA(dims, svd_solver="covariance_eigh" if width <= 1024 else "randomized", random_state=seed)
    pca.fit(outputs)
    share = float(pca.explained_variance_ratio_.sum())
    projection = nn.Linear(width, dims)
    with torch.no_grad():
        projection.weight.copy_(torch.from_numpy(pca.components_))  # [D, E]
        projection.bias.copy_(torch.from_numpy(-pca.components_.astype(np.float64) @ pca.mean_))  # [D]
    encoder = nn.Sequential(base, projection).eval().requires_grad_(False)
    return encoder, {"feature_variance_share": share}


def autoencoder_features(
    data: TrainingData, run: RunFolder, *, iterations: int, seed: int, show_progress: bool = True
) -> tuple[nn.Module, dict[str, float]]:
    """Return x [B, ...] -> codes [B, E] of an auto-encoder trained on the pool, or kept by the run from before."""
    network = build_autoencoder(data.input_shape, seed)
    kept = run.path / "autoencoder.pt"
    pool = data.digest()
    state = load_state(kept) if kept.exists() else {}
    if state.get("iterations") == iterations and state.get("pool", pool) == pool:
        network.load_state_dict(state["network"])
        loss = float(state["loss"])
    else:
        loss = _train_autoencoder(
            network, data, run, iterations=iterations, seed=seed, show_progress=show_progress
        )
    encoder = fold_batch_norms(network.encoder.eval()).requires_grad_(False)
    if len(data.input_shape) == 1:
        encoder = nn.Sequential(to_network(data), encoder)
    return encoder.eval(), {"autoencoder_loss": loss}


def _train_autoencoder(
    network: Autoencoder,
    data: TrainingData,
    run: RunFolder,
    *,
    iterations: int,
    seed: int,
    show_progress: bool,
) -> float:
    """Minimize the mean squared error; return its mean over the last tenth of the updates."""
    from tqdm import tqdm

    vector = len(data.input_shape) == 1
    optimizer = torch.optim.Adam(network.parameters(), _AUTOENCODER_LEARNING_RATE, fused=True)
    rng = np.random.default_rng(seed)
    network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    batch_size = min(_AUTOENCODER_BATCH, len(data))
    losses: list[Tensor] = []
    with tqdm(
        total=iterations, desc="autoencoder", unit="it", disable=not show_progress, mininterval=0.5
    ) as bar:
        for _ in range(iterations):
            x = data.take(rng.integers(len(data), size=batch_size))
            u = torch.from_numpy(data.standardized(x) if vector else x)
            loss = nn.functional.mse_loss(network(u), u)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.detach())
            bar.update()
    last = float(torch.stack(losses[-max(1, iterations // 10) :]).mean())
    if not math.isfinite(last):
        raise TrainerError("the auto-encoder diverged; check the pool for extreme values")
    state = {"network": network.state_dict(), "iterations": iterations, "pool": data.digest(), "loss": last}
    write_atomically(run.path / "autoencoder.pt", lambda path: torch.save(state, path))
    return last


@torch.no_grad()
def _outputs(base: nn.Module, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return base(x) [n, E] in batches."""
    batches = [base(torch.from_numpy(x[i : i + _BATCH])).numpy() for i in range(0, len(x), _BATCH)]
    return np.concatenate(batches)
