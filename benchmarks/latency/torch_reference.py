"""The same selection as one would write it in plain PyTorch: autograd, torch.optim.Adam, torch.cdist, topk."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.common.errors import BenchmarkError

_SCORE_BATCH = 256  # as in the server
_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class TorchSelection:
    """What the reference found.

    Attributes:
        rows: picked rows of the pool [B].
        scores: their entropies, nats [B].
        scored: real samples scored.
        seconds: wall time in all.
        stages: wall time of each stage.
    """

    rows: list[int]
    scores: list[float]
    scored: int
    seconds: float
    stages: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class TorchSelector:
    """Modules with frozen parameters, and the pool in memory.

    Attributes:
        generator: z [S, Z] -> x [S, ...].
        classifier: x [n, ...] -> logits [n, C].
        encoder: x [n, ...] -> features [n, D].
        pool_x: model inputs [N, ...].
        pool_features: [N, D].
        latent_dim: Z.
    """

    generator: nn.Module
    classifier: nn.Module
    encoder: nn.Module
    pool_x: Tensor
    pool_features: Tensor
    latent_dim: int

    def select(
        self,
        available: Tensor,  # bool [N]
        *,
        budget: int,
        latents: int,
        steps: int,
        step_size: float,
        max_scored: int,
        seed: int,
    ) -> TorchSelection:
        """Synthesize, encode, match with the nearest real samples, score those, and return the best."""
        marks = [("", time.perf_counter())]
        z = torch.randn(
            latents, self.latent_dim, generator=torch.Generator().manual_seed(seed), requires_grad=True
        )
        optimizer = torch.optim.Adam([z], lr=step_size)
        for _ in range(steps):
            optimizer.zero_grad()
            (-_entropy(self.classifier(self.generator(z))).sum()).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        marks.append(("synthesize", time.perf_counter()))
        with torch.inference_mode():
            features = self.encoder(self.generator(z))
            marks.append(("encode", time.perf_counter()))
            rows = self._nearest(features, available, max_scored)
            marks.append(("search", time.perf_counter()))
            scores = torch.cat(
                [_entropy(self.classifier(self.pool_x[part])) for part in torch.split(rows, _SCORE_BATCH)]
            )
            best = scores.topk(budget)
            marks.append(("score", time.perf_counter()))
        return TorchSelection(
            rows=rows[best.indices].tolist(),
            scores=best.values.tolist(),
            scored=len(rows),
            seconds=marks[-1][1] - marks[0][1],
            stages={name: at - marks[i][1] for i, (name, at) in enumerate(marks[1:])},
        )

    def _nearest(self, features: Tensor, available: Tensor, count: int) -> Tensor:
        """Return `count` distinct rows, the nearest of every synthetic sample before their next nearest."""
        distances = torch.cdist(features, self.pool_features)  # [S, N]
        distances[:, ~available] = math.inf
        k = -(-count // len(features))
        while True:
            by_rank = distances.topk(k, largest=False).indices.T.reshape(-1)  # [k * S]
            _, first = np.unique(by_rank.numpy(), return_index=True)
            if len(first) >= count or k >= len(self.pool_features):
                return by_rank[torch.from_numpy(np.sort(first)[:count])]
            k = min(len(self.pool_features), max(k + 1, int(1.3 * k * count / max(1, len(first)))))


def _entropy(logits: Tensor) -> Tensor:
    log_p = F.log_softmax(logits, dim=1)
    return -(log_p.exp() * log_p).sum(1)


@dataclass(frozen=True, kw_only=True, eq=False)
class TorchNetworks:
    """Generator and encoder as the trainer has them, and the generator with its batch norms folded away."""

    generator: nn.Module
    folded_generator: nn.Module
    encoder: nn.Module


def load_networks(run: Path, bundle: Path, features: str, pool: Path) -> TorchNetworks:
    """Return the torch modules a bundle was exported from, checked against the bundle's graphs.

    Args:
        run: The trainer's run folder.
        bundle: Exported from it.
        features: The bundle's kind.
        pool: The file it was trained on.

    Raises:
        BenchmarkError: The run is not readable, or the bundle was not exported from it.
    """
    from trainer.data import open_training_data
    from trainer.errors import TrainerError
    from trainer.features import autoencoder_features, fit_encoder
    from trainer.networks.folding import fold_batch_norms
    from trainer.runs import RunFolder
    from trainer.supervision import Supervision
    from trainer.systems import build_system

    try:
        folder = RunFolder(run)
        config = folder.config().resolved()
        data = open_training_data(pool)
        state = folder.load_checkpoint()
        system = build_system(config, data, Supervision.of_checkpoint(config, state.get("class_names", ())))
        if system is None:
            raise TrainerError(f"{run}: a mixture has no networks")
        system.load_state(state["adversaries"])
    except TrainerError as error:
        raise BenchmarkError(
            f"{error}; --run wants the run folder that the bundle was exported from"
        ) from error
    base: nn.Module = nn.Flatten()
    if features == "critic":
        base = system.critic() or base
    elif features == "autoencoder":
        base, _ = autoencoder_features(
            data, folder, iterations=config.autoencoder_iterations, seed=config.seed, show_progress=False
        )
    encoder, _ = fit_encoder(base.eval(), data, feature_dim=config.feature_dim, seed=config.seed)
    generator = system.generator()
    networks = TorchNetworks(
        generator=generator.eval().requires_grad_(False),
        folded_generator=fold_batch_norms(generator).eval().requires_grad_(False),
        encoder=encoder.eval().requires_grad_(False),
    )
    _check(networks, bundle, config.latent_dim or 0)
    return networks


def _check(networks: TorchNetworks, bundle: Path, latent_dim: int) -> None:
    z = torch.randn(8, latent_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        x = networks.generator(z)
        features = networks.encoder(x)
    inputs = {"z": z.numpy(), "dx": np.zeros(tuple(x.shape), np.float32)}
    pairs = [
        ("generator", x, _run_graph(bundle / "generator.onnx", "x", inputs)),
        ("encoder", features, _run_graph(bundle / "encoder.onnx", "features", {"x": x.numpy()})),
    ]
    for name, ours, graphs in pairs:
        error = float(np.abs(ours.numpy() - graphs).max() / np.abs(graphs).max())
        if not error <= _TOLERANCE:
            raise BenchmarkError(
                f"the torch {name} of the run differs from {bundle}/{name}.onnx by {error:.2e} (limit {_TOLERANCE:g}): "
                "the bundle was not exported from this run; name the right one with --run"
            )


def _run_graph(path: Path, output: str, inputs: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    (result,) = session.run([output], inputs)
    return np.asarray(result)
