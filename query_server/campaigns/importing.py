"""Importing a campaign: all that an export says of it becomes a new campaign, in one transaction or not at all."""

import json
import math
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from query_server import errors
from query_server.campaigns.core import Core
from query_server.campaigns.label_book import check_label
from query_server.campaigns.membership import Membership
from query_server.campaigns.mirror import MirroredCampaign
from query_server.campaigns.values import (
    CampaignInfo,
    Change,
    Imported,
    Label,
    LabelEvent,
    LeaseTerm,
    PoolState,
    Request,
    RoundInfo,
)

MAX_NAME_LENGTH = 128
_MAX_TIME = 253_402_300_799.0  # the end of the year 9999, where the wire's timestamps end


@dataclass(frozen=True, kw_only=True)
class CampaignContent:
    """What a campaign is made of.

    Attributes:
        events: What happened to its labels, in its order; a time of 0 means now.
        leases: What is handed out; of samples that have a label at the end of the events they are left out.
        rounds: The selections made.
    """

    events: Sequence[LabelEvent] = field(default_factory=tuple)
    leases: Sequence[LeaseTerm] = field(default_factory=tuple)
    rounds: Sequence[RoundInfo] = field(default_factory=tuple)


class Importer(Core):
    """The part of the store that makes campaigns."""

    def create(self, name: str, pool: str, seed: int, request: Request) -> CampaignInfo:
        """Create a campaign.

        Raises:
            DowserError: INVALID_ARGUMENT, POOL_NOT_FOUND, CAMPAIGN_EXISTS or REQUEST_ID_REUSED.
        """
        with self._lock:
            stored = self._stored_answer(request)
            if stored is not None:
                return CampaignInfo(**json.loads(stored))
            self._refuse(name, pool, seed)
            with self._transaction(None):
                campaign = self._mirror.new(
                    self._ledger.add_campaign(secrets.token_hex(16), name, pool, seed)
                )
                info = self._info(campaign)
                # Kept beyond the campaign's deletion: a late retry must not bring it back.
                self._ledger.add_request(request, json.dumps(asdict(info)).encode(), None)
            self._mirror.keep(campaign)
            return info

    def import_campaign(
        self,
        name: str,
        pool: str,
        seed: int,
        content: CampaignContent,
        request: Request,
        *,
        skip_unknown: bool = False,
    ) -> Imported:
        """Create a campaign with labels, their history, leases and rounds, all or nothing.

        Args:
            name: Of the new campaign.
            pool: The pool it labels.
            seed: Seeds of its selections are derived from this.
            content: What it holds.
            request: The write's identity.
            skip_unknown: Leave out samples that the pool does not hold, instead of refusing.

        Raises:
            DowserError: POOL_ID_NOT_FOUND, INVALID_ARGUMENT, POOL_NOT_FOUND, CAMPAIGN_EXISTS or REQUEST_ID_REUSED.
        """
        with self._lock:
            stored = self._stored_answer(request)
            if stored is not None:
                outcome = json.loads(stored)
                return Imported(campaign=CampaignInfo(**outcome["campaign"]), skipped=outcome["skipped"])
            self._refuse(name, pool, seed)
            state = self._mirror.served(pool)
            content, skipped = _known(_checked(content, self._now()), state, skip_unknown)
            events, labels = _fold(content.events)
            leases = [term for term in content.leases if term.pool_id not in labels]
            rounds = max((each.round for each in content.rounds), default=0)
            with self._transaction(None):
                row = self._ledger.add_campaign(secrets.token_hex(16), name, pool, seed, rounds=rounds)
                self._ledger.insert_labels(row.key, labels.values())
                self._ledger.add_events(row.key, events)
                self._ledger.insert_leases(row.key, leases)
                self._ledger.insert_rounds(row.key, content.rounds)
                campaign = MirroredCampaign(
                    row=row,
                    membership=Membership(
                        pool_ids=np.array(list(labels), dtype=np.uint64),
                        labels=np.array([each.label for each in labels.values()], dtype=np.int64),
                        leased=np.array([term.pool_id for term in leases], dtype=np.uint64),
                    ),
                    rounds=rounds,
                    next_expiry=self._ledger.next_expiry(row.key),
                )
                self._lapse(campaign)
                imported = Imported(campaign=self._info(campaign), skipped=skipped)
                self._ledger.add_request(request, json.dumps(asdict(imported)).encode(), None)
            self._mirror.keep(campaign)
            return imported

    def _refuse(self, name: str, pool: str, seed: int) -> None:
        if not 1 <= len(name) <= MAX_NAME_LENGTH:
            raise errors.invalid_argument("name", name, f"1 to {MAX_NAME_LENGTH} characters")
        if not 0 <= seed < 2**64:
            raise errors.invalid_argument("seed", seed, "0 to 2^64 - 1")
        self._mirror.refuse_taken(name, pool)


def _checked(content: CampaignContent, now: float) -> CampaignContent:
    """Return the content, times filled in; refuse values that cannot be."""
    leased: set[int] = set()
    for position, term in enumerate(content.leases):
        where = f"leases[{position}]"
        check_label(term.pool_id, 0, where)
        if not 0 <= term.round < 2**63:
            raise errors.invalid_argument(f"{where}.round", term.round, "0 to 2^63 - 1")
        _check_time(term.lease_time, where)
        if term.expire_time is not None:
            _check_time(term.expire_time, where)
        if term.pool_id in leased:
            raise errors.invalid_argument(f"{where}.pool_id", term.pool_id, "leased once")
        leased.add(term.pool_id)
    rounds: set[int] = set()
    for position, each in enumerate(content.rounds):
        _check_time(each.time, f"rounds[{position}]")
        if not 1 <= each.round < 2**63 or each.round in rounds:
            raise errors.invalid_argument(f"rounds[{position}].round", each.round, "1 or more, each once")
        if not 0 <= each.budget < 2**63:
            raise errors.invalid_argument(f"rounds[{position}].budget", each.budget, "0 to 2^63 - 1")
        rounds.add(each.round)
    events = []
    for position, event in enumerate(content.events):
        where = f"events[{position}]"
        check_label(event.pool_id, event.label or 0, where)
        if (event.label is None) != (event.change is Change.RETRACTED):
            raise errors.invalid_argument(f"{where}.label", event.label, "set, but not for a retraction")
        _check_time(event.time, where)
        events.append(replace(event, time=event.time or now))
    return replace(content, events=tuple(events))


def _check_time(seconds: float, where: str) -> None:
    if not (math.isfinite(seconds) and 0 <= seconds <= _MAX_TIME):
        raise errors.invalid_argument(f"{where}.time", seconds, "a time from 1970 to 9999")


def _known(content: CampaignContent, state: PoolState, skip: bool) -> tuple[CampaignContent, int]:
    """Return the content of samples that the pool holds, and how many it does not; refuse those unless they may go."""
    mentioned = [event.pool_id for event in content.events] + [term.pool_id for term in content.leases]
    pool_ids = np.unique(np.array(mentioned, dtype=np.uint64))
    unknown = set(pool_ids[state.rows_of(pool_ids) < 0].tolist())
    if not unknown:
        return content, 0
    if not skip:
        raise errors.pool_id_not_found(min(unknown), len(unknown))
    known = replace(
        content,
        events=tuple(event for event in content.events if event.pool_id not in unknown),
        leases=tuple(term for term in content.leases if term.pool_id not in unknown),
    )
    return known, len(unknown)


def _fold(events: Sequence[LabelEvent]) -> tuple[tuple[LabelEvent, ...], dict[int, Label]]:
    """Return the events with what each label was before, and the labels they end with, as they were recorded.

    Raises:
        DowserError: INVALID_ARGUMENT for a history that cannot be.
    """
    labels: dict[int, Label] = {}
    folded = []
    for position, event in enumerate(events):
        present = labels.get(event.pool_id)
        if (present is None) != (event.change is Change.RECORDED):
            limit = "recorded where there is no label, corrected or retracted where there is one"
            raise errors.invalid_argument(f"events[{position}].change", event.change.name.lower(), limit)
        folded.append(replace(event, previous=None if present is None else present.label))
        if event.label is None:
            del labels[event.pool_id]
        else:
            labels[event.pool_id] = Label(
                pool_id=event.pool_id, label=event.label, annotator=event.annotator, record_time=event.time
            )
    return tuple(folded), labels
