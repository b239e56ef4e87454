"""What the clients know for certain: every write they sent and every answer they got, and what contradicts it.

A write is noted before it is sent and settled when its answer comes. In between, and for ever where no answer comes,
its effect may or may not be there; the witness then allows both, and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

CLASSES = 10
UNLABELED = -1  # among the labels a sample may have: that it has none


@dataclass
class CampaignTruth:
    """One campaign as its callers know it.

    Attributes:
        owner: Who holds the lease of a sample, by id; what an owner has sent to give back is no longer here.
        labels: The labels each sample may have; several while a write's answer is awaited.
    """

    owner: dict[int, str] = field(default_factory=dict)
    labels: dict[int, set[int]] = field(default_factory=dict)


class Witness:
    """Shared by all clients of one run. Thread-safe."""

    def __init__(self, campaigns: Iterable[str]) -> None:
        self._lock = threading.Lock()
        self._campaigns = {name: CampaignTruth() for name in campaigns}
        self._present: dict[int, bytes] = {}  # added samples whose addition was acknowledged
        self._removing: set[int] = set()
        self._removed: set[int] = set()
        self.violations: list[str] = []

    def accuse(self, text: str) -> None:
        """Note a violation."""
        with self._lock:
            self.violations.append(text)

    # What clients note

    def removed_so_far(self) -> frozenset[int]:
        """Return the ids whose removal is acknowledged by now."""
        with self._lock:
            return frozenset(self._removed)

    def leased(self, campaign: str, caller: str, ids: Iterable[int], removed: frozenset[int]) -> None:
        """Note an answered selection; `removed` is what was removed before it was first sent."""
        with self._lock:
            truth = self._campaigns[campaign]
            seen: set[int] = set()
            for id_ in ids:
                if id_ in seen:
                    self.violations.append(f"{campaign}: {id_} twice in one selection of {caller}")
                seen.add(id_)
                if id_ in truth.owner:
                    self.violations.append(f"{campaign}: {id_} leased to {truth.owner[id_]} and {caller}")
                if UNLABELED not in truth.labels.get(id_, {UNLABELED}):
                    self.violations.append(f"{campaign}: {id_} is labeled and was handed to {caller}")
                if id_ in removed:
                    self.violations.append(f"{campaign}: {id_} was removed and was handed to {caller}")
                truth.owner[id_] = caller

    def giving_back(self, campaign: str, ids: Iterable[int]) -> None:
        """Note that leases are about to be released."""
        with self._lock:
            for id_ in ids:
                self._campaigns[campaign].owner.pop(id_, None)

    def labels_to_send(self, campaign: str, ids: Iterable[int]) -> dict[int, int]:
        """Return a class for each sample that it cannot have now, so that every write can be told from the others."""
        with self._lock:
            labels = self._campaigns[campaign].labels
            return {id_: min(set(range(CLASSES)) - labels.get(id_, set())) for id_ in ids}

    def labeling(self, campaign: str, labels: Mapping[int, int]) -> None:
        """Note that labels, new or corrected, are about to be sent."""
        with self._lock:
            truth = self._campaigns[campaign]
            for id_, label in labels.items():
                truth.labels.setdefault(id_, {UNLABELED}).add(label)

    def labeled(self, campaign: str, labels: Mapping[int, int]) -> None:
        """Note that labels were acknowledged."""
        with self._lock:
            truth = self._campaigns[campaign]
            for id_, label in labels.items():
                truth.labels[id_] = {label}
                truth.owner.pop(id_, None)

    def refused(self, campaign: str, labels: Mapping[int, int]) -> None:
        """Note that labels were refused, as those of samples that somebody removed are."""
        with self._lock:
            for id_, label in labels.items():
                self._campaigns[campaign].labels[id_].discard(label)

    def retracting(self, campaign: str, ids: Iterable[int]) -> None:
        """Note that labels are about to be retracted; from now on others may get the samples."""
        with self._lock:
            for id_ in ids:
                self._campaigns[campaign].labels[id_].add(UNLABELED)

    def retracted(self, campaign: str, labels: Mapping[int, int]) -> None:
        """Note that retractions were acknowledged, of these labels; others may have labeled the samples since."""
        with self._lock:
            for id_, label in labels.items():
                possible = self._campaigns[campaign].labels[id_]
                if possible == {label, UNLABELED}:
                    possible.discard(label)

    def added(self, samples: Mapping[int, bytes]) -> None:
        """Note that samples were added."""
        with self._lock:
            for id_ in samples:
                if id_ in self._present or id_ in self._removed:
                    self.violations.append(f"pool: {id_} was given to two added samples")
            self._present.update(samples)

    def removing(self, ids: Iterable[int]) -> None:
        """Note that samples are about to be removed."""
        with self._lock:
            self._removing.update(ids)

    def removed(self, ids: Iterable[int]) -> None:
        """Note that removals were acknowledged."""
        with self._lock:
            for id_ in ids:
                self._removing.discard(id_)
                self._removed.add(id_)
                self._present.pop(id_, None)

    def may_be_removed(self, ids: Iterable[int]) -> bool:
        """Whether one of the samples was removed, or is about to be."""
        with self._lock:
            return any(id_ in self._removed or id_ in self._removing for id_ in ids)

    # What a restarted server says

    def check_labels(self, campaign: str, listed: Iterable[tuple[int, int]]) -> None:
        """Hold the labels a server lists against what was acknowledged."""
        with self._lock:
            truth = self._campaigns[campaign]
            found: dict[int, int] = {}
            for id_, label in listed:
                if id_ in found:
                    self.violations.append(f"{campaign}: {id_} is listed with two labels")
                found[id_] = label
            for id_, possible in truth.labels.items():
                label = found.pop(id_, UNLABELED)
                if label not in possible:
                    self.violations.append(
                        f"{campaign}: {id_} has label {label}, may have {sorted(possible)}"
                    )
            for id_, label in found.items():
                self.violations.append(f"{campaign}: {id_} has label {label}, which nobody sent")

    def check_leases(self, campaign: str, listed: Iterable[int]) -> list[int]:
        """Hold the leases a server lists against what was acknowledged; return those nobody knows of.

        They are of selections that were answered to nobody.
        """
        with self._lock:
            truth = self._campaigns[campaign]
            leases = list(listed)
            if len(set(leases)) != len(leases):
                self.violations.append(f"{campaign}: a lease is listed twice")
            found = set(leases)
            for id_, caller in truth.owner.items():
                gone = id_ in self._removed or id_ in self._removing
                pending = truth.labels.get(id_, {UNLABELED}) != {UNLABELED}
                if id_ not in found and not gone and not pending:
                    self.violations.append(f"{campaign}: the lease of {id_} to {caller} is lost")
            for id_ in found:
                if UNLABELED not in truth.labels.get(id_, {UNLABELED}):
                    self.violations.append(f"{campaign}: {id_} is leased though it is labeled")
            return sorted(found - truth.owner.keys())

    def added_samples(self) -> dict[int, bytes]:
        """Return the added samples that must be there."""
        with self._lock:
            return {id_: data for id_, data in self._present.items() if id_ not in self._removing}

    def removed_samples(self) -> list[int]:
        """Return the samples that must be gone."""
        with self._lock:
            return sorted(self._removed)
