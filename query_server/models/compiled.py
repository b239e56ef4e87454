"""One classifier with one acquisition function, ready to score real samples and to climb in latent space."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import onnx
from numpy.typing import NDArray

from graphs import forward, splice
from query_server.errors import gradient_required, not_finite
from query_server.models.bundle import Bundle
from query_server.models.runtime import Runtime, Session

_Result = TypeVar("_Result")


class CompiledClassifier:
    """Sessions of one classifier spliced with one acquisition head; safe to use from several threads.

    Args:
        classifier_id: For error messages.
        classifier: The uploaded graph, checked.
        has_pullback: Whether it carries its gradient.
        head: The acquisition head for its number of classes.
        bundle: Whose generator the gradient is pulled back through.
        runtime: Makes the sessions.
    """

    def __init__(
        self,
        *,
        classifier_id: str,
        classifier: onnx.ModelProto,
        has_pullback: bool,
        head: onnx.ModelProto,
        bundle: Bundle,
        runtime: Runtime,
    ) -> None:
        self.classifier_id = classifier_id
        self.latent_dim = bundle.latent_dim
        self._classifier = classifier
        self._has_pullback = has_pullback
        self._head = head
        self._bundle = bundle
        self._runtime = runtime
        self._score_session = runtime.session(forward(classifier, head))
        self._step_session: Session | None = None
        self._lock = threading.Lock()

    def score(self, x: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Score model inputs with the forward part alone.

        Args:
            x: float32 [n, *input_shape].

        Returns:
            The scores float32 [n] and the predicted classes int64 [n].

        Raises:
            DowserError: NOT_FINITE if a score is NaN or infinite.
        """
        logits, scores = self._runtime.run_spread(self._score_session, ("logits", "score"), "x", x)
        _require_finite(scores, "the classifier's scores of real samples")
        return scores, _predicted(logits)

    def prepare_ascent(self) -> None:
        """Build the step session, so that its cost does not count as synthesis.

        Raises:
            DowserError: GRADIENT_REQUIRED.
        """
        self._steps()

    def step(self, z: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return score [S] and its gradient dz [S, Z] at latents z float32 [S, Z]; neither is checked.

        Raises:
            DowserError: GRADIENT_REQUIRED.
        """
        score, dz = self._steps().run(("score", "dz"), {"z": z})
        return score, dz

    def render(self, z: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the synthetic samples x [S, *input_shape] and their score [S] at latents z float32 [S, Z].

        Raises:
            DowserError: GRADIENT_REQUIRED, or NOT_FINITE if the latents (so any gradient before) or a score are not.
        """
        _require_finite(z, "the latents, and so the classifier's gradient,")
        x, score = self._steps().run(("x", "score"), {"z": z})
        _require_finite(score, "the classifier's scores of synthetic samples")
        return x, score

    def spread(self, work: Callable[[NDArray[np.float32]], _Result], z: NDArray[np.float32]) -> list[_Result]:
        """Do work on latents in parts, one thread each; return the parts' results in order."""
        return self._runtime.spread(work, z)

    def encode(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return matching features float32 [n, D] of model inputs float32 [n, *input_shape]."""
        return self._bundle.encode(x)

    def _steps(self) -> Session:
        if not self._has_pullback:
            raise gradient_required(self.classifier_id)
        with self._lock:
            if self._step_session is None:
                on_cpu = self._runtime.device == "cpu"
                spliced = splice(self._bundle.generator, self._classifier, self._head, for_cpu=on_cpu)
                self._step_session = self._runtime.session(spliced)
            return self._step_session


def _predicted(logits: NDArray[np.float32]) -> NDArray[np.int64]:
    if logits.shape[1] == 1:
        return (logits[:, 0] > 0).astype(np.int64)
    return np.asarray(logits.argmax(axis=1), np.int64)


def _require_finite(values: NDArray[np.float32], where: str) -> None:
    if not np.isfinite(values).all():
        raise not_finite(where, int(np.argwhere(~np.isfinite(values))[0][0]))
