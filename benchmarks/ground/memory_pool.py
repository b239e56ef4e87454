"""A pool and a classifier in this process: the selection's ports over a FAISS flat index and a torch module."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from benchmarks.common.classifiers import logits_of
from query_server.open_rows import OpenRows
from query_server.scored import Scored

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]


class MemoryPool:
    """N samples with matching features and an exact index; rows are pool ids.

    Args:
        x: Model inputs float32 [N, *input_shape].
        features: float32 [N, D].
    """

    index_version = 1
    has_samples = True

    def __init__(self, x: Float32, features: Float32) -> None:
        self.size = self.rows = len(x)
        self.input_shape = x.shape[1:]
        self.x = x
        self._features = np.ascontiguousarray(features, np.float32)
        self._index = faiss.IndexFlatL2(features.shape[1])
        self._index.add(self._features)

    def over(self, features: Float32) -> MemoryPool:
        """Return the same samples over other features [N, D']."""
        return MemoryPool(self.x, features)

    def open_rows(self, closed: Int64) -> OpenRows:
        """Return the rows that are not closed [n]."""
        return OpenRows(self.rows, closed)

    def search_available(self, features: Float32, k: int, available: OpenRows) -> tuple[Float32, Int64, int]:
        """Return distances and rows [Q, k] of the nearest available rows, and how many were returned."""
        bits = np.packbits(available.mask(), bitorder="little")
        selector = faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg, arg-type]  # the stubs have the C++ signature
        params = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]  # likewise
        queries = np.ascontiguousarray(features, np.float32)
        squared, rows = self._index.search(queries, k, params=params)
        return np.sqrt(np.maximum(squared, 0)), rows, int(rows.size)

    def search_around(self, rows: Int64, k: int, available: OpenRows) -> tuple[Float32, Int64, int]:
        """Return the same of the features of rows [Q]."""
        return self.search_available(self._features[rows], k, available)

    def features(self, rows: Int64) -> Float32:
        """Return features [n, D] of rows [n]."""
        taken: Float32 = self._features[rows]
        return taken

    def inputs(self, rows: Int64) -> Float32:
        """Return model inputs [n, *input_shape] of rows [n]."""
        taken: Float32 = self.x[rows]
        return taken

    def ids_of(self, rows: Int64) -> NDArray[np.uint64]:
        """Return the rows as ids."""
        return rows.astype(np.uint64)

    def rows_of(self, pool_ids: NDArray[np.uint64]) -> Int64:
        """Return the ids as rows."""
        return pool_ids.astype(np.int64)


class TorchClassifier:
    """A trained sequential classifier scored by maximum entropy; it has no part in synthesis.

    Args:
        module: The classifier.
        classes: C.
        bfloat16: Whether it computes under autocast.
    """

    latent_dim = 0

    def __init__(self, module: nn.Sequential, classes: int, *, bfloat16: bool) -> None:
        self.module = module
        self.classes = classes
        self._bfloat16 = bfloat16

    def score(self, x: Float32, *, embedding: bool = False) -> Scored:
        """Return entropies in nats and class probabilities of x [n, …]; the embedding is never asked for."""
        log_p = F.log_softmax(logits_of(self.module, x, bfloat16=self._bfloat16), 1)
        p = log_p.exp()
        return Scored(
            scores=-(p * log_p).sum(1).numpy(), predicted=p.argmax(1).numpy(), probabilities=p.numpy()
        )

    def embed(self, x: Float32) -> Float32:
        """Return what the last layer sees of x [n, …], float32 [n, E]."""
        embedded: Float32 = logits_of(self.module[:-1], x, bfloat16=self._bfloat16).numpy()
        return embedded

    def prepare_ascent(self) -> None:
        """Refuse: this classifier has no generator."""
        raise NotImplementedError

    def ascend(self, z: Float32, *, options: Any, before_step: Any) -> Any:
        """Refuse: this classifier has no generator."""
        raise NotImplementedError

    def encode(self, x: Float32) -> Float32:
        """Refuse: this classifier has no encoder."""
        raise NotImplementedError


def principal_components(values: Float32, count: int) -> Float32:
    """Return values [N, E] in their first ``count`` principal components, or in all there are, float32 [N, D]."""
    with torch.inference_mode():
        centered = torch.from_numpy(values)
        centered = centered - centered.mean(0)
        _, directions = torch.linalg.eigh(centered.T @ centered)  # ascending
        projected: Float32 = (centered @ directions[:, -count:]).numpy()
    return projected
