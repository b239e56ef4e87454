"""What goes into and comes out of the campaign store: plain values, no SQL and no protobuf."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from query_server.open_rows import OpenRows

Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]


class PoolState(Protocol):
    """One state of a pool, which never changes: what a campaign needs of it."""

    @property
    def size(self) -> int:
        """Samples that can be selected; removed ones do not count."""

    @property
    def rows(self) -> int:
        """Rows of masks; removed samples keep theirs."""

    def rows_of(self, pool_ids: UInt64) -> Int64:
        """Return rows int64 [n] of pool ids uint64 [n], -1 where unknown or removed."""

    def open_rows(self, closed: Int64) -> OpenRows:
        """Return the rows that are neither removed nor closed int64 [n]."""


#: Returns a pool's state of this moment, the same object until the pool changes.
CurrentState = Callable[[], PoolState]


@dataclass(frozen=True, kw_only=True)
class Request:
    """The identity of one write, for idempotency.

    Attributes:
        id: Made by the client, 1 to 128 characters; unique over all methods and campaigns.
        method: The method it was sent to.
        fingerprint: Digest of the request's content; equal requests have equal fingerprints.
    """

    id: str
    method: str
    fingerprint: bytes


@dataclass(frozen=True, kw_only=True)
class CampaignInfo:
    """One campaign and its counts at one moment.

    Attributes:
        id: Made by the store; stable.
        name: Chosen by the client; unique in the store.
        pool: The pool's name.
        seed: Seeds of selections that name none are derived from this and the round.
        create_time: Seconds since the epoch, UTC.
        labeled: Samples with a label, those removed from the pool since included.
        leased: Samples handed out and not labeled yet, likewise.
        unlabeled: Samples of the pool as it is now that can be selected: neither labeled nor leased; 0 while the pool
            is not served.
        rounds: Selections made so far.
    """

    id: str
    name: str
    pool: str
    seed: int
    create_time: float
    labeled: int
    leased: int
    unlabeled: int
    rounds: int


@dataclass(frozen=True, kw_only=True)
class Label:
    """One answer of the oracle; `record_time` (seconds since the epoch) is set by the store."""

    pool_id: int
    label: int
    annotator: str = ""
    record_time: float = 0.0


class Change(IntEnum):
    """What happened to a sample's label; the numbers are those of the ledger and of the wire."""

    RECORDED = 1
    CORRECTED = 2
    RETRACTED = 3


@dataclass(frozen=True, kw_only=True)
class LabelEvent:
    """One entry of a campaign's history of labels.

    Attributes:
        change: What happened.
        pool_id: The sample.
        label: Its label from then on; None after a retraction.
        previous: Its label until then; None where it had none.
        annotator: Who or what did it.
        time: Seconds since the epoch, UTC.
    """

    change: Change
    pool_id: int
    label: int | None
    previous: int | None = None
    annotator: str = ""
    time: float = 0.0


@dataclass(frozen=True, kw_only=True)
class LeaseTerm:
    """One sample handed out: in which round, when, and until when (None: until it is labeled or released)."""

    pool_id: int
    round: int
    lease_time: float
    expire_time: float | None


@dataclass(frozen=True, kw_only=True)
class RoundInfo:
    """One selection of a campaign: its number from 1, how many samples it took, and when."""

    round: int
    budget: int
    time: float


@dataclass(frozen=True, kw_only=True)
class Extended:
    """`extended` leases were given until later; `not_leased` of the ids asked for had no such lease (any more)."""

    extended: int
    not_leased: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Changed:
    """`changed` labels were corrected or retracted; `labeled` samples of the campaign have a label now."""

    changed: int
    labeled: int


@dataclass(frozen=True, kw_only=True)
class Imported:
    """The campaign an import made, and how many of its samples the pool does not know and were left out."""

    campaign: CampaignInfo
    skipped: int


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A campaign's state at one moment, safe to use without a lock.

    Attributes:
        info: The campaign and its counts.
        available: Rows of the pool's state whose samples are neither removed nor labeled nor leased; the caller's own.
        labeled_rows: Rows with a label int64 [L], in the order in which they were recorded; samples that this state
            of the pool does not know are left out.
        labeled_ids: Their pool ids uint64 [L].
        labels: Their labels int64 [L].
        memory: What the campaign's last selection left for the next; empty before the first.
    """

    info: CampaignInfo
    available: OpenRows
    labeled_rows: Int64
    labeled_ids: UInt64
    labels: Int64
    memory: bytes


@dataclass(frozen=True, kw_only=True)
class Lease:
    """What one selection got, handed to the answer builder inside the transaction.

    Attributes:
        positions: int64 [budget], which entries of the ranked list were taken, ascending.
        pool_ids: uint64 [budget], their ids in the same order.
        round: The campaign's round this selection is, from 1.
    """

    positions: Int64
    pool_ids: UInt64
    round: int


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """`recorded` labels were new; `labeled` samples of the campaign have a label now."""

    recorded: int
    labeled: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a selection writes beside its leases.

    Attributes:
        reply: The answer's bytes, stored under its request id.
        memory: For the campaign's next selection; None leaves what is there.
    """

    reply: bytes
    memory: bytes | None = None


AnswerBuilder = Callable[[Lease], Answer]


class RankedListExhaustedError(Exception):
    """The ranked list held fewer free ids than the budget although the pool still has enough.

    Others leased in the meantime: take a new snapshot and select again. Nothing was changed.
    """

    def __init__(self, budget: int, free: int) -> None:
        super().__init__(f"only {free} of the ranked ids are still free, {budget} were asked for")
        self.budget = budget
        self.free = free
