"""How another index takes the place of the one a journal lies beside: what leaves the journal, what comes back."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap64

from query_server import errors
from query_server.pool.carry import Carried
from query_server.pool.compacted import Compacted, identity_of
from query_server.pool.encoding import Encode, Float32Array, encoded, refuse_non_finite
from query_server.pool.id_sets import id_set
from query_server.pool.journal import Journal
from query_server.pool.journal_head import Head
from query_server.pool.pool import Pool

UInt64Array = npt.NDArray[np.uint64]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A state, and where the journal stood: what a compaction is of.

    Attributes:
        state: Of the pool.
        rows: Rows beside the index that it covers.
        removed: Ids that were removed uint64 [n].
        base: Identity of the index.
        source: Identity of the configured index that it stands for.
        encoder: Identifies the encoder of all features.
    """

    state: Pool
    rows: int
    removed: UInt64Array
    base: str
    source: str
    encoder: str


def go_over(journal: Journal, base: Pool, *, encode: Encode, encoder: str) -> Head:
    """Bring a journal beside an index; return where it stands then.

    Args:
        journal: Whose lock is held.
        base: The index.
        encode: Model inputs float32 [n, *input_shape] to features float32 [n, D].
        encoder: Identifies that encoder.

    Raises:
        DowserError: CORRUPT_FILE if what was added does not fit the index, NOT_FINITE,
            STORAGE_FULL; nothing changed then.
    """
    identity = identity_of(base.manifest)
    old = journal.head
    if old is None:
        head = Head(
            index_version=base.index_version,
            rows=0,
            base=identity,
            encoder=encoder,
            generation=1,
            raw_shape=None,
            raw_dtype=None,
            feature_dim=base.feature_dim,
        )
        journal.start(head)
        return head
    version = max(old.index_version, base.index_version) + (old.base != identity)
    carried = Carried.of(journal, base)
    head = replace(carried.after(old), base=identity, index_version=version)
    anew = old.encoder != encoder
    if anew:
        head = replace(head, encoder=encoder, feature_dim=base.feature_dim, generation=old.generation + 1)
    if head.rows:
        _check_layout(journal, base, head, same_encoder=not anew and carried.encoder in (encoder, None))
    if carried.count:
        _log.info("pool %s: %d compacted samples go back to the journal", base.name, carried.count)
    if old.rows and anew:
        _log.info("pool %s: encoding %d added samples with another encoder", base.name, old.rows)
    if head.rows and (anew or carried.count):
        reencode = None if carried.encoder == encoder else partial(encoded, encode, base.preprocessing)
        journal.go_over(
            head,
            anew=_encoded_anew(journal, encode, base, old) if anew and old.rows else None,
            carried=carried.rows(reencode),
        )
    elif head != old:
        journal.start(head)
    return head


def fold(journal: Journal, base: Pool, moment: Moment, folder: str) -> Head:
    """Leave to an index what it was made of; return where the journal, whose lock is held, stands then.

    Raises:
        DowserError: STORAGE_FULL; nothing changed then.
    """
    old, record = journal.head, journal.compacted
    assert old is not None  # the moment is of a state
    folded = BitMap64() if record is None else record.folded
    retired = BitMap64() if record is None else record.retired
    gone = id_set(moment.removed)
    taken = id_set(journal.added_ids()[: moment.rows])
    compacted = Compacted(
        folder=folder,
        identity=identity_of(base.manifest),
        source=moment.source,
        encoder=moment.encoder,
        folded=(folded | taken) - gone,
        retired=retired | gone,
    )
    head = replace(
        old,
        base=compacted.identity,
        index_version=old.index_version + 1,
        rows=old.rows - moment.rows,
        generation=old.generation + 1,
        samples_generation=old.samples_generation + 1,
    )
    journal.fold(head, compacted, rows=moment.rows, index_version=moment.state.index_version)
    return head


def _check_layout(journal: Journal, base: Pool, head: Head, *, same_encoder: bool) -> None:
    """Refuse an index that the samples added so far cannot be served beside."""
    where, undo = journal.directory, "move this directory away and add its samples again"
    raw = (tuple(base.raw_shape), str(base.raw_dtype))
    if head.raw_shape is None and (base.has_samples or not same_encoder):
        what = "the index keeps raw samples" if base.has_samples else "the bundle has another encoder"
        raise errors.corrupt_file(
            where,
            f"{head.rows} samples were added as features and {what}; serve the index and bundle they were added "
            f"to, or {undo}",
        )
    if head.raw_shape is not None and (head.raw_shape, head.raw_dtype) != raw:
        raise errors.corrupt_file(
            where,
            f"{head.rows} samples of {head.raw_dtype} {list(head.raw_shape)} were added and the index is of "
            f"{raw[1]} {list(raw[0])}; serve the index they were added to, or {undo}",
        )


def _encoded_anew(journal: Journal, encode: Encode, base: Pool, old: Head) -> Iterator[Float32Array]:
    samples = journal.files.samples(old)
    assert samples is not None  # the layout was checked
    for first_row, count in journal.batches():
        features = encoded(encode, base.preprocessing, samples[first_row : first_row + count])
        refuse_non_finite(features, first_row, what="added samples")
        yield features
