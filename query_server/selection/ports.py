"""What the selection needs of the other rooms, and no more."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from query_server.acquisition import HeadCondition
from query_server.acquisition.function import AcquisitionFunction
from query_server.ascending import Ascended, AscentOptions
from query_server.campaigns.values import AnswerBuilder, Request, Snapshot
from query_server.open_rows import OpenRows
from query_server.scored import Scored as Scored

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
UInt64 = NDArray[np.uint64]

#: Raises DowserError (CANCELLED or DEADLINE_EXCEEDED) once the caller no longer waits; called between steps.
Checkpoint = Callable[[str], None]


class Classifier(Protocol):
    """The current classifier with one acquisition function."""

    @property
    def latent_dim(self) -> int:
        """Z."""

    @property
    def classes(self) -> int:
        """C, 2 for a binary classifier of one logit."""

    def score(self, x: Float32, *, embedding: bool = False) -> Scored:
        """Score inputs [n, …]; with their embedding where asked for and there is one."""

    def prepare_ascent(self) -> None:
        """Compile what ``ascend`` needs, once."""

    def ascend(
        self,
        z: Float32,
        *,
        options: AscentOptions,
        before_step: Callable[[], None],
    ) -> Ascended:
        """Climb the score from latents [S, Z]: by Adam, or without a gradient for as many scores as steps a latent."""

    def encode(self, x: Float32) -> Float32:
        """Return matching features [n, D] of inputs [n, …]."""


class ClassifierFacts(Protocol):
    """What is known of an uploaded classifier."""

    @property
    def classes(self) -> int:
        """C; 1 for a binary classifier of one logit."""

    @property
    def passes(self) -> int:
        """T; 0 for a deterministic classifier."""

    @property
    def embedding_dim(self) -> int:
        """E; 0 for a classifier without an embedding."""

    @property
    def has_score(self) -> bool:
        """Whether the classifier gives a score of its own."""


class Classifiers(Protocol):
    """The uploaded classifiers."""

    def info(self, classifier_id: str) -> ClassifierFacts:
        """Return what is known of one."""

    def compiled(
        self, classifier_id: str, function: AcquisitionFunction, condition: HeadCondition | None
    ) -> Classifier:
        """Return one ready to score and climb with an acquisition function."""


class Neighborhood(Protocol):
    """Matching features of every row, and what is near in them."""

    def search_available(self, features: Float32, k: int, available: OpenRows) -> tuple[Float32, Int64, int]:
        """Return distances [Q, k'], rows [Q, k'] (-1 padded, available ones only, nearest first) and visited."""

    def search_around(self, rows: Int64, k: int, available: OpenRows) -> tuple[Float32, Int64, int]:
        """Return the same of the features of rows [Q]; cheap where they were asked about before."""

    def features(self, rows: Int64) -> Float32:
        """Return matching features [n, D] of rows [n]."""


class TaskFeatures(Protocol):
    """Features made of each campaign's own classifier, off the request path."""

    def current(self, campaign_id: str, rows: int) -> Neighborhood | None:
        """Return what serves a campaign over so many rows; None where only the pool's own features do."""

    def refresh(self, campaign_id: str, embed: Callable[[Float32], Float32]) -> object:
        """Begin to make them anew of the embedding [n, E] of model inputs [n, …]; returns at once."""


class Pool(Neighborhood, Protocol):
    """One state of the real samples; their own features are the encoder's, which synthetic samples are matched by."""

    @property
    def size(self) -> int:
        """Samples that can be selected; removed ones do not count."""

    @property
    def rows(self) -> int:
        """Rows of masks; removed samples keep theirs."""

    def open_rows(self, closed: Int64) -> OpenRows:
        """Return the rows that are neither removed nor closed int64 [n]."""

    @property
    def index_version(self) -> int:
        """Grows with every visible change."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of a model input without the batch."""

    @property
    def has_samples(self) -> bool:
        """Whether ``inputs`` can be had; features always can."""

    def inputs(self, rows: Int64) -> Float32:
        """Return model inputs [n, …] of rows [n]; SAMPLES_NOT_STORED where they are not here."""

    def ids_of(self, rows: Int64) -> UInt64:
        """Return pool ids [n] of rows [n]."""

    def rows_of(self, pool_ids: UInt64) -> Int64:
        """Return rows [n] of pool ids [n], -1 where unknown or removed."""


class Reconstructor(Protocol):
    """The way of a sample through the latents of the bundle's generator and back."""

    def known(self, labels: Int64) -> NDArray[np.bool_]:
        """Return bool [n]: whether the generator knows a label."""

    def reconstruct(self, x: Float32, labels: Int64) -> Float32:
        """Return x' [n, …] of model inputs [n, …] and their known labels [n], n at least 1."""


class Campaigns(Protocol):
    """The durable ledger."""

    def snapshot(self, id_or_name: str, pool: Pool | None = None) -> Snapshot:
        """Return a campaign and its free rows, both of one moment; rows are meant in a state of its pool."""

    def exclusive(self, request: Request) -> AbstractContextManager[bytes | None]:
        """Hold a request id while its work is done; yields the stored answer where there is one."""

    def lease(
        self, id_or_name: str, ranked_pool_ids: UInt64, budget: int, request: Request, answer: AnswerBuilder
    ) -> bytes:
        """Lease the first free ids of a ranked list and store the answer and the memory, in one transaction."""

    def hold(self, id_or_name: str, pool_ids: UInt64, request: Request, answer: Callable[[], bytes]) -> bytes:
        """Lease every id to a proposal, named by its request's id, and store the answer; no round is made."""

    def answered(self, request_id: str, method: str) -> bytes | None:
        """Return the stored answer of an earlier request to a method; None where there is none."""

    def settle(
        self,
        id_or_name: str,
        proposal: str,
        ranked_pool_ids: UInt64,
        budget: int,
        request: Request,
        answer: AnswerBuilder,
    ) -> bytes:
        """Make a round of the first ids of a ranked list that a proposal still holds, and end its other leases."""
