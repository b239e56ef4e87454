"""Classifiers that broke too often to be run again, and those that have shown that they run. In memory only."""

from __future__ import annotations

import threading
from collections import OrderedDict

from query_server.errors import classifier_failed

FAILURES = 3
"""Times a classifier may take its worker process down."""

_REMEMBERED = 4096


class Quarantine:
    """Counts, by classifier id; of very many, those longest unheard of are forgotten. Thread-safe."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, int] = OrderedDict()
        self._proven: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def failed(self, classifier_id: str) -> None:
        """Note that it took its worker down."""
        with self._lock:
            self._failures[classifier_id] = self._failures.pop(classifier_id, 0) + 1
            self._proven.pop(classifier_id, None)
            while len(self._failures) > _REMEMBERED:
                self._failures.popitem(last=False)

    def ran(self, classifier_id: str) -> None:
        """Note that it did a job to the end."""
        with self._lock:
            self._proven[classifier_id] = self._proven.pop(classifier_id, None)
            while len(self._proven) > _REMEMBERED:
                self._proven.popitem(last=False)

    def is_proven(self, classifier_id: str) -> bool:
        """Whether it did a job to the end, and has not failed since."""
        with self._lock:
            return classifier_id in self._proven

    def require_allowed(self, classifier_id: str) -> None:
        """Refuse a classifier that failed too often.

        Raises:
            DowserError: CLASSIFIER_FAILED.
        """
        with self._lock:
            failures = self._failures.get(classifier_id, 0)
        if failures >= FAILURES:
            raise classifier_failed(
                classifier_id,
                "crash",
                f"it took its worker process down {failures} times and is not run again; upload another",
                limit=f"{FAILURES} failures",
            )
