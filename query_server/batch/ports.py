"""What batch scoring needs of the other rooms, and no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from query_server.acquisition import HeadCondition
from query_server.acquisition.function import AcquisitionFunction
from query_server.scored import Scored
from query_server.selection.ports import Classifier, ClassifierFacts
from samples.preprocess import Preprocessing

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
UInt64 = NDArray[np.uint64]


class Scorer(Classifier, Protocol):
    """A classifier ready to score."""

    def score_raw(
        self, raw: NDArray[Any], preprocessing: Preprocessing, *, embedding: bool = False
    ) -> Scored:
        """Score raw samples [n, …] as their inputs; with their embedding where asked for and there is one."""


class Classifiers(Protocol):
    """The uploaded classifiers, each with any number of acquisition functions."""

    def info(self, classifier_id: str) -> ClassifierFacts:
        """Return what is known of one."""

    def compiled(
        self,
        classifier_id: str,
        function: AcquisitionFunction,
        condition: HeadCondition | None,
        *,
        also: Sequence[tuple[AcquisitionFunction, HeadCondition | None]] = (),
    ) -> Scorer:
        """Return one ready to score with an acquisition function, and others in the same pass."""


class Pool(Protocol):
    """One state of the real samples."""

    @property
    def name(self) -> str:
        """The pool's name."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one model input x, without the batch."""

    @property
    def has_samples(self) -> bool:
        """Whether ``inputs`` can be had."""

    def alive(self) -> NDArray[np.bool_]:
        """Return bool [rows], false where removed."""

    @property
    def preprocessing(self) -> Preprocessing:
        """From raw samples to model inputs."""

    def raw(self, rows: Int64) -> NDArray[Any]:
        """Return raw samples [n, …] of rows [n]."""

    def inputs(self, rows: Int64) -> Float32:
        """Return model inputs [n, …] of rows [n]."""

    def ids_of(self, rows: Int64) -> UInt64:
        """Return pool ids [n] of rows [n]."""

    def rows_of(self, pool_ids: UInt64) -> Int64:
        """Return rows [n] of pool ids [n], -1 where unknown or removed."""


class Engine(Protocol):
    """What a job scores with while nothing is reloaded."""

    @property
    def classifiers(self) -> Classifiers:
        """The job's own copy of its classifier, in processes of low priority."""

    @property
    def workers(self) -> int:
        """Chunks that are scored at the same time."""

    def pool(self) -> Pool:
        """Return the pool's newest state."""

    def is_current(self) -> bool:
        """Whether nothing was reloaded since."""


#: Opens an engine over a folder with a job's classifier.
OpenEngine = Callable[[Path], AbstractContextManager[Engine]]
