"""Labels of a campaign: recorded, corrected, retracted, and listed with all that was ever said."""

import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from query_server import errors
from query_server.campaigns.core import Core, page_start
from query_server.campaigns.membership import Membership
from query_server.campaigns.values import (
    Changed,
    Int64,
    Label,
    LabelEvent,
    PoolState,
    Recorded,
    Request,
    UInt64,
)


class LabelBook(Core):
    """The part of the store that deals in labels."""

    def labels_page(
        self, id_or_name: str, *, page_size: int = 10_000, page_token: str = ""
    ) -> tuple[Sequence[Label], str]:
        """Return (labels in the order they were recorded, the next page's token or "").

        Raises:
            DowserError: CAMPAIGN_NOT_FOUND, or INVALID_ARGUMENT for a page size or token that cannot be.
        """
        start = page_start(page_size, page_token)
        with self._lock:
            entries = self._ledger.labels_after(self._find(id_or_name).row.key, start, page_size + 1)
        page = entries[:page_size]
        return [label for _, label in page], str(page[-1][0]) if len(entries) > page_size else ""

    def history_page(
        self, id_or_name: str, *, page_size: int = 10_000, page_token: str = ""
    ) -> tuple[Sequence[LabelEvent], str]:
        """Return (all that happened to labels in its order, the next page's token or "").

        Raises:
            DowserError: CAMPAIGN_NOT_FOUND, or INVALID_ARGUMENT for a page size or token that cannot be.
        """
        start = page_start(page_size, page_token)
        with self._lock:
            entries = self._ledger.events_after(self._find(id_or_name).row.key, start, page_size + 1)
        page = entries[:page_size]
        return [event for _, event in page], str(page[-1][0]) if len(entries) > page_size else ""

    def labels(self, id_or_name: str) -> tuple[UInt64, Int64]:
        """Return (pool_ids uint64 [L], labels int64 [L]) of a campaign in the order they were recorded.

        Raises:
            DowserError: CAMPAIGN_NOT_FOUND.
        """
        with self._lock:
            return self._ledger.labels(self._find(id_or_name).row.key)

    def record_labels(self, id_or_name: str, labels: Sequence[Label], request: Request) -> Recorded:
        """Record labels, all or none; a leased sample's lease ends. The same label again changes nothing.

        Raises:
            DowserError: LABEL_CONFLICT for a sample with another label, POOL_ID_NOT_FOUND, INVALID_ARGUMENT,
                CAMPAIGN_NOT_FOUND, POOL_NOT_FOUND or REQUEST_ID_REUSED.
        """
        with self._lock:
            stored = self._stored_answer(request)
            if stored is not None:
                return Recorded(**json.loads(stored))
            campaign, state = self._find_served(id_or_name)
            membership = campaign.membership
            distinct = _distinct(labels)
            pool_ids = _ids_of(distinct)
            _refuse_unknown(pool_ids, state)
            already = membership.are_labeled(pool_ids)
            for position in np.flatnonzero(already).tolist():
                entry = distinct[position]
                recorded = self._ledger.label_of(campaign.row.key, entry.pool_id)
                if recorded is not None and recorded != entry.label:
                    raise errors.label_conflict(entry.pool_id, recorded, entry.label)
            new = [distinct[position] for position in np.flatnonzero(~already).tolist()]
            outcome = Recorded(recorded=len(new), labeled=membership.labeled + len(new))
            with self._transaction(campaign):
                self._ledger.add_labels(campaign.row.key, new)
                self._ledger.add_request(request, json.dumps(asdict(outcome)).encode(), campaign.row.key)
            membership.label(pool_ids[~already], _labels_of(new))
            return outcome

    def correct_labels(self, id_or_name: str, labels: Sequence[Label], request: Request) -> Changed:
        """Give labeled samples other labels, all or none; the label a sample has already changes nothing.

        Samples that were removed from the pool since can be corrected too.

        Raises:
            DowserError: LABEL_NOT_FOUND for a sample without a label, LABEL_CONFLICT for two labels of one sample,
                INVALID_ARGUMENT, CAMPAIGN_NOT_FOUND or REQUEST_ID_REUSED.
        """
        with self._lock:
            stored = self._stored_answer(request)
            if stored is not None:
                return Changed(**json.loads(stored))
            campaign = self._find(id_or_name)
            distinct = _distinct(labels)
            _refuse_unlabeled(_ids_of(distinct), campaign.membership)
            key = campaign.row.key
            other = [entry for entry in distinct if self._ledger.label_of(key, entry.pool_id) != entry.label]
            outcome = Changed(changed=len(other), labeled=campaign.membership.labeled)
            with self._transaction(campaign):
                self._ledger.correct_labels(key, other)
                self._ledger.add_request(request, json.dumps(asdict(outcome)).encode(), key)
            campaign.membership.correct(_ids_of(other), _labels_of(other))
            return outcome

    def retract_labels(
        self, id_or_name: str, pool_ids: UInt64, request: Request, *, annotator: str = ""
    ) -> Changed:
        """Take labels back, all or none: the samples can be selected again, the history keeps what was said.

        Raises:
            DowserError: LABEL_NOT_FOUND for a sample without a label, CAMPAIGN_NOT_FOUND or REQUEST_ID_REUSED.
        """
        with self._lock:
            stored = self._stored_answer(request)
            if stored is not None:
                return Changed(**json.loads(stored))
            campaign = self._find(id_or_name)
            distinct = np.unique(np.asarray(pool_ids, dtype=np.uint64))
            _refuse_unlabeled(distinct, campaign.membership)
            outcome = Changed(changed=len(distinct), labeled=campaign.membership.labeled - len(distinct))
            with self._transaction(campaign):
                self._ledger.retract_labels(campaign.row.key, distinct.tolist(), annotator)
                self._ledger.add_request(request, json.dumps(asdict(outcome)).encode(), campaign.row.key)
            campaign.membership.retract(distinct)
            return outcome


def check_label(pool_id: int, label: int, where: str) -> None:
    """Refuse a pool id or label that cannot be, with INVALID_ARGUMENT."""
    if not 0 <= pool_id < 2**64:
        raise errors.invalid_argument(f"{where}.pool_id", pool_id, "0 to 2^64 - 1")
    if not 0 <= label < 2**63:
        raise errors.invalid_argument(f"{where}.label", label, "0 to 2^63 - 1")


def _distinct(labels: Sequence[Label]) -> Sequence[Label]:
    """Return labels without repetitions, each checked; refuse two labels for one sample."""
    by_id: dict[int, Label] = {}
    for position, entry in enumerate(labels):
        check_label(entry.pool_id, entry.label, f"labels[{position}]")
        first = by_id.setdefault(entry.pool_id, entry)
        if first.label != entry.label:
            raise errors.label_conflict(entry.pool_id, first.label, entry.label)
    return tuple(by_id.values())


def _ids_of(labels: Sequence[Label]) -> UInt64:
    return np.array([entry.pool_id for entry in labels], dtype=np.uint64)


def _labels_of(labels: Sequence[Label]) -> Int64:
    return np.array([entry.label for entry in labels], dtype=np.int64)


def _refuse_unknown(pool_ids: UInt64, state: PoolState) -> None:
    """Raise POOL_ID_NOT_FOUND if the pool does not hold one of the samples (any more)."""
    unknown = np.flatnonzero(state.rows_of(pool_ids) < 0)
    if len(unknown):
        raise errors.pool_id_not_found(int(pool_ids[unknown[0]]), len(unknown))


def _refuse_unlabeled(pool_ids: UInt64, membership: Membership) -> None:
    """Raise LABEL_NOT_FOUND if one of the samples has no label."""
    unlabeled = np.flatnonzero(~membership.are_labeled(pool_ids))
    if len(unlabeled):
        raise errors.label_not_found(int(pool_ids[unlabeled[0]]), len(unlabeled))
