"""Reconstructs samples: x' = generator(posterior(x), class), as the bundle's trainer did (BGADL equation 3)."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray

from graphs import generator_forward
from query_server.models.runtime import Runtime

#: The logit of a class that is certain, the others' being 0; as `trainer.networks.conditional.CERTAIN`.
CERTAIN = 4.0


class Reconstructor:
    """The two graphs, run one after the other.

    Args:
        posterior: x [B, ...] -> mean latents "features" [B, Z - C].
        generator: z [B, Z] -> x, with its pullback.
        class_names: Labels as text, C of them, whose logits are the generator's last latents; none if it knows none.
        runtime: Runs both.
    """

    def __init__(
        self,
        posterior: onnx.ModelProto,
        generator: onnx.ModelProto,
        class_names: tuple[str, ...],
        runtime: Runtime,
    ) -> None:
        self._runtime = runtime
        self._posterior = runtime.session(posterior)
        self._generator = runtime.session(generator_forward(generator, for_cpu=runtime.device == "cpu"))
        self._number = {name: number for number, name in enumerate(class_names)}

    def known(self, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return bool [n]: whether a sample of that label can be reconstructed."""
        if not self._number:
            return np.ones(len(labels), np.bool_)
        return np.array([str(label) in self._number for label in labels.tolist()], np.bool_)

    def reconstruct(self, x: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return x' [n, *input_shape] of model inputs [n, *input_shape], n at least 1, and their known labels [n]."""
        (latents,) = self._runtime.run_spread(self._posterior, ("features",), "x", x)
        if self._number:
            logits = np.zeros((len(labels), len(self._number)), np.float32)
            numbers = [self._number[str(label)] for label in labels.tolist()]
            logits[np.arange(len(labels)), numbers] = CERTAIN
            latents = np.concatenate([latents, logits], axis=1)
        (made,) = self._runtime.run_spread(self._generator, ("x",), "z", latents)
        return np.asarray(made, np.float32)
