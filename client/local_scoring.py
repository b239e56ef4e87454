"""Scoring on the caller's own machine, with the very graph that is uploaded: for pools whose samples stay there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.conversion.fields import model_bytes
from client.errors import MissingExtraError, invalid_argument
from client.scores import Scores
from client.types.acquisition import Acquisition
from client.types.classifiers import ModelSource
from client.types.pools import Pool

_BATCH = 256


class OnnxScorer:
    """Scores candidates with an ONNX classifier; call it with their ids.

    Args:
        model: The classifier, as for `Client.upload_classifier`.
        pool: The pool; its preprocessing is applied.
        samples: Given ids uint64 [n], returns their raw samples [n, *raw_shape], as the index was built from.
        acquisition: What counts as informative.

    Raises:
        MissingExtraError: onnxruntime is not installed.
    """

    def __init__(
        self,
        model: ModelSource,
        pool: Pool,
        samples: Callable[[NDArray[np.uint64]], NDArray[Any]],
        acquisition: Acquisition | str = Acquisition.MARGIN,
    ) -> None:
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                'scoring here needs onnxruntime; install it with: pip install "dowser-al[export]" (or alone), '
                "or give a function that scores",
                name="onnxruntime",
            ) from error
        self._session = onnxruntime.InferenceSession(model_bytes(model), providers=["CPUExecutionProvider"])
        # Of a graph with its gradient the forward part alone.
        self._options = onnxruntime.RunOptions()
        self._options.only_execute_path_to_fetches = True
        self._pool = pool
        self._samples = samples
        self._acquisition = acquisition
        outputs = {each.name for each in self._session.get_outputs()}
        self._output = "logits" if "logits" in outputs else "probabilities"
        optional = ["embedding", *(["score"] if acquisition == Acquisition.OWN_SCORE else [])]
        self._names = [self._output, *(name for name in optional if name in outputs)]
        self._slope = next(
            (each.shape for each in self._session.get_inputs() if each.name == "dlogits"), None
        )

    def __call__(self, pool_ids: NDArray[np.uint64]) -> Scores:
        """Score the samples of ids uint64 [M], a part of them in memory at a time.

        Raises:
            InvalidArgumentError: `samples` returned another number of them.
            samples.SampleError: They do not have the pool's raw shape.
        """
        parts = [self._run(pool_ids[start : start + _BATCH]) for start in range(0, len(pool_ids), _BATCH)]
        main = np.concatenate([part[0] for part in parts], axis=-2)
        further = {
            name: np.concatenate([part[number] for part in parts])
            for number, name in enumerate(self._names[1:], start=1)
        }
        score = Scores.from_logits if self._output == "logits" else Scores.from_probabilities
        return score(
            main,
            self._acquisition,
            embedding=further.get("embedding"),
            own_score=further.get("score"),
        )

    def _run(self, pool_ids: NDArray[np.uint64]) -> list[NDArray[Any]]:
        raw = np.asarray(self._samples(pool_ids))
        if len(raw) != len(pool_ids):
            raise invalid_argument(
                f"samples must return one sample an id, {len(pool_ids)}, got {len(raw)}", field="samples"
            )
        feeds = {"x": self._pool.to_inputs(raw)}
        if self._slope is not None:
            shape = [*self._slope[:-2], len(raw), self._slope[-1]]  # [(T,) B, C]
            feeds["dlogits"] = np.zeros(shape, np.float32)
        outputs: list[NDArray[Any]] = self._session.run(self._names, feeds, self._options)
        return outputs
