"""Task-aware matching features: the pool encoded anew by a campaign's own classifier, in the background.

What is near in the encoder's features need not be near for the task. Here the embedding of a campaign's classifier,
in its principal components, stands in for them: neighbors of labeled samples and the climb search what the classifier
confuses. A refresh costs O(N) classifier calls, so one thread does it off the request path, and what was there before
serves until the new features are swapped in whole. They live in memory, 8 D bytes a sample and campaign, and are gone
with the process; the encoder's features, which synthetic samples are matched by, are never touched.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import faiss
import numpy as np
import numpy.typing as npt

from query_server.open_rows import OpenRows
from query_server.pool.factory import choose_index, make_index
from query_server.pool.filtered import AvailableNeighbors, search_available
from query_server.pool.index import FeatureIndex
from query_server.pool.pool import Pool
from query_server.pool.tuning import tune

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]

#: Returns the embedding float32 [n, E] of model inputs [n, …].
Embed = Callable[[Float32Array], Float32Array]

_COMPONENTS = 50
_FITTED_ROWS = 20_000  # rows that the principal components are fitted to
_CHUNK = 1024
_RECALL_TARGET = 0.95
_log = logging.getLogger(__name__)


class Neighborhood:
    """Features of the whole pool with their index. Thread-safe; read-only.

    Attributes:
        rows: How many rows they are of, N.

    Args:
        features: float32 [N, D].
        threads: OpenMP threads of each search.
    """

    def __init__(self, features: Float32Array, *, threads: int) -> None:
        faiss.omp_set_num_threads(threads)
        index = make_index(choose_index(*features.shape).factory, features.shape[1])
        index.train(features)
        index.add(features)
        rng = np.random.default_rng(0)
        searcher = FeatureIndex(index, nprobe=0, threads=threads)
        if searcher.nlist:
            searcher.nprobe = tune(
                searcher, features, recall_target=_RECALL_TARGET, threads=threads, rng=rng
            ).nprobe
        self.rows = len(features)
        self._features = features
        self._index = searcher
        self._threads = threads

    def features(self, rows: Int64Array) -> Float32Array:
        """Return features float32 [n, D] of rows int64 [n]."""
        taken: Float32Array = self._features[rows]
        return taken

    def search_available(self, features: Float32Array, k: int, available: OpenRows) -> AvailableNeighbors:
        """Find the k nearest rows of each query among the available ones, as ``Pool.search_available`` does."""
        return search_available(self._index, self._features, features, k, available, threads=self._threads)

    def search_around(self, rows: Int64Array, k: int, available: OpenRows) -> AvailableNeighbors:
        """Find the k nearest rows of each of some rows, as ``Pool.search_around`` does."""
        return self.search_available(self.features(rows), k, available)


class TaskFeatures:
    """The neighborhoods of the campaigns that selected last. Thread-safe.

    Args:
        pools: Returns the current state of the pool.
        threads: OpenMP threads of each search.
        campaigns: Neighborhoods kept at most; the one unused for longest goes first.
    """

    def __init__(self, pools: Callable[[], Pool], *, threads: int, campaigns: int = 4) -> None:
        self._pools = pools
        self._threads = threads
        self._limit = campaigns
        self._ready: OrderedDict[str, Neighborhood] = OrderedDict()
        self._pending: dict[str, Future[None]] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="task-features")

    def current(self, campaign_id: str, rows: int) -> Neighborhood | None:
        """Return the newest finished neighborhood of a campaign over all of a pool's rows.

        None before its first, once it was let go, and where samples were added since: distances in two feature spaces
        do not compare, so until the next refresh the pool's own features serve.
        """
        with self._lock:
            found = self._ready.get(campaign_id)
            if found is None or found.rows != rows:
                return None
            self._ready.move_to_end(campaign_id)
            return found

    def refresh(self, campaign_id: str, embed: Embed) -> Future[None] | None:
        """Begin to encode the pool anew for a campaign; None where that is under way already, or after ``close``.

        The future ends once the new features serve. A failure is logged, and the old ones go on.
        """
        with self._lock:
            if campaign_id in self._pending or self._closing.is_set():
                return None
            future = self._worker.submit(self._encode, campaign_id, embed)
            self._pending[campaign_id] = future
        return future

    def close(self) -> None:
        """Give up what is under way and wait for the thread to end."""
        with self._lock:
            self._closing.set()
        self._worker.shutdown(cancel_futures=True)

    def _encode(self, campaign_id: str, embed: Embed) -> None:
        try:
            features = self._features_of(embed)
            if features is None:
                return
            made = Neighborhood(features, threads=self._threads)
            with self._lock:
                self._ready[campaign_id] = made
                self._ready.move_to_end(campaign_id)
                while len(self._ready) > self._limit:
                    self._ready.popitem(last=False)
        except Exception:
            _log.exception("task-aware features of campaign %s: the old ones go on serving", campaign_id)
        finally:
            with self._lock:
                self._pending.pop(campaign_id, None)

    def _features_of(self, embed: Embed) -> Float32Array | None:
        """Return the embedding's principal components float32 [N, D]; None once closing."""
        pool = self._pools()
        size = pool.rows
        rng = np.random.default_rng(0)
        fitted = np.sort(rng.choice(size, min(_FITTED_ROWS, size), replace=False))
        embedded = []
        for rows in _chunks(fitted):
            if self._closing.is_set():
                return None
            embedded.append(embed(pool.inputs(rows)))
        sample = np.concatenate(embedded)
        mean = sample.mean(0)
        # [E, E], where numpy makes a number of E = 1; eigenvalues ascend
        covariance = np.atleast_2d(np.cov(sample, rowvar=False)).astype(np.float32)
        _, directions = np.linalg.eigh(covariance)
        directions = np.ascontiguousarray(directions[:, -_COMPONENTS:])  # [E, D]
        features = np.empty((size, directions.shape[1]), np.float32)
        for rows in _chunks(np.arange(size)):
            if self._closing.is_set():
                return None
            features[rows] = (embed(pool.inputs(rows)) - mean) @ directions
        return features


def _chunks(rows: Int64Array) -> list[Int64Array]:
    return [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]
