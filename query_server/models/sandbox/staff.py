"""The worker processes: kept at their number, handed out one job at a time, replaced when they are gone.

One process more than may work is kept, so that whoever comes after a death need not wait for a start. A job goes to a
process that has its classifier compiled, if one is idle or soon will be; else to any other, and to an unused one last.
Requests under way therefore come before new ones, until one of those has waited for a quarter of a second.
A classifier that has not yet done a job to its end never has all of them, and where one is being started it waits for
that rather than take down what another has compiled. While a worker that was asked to stop has not done so, the one in
reserve works in its place.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from query_server.errors import unavailable
from query_server.models.compiled import GeneratorBundle
from query_server.models.sandbox.process import SandboxConfig, WorkerProcess, WorkerStartError

_LOG = logging.getLogger(__name__)
# How long a classifier on trial waits for a worker that is being started; several times what a start takes.
_FRESH_SECONDS = 5.0
_LOOK_SECONDS = 0.05
_START_SECONDS = 120.0
_RETRY_SECONDS = 0.5
_FAILED_STARTS = 3


@dataclass(eq=False, kw_only=True)
class _Ticket:
    """Somebody who waits for a worker."""

    classifier_id: str
    key: str
    unused: bool
    proven: bool
    since: float = field(default_factory=time.monotonic)
    worker: WorkerProcess | None = None


class Staff:
    """Thread-safe.

    Args:
        config: How many, and what they are allowed.
        bundle: Whose generator they get.
    """

    def __init__(self, config: SandboxConfig, bundle: GeneratorBundle) -> None:
        self._config = config
        self._bundle = bundle
        self._idle: list[WorkerProcess] = []  # least recently used first
        self._busy: dict[WorkerProcess, str] = {}
        self._tickets: list[_Ticket] = []
        self._changed = threading.Condition()
        self._closing = False
        self._failure = ""
        self.restarts: Counter[str] = Counter()
        # Workers die with the thread that started them, so one thread starts them all and stays.
        self._keeper = threading.Thread(target=self._keep, name="dowser-sandbox", daemon=True)
        self._keeper.start()

    @property
    def waiting(self) -> int:
        """Jobs that wait for a worker."""
        with self._changed:
            return len(self._tickets)

    @property
    def alive(self) -> int:
        """Workers that are up."""
        with self._changed:
            return len(self._idle) + len(self._busy)

    @property
    def busy(self) -> int:
        """Workers with a job."""
        with self._changed:
            return len(self._busy)

    def acquire(
        self, classifier_id: str, key: str, *, unused: bool, proven: bool, tick: Callable[[], None]
    ) -> WorkerProcess:
        """Wait for a worker.

        Args:
            classifier_id: What it will run.
            key: The compiled classifier that is needed; "" for none.
            unused: Whether it must not have run anything before.
            proven: Whether the classifier did a job to its end before.
            tick: Called at least every 50 ms; what it raises ends the waiting.

        Raises:
            DowserError: UNAVAILABLE where none can be started.
        """
        ticket = _Ticket(classifier_id=classifier_id, key=key, unused=unused, proven=proven)
        with self._changed:
            self._tickets.append(ticket)
            try:
                while True:
                    self._match()
                    if ticket.worker is not None:
                        return ticket.worker
                    if self._closing:
                        raise unavailable("the server is shutting down")
                    if self._failure and not self._idle and not self._busy:
                        raise unavailable(
                            f"no worker process starts: {self._failure}", retry_after_seconds=_RETRY_SECONDS
                        )
                    tick()
                    self._changed.wait(_LOOK_SECONDS)
            except BaseException:
                if ticket.worker is not None:
                    self._return(ticket.worker)
                raise
            finally:
                if ticket in self._tickets:
                    self._tickets.remove(ticket)

    def release(self, worker: WorkerProcess) -> None:
        """Take back a worker that is as good as before."""
        with self._changed:
            self._return(worker)

    def dismiss(self, worker: WorkerProcess, why: str) -> None:
        """End a worker and have it replaced."""
        worker.kill()
        with self._changed:
            self._busy.pop(worker, None)
            self.restarts[why] += 1
            self._changed.notify_all()

    def wait_until_ready(self) -> None:
        """Wait for the first worker.

        Raises:
            DowserError: UNAVAILABLE where it does not start.
        """
        with self._changed:
            while not self._idle and not self._busy:
                if self._failure:
                    raise unavailable(f"no worker process starts: {self._failure}")
                self._changed.wait()

    def close(self) -> None:
        """End all workers, also those at work."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._keeper.join()
        with self._changed:
            for worker in (*self._idle, *self._busy):
                worker.kill()
            self._idle.clear()
            self._busy.clear()

    def _return(self, worker: WorkerProcess) -> None:
        if self._busy.pop(worker, None) is not None:
            self._idle.append(worker)
        self._changed.notify_all()

    def _match(self) -> None:
        """Give idle workers to those who wait, by their turn."""
        for dead in [worker for worker in self._idle if not worker.is_alive()]:
            self._idle.remove(dead)
            self._busy[dead] = ""
            self.dismiss(dead, "crash")
        for ticket in sorted(self._tickets, key=self._turn):
            worker = self._choose(ticket)
            if worker is not None:
                self._idle.remove(worker)
                self._busy[worker] = ticket.classifier_id
                worker.on_trial = not ticket.proven
                self._tickets.remove(ticket)
                ticket.worker = worker
                self._changed.notify_all()

    def _turn(self, ticket: _Ticket) -> int:
        """Return 0 for those whose turn comes first: who waited long, and for a while who need not compile again."""
        if time.monotonic() - ticket.since > self._config.affinity_seconds:
            return 0
        return 0 if any(worker.holds(ticket.key) for worker in self._idle) else 1

    def _choose(self, ticket: _Ticket) -> WorkerProcess | None:
        limit = self._config.workers
        if sum(not worker.is_stopping for worker in self._busy) >= limit:
            return None
        if not ticket.proven and list(self._busy.values()).count(ticket.classifier_id) >= max(1, limit - 1):
            return None
        if ticket.unused:
            return next((worker for worker in self._idle if not worker.ran), None)
        if ticket.key:
            for worker in self._idle:
                if worker.holds(ticket.key):
                    return worker
            soon = any(worker.holds(ticket.key) and not worker.on_trial for worker in self._busy)
            if soon and time.monotonic() - ticket.since < self._config.affinity_seconds:
                return None
        if not ticket.proven:  # it may take its worker down, and what that has compiled for others
            chosen = min(self._idle, key=lambda worker: worker.held, default=None)
            starting = len(self._idle) + len(self._busy) <= limit and not self._failure
            fresh_soon = starting and time.monotonic() - ticket.since < _FRESH_SECONDS
            return None if chosen is not None and chosen.held and fresh_soon else chosen
        return next((worker for worker in self._idle if worker.ran), None) or next(iter(self._idle), None)

    def _keep(self) -> None:
        said: list[str] = []
        failed = 0
        while True:
            with self._changed:
                while len(self._idle) + len(self._busy) > self._config.workers and not self._closing:
                    self._changed.wait()
                if self._closing:
                    return
            try:
                worker = WorkerProcess(self._config, self._bundle, tick=self._starting())
            except Exception as error:
                if self._is_closing():
                    return
                _LOG.exception("a worker process did not start")
                with self._changed:
                    failed += 1
                    # One that was killed as it started says nothing of the next.
                    self._failure = str(error) if failed >= _FAILED_STARTS else ""
                    self._changed.notify_all()
                    self._changed.wait(_RETRY_SECONDS)
                continue
            if worker.refused and worker.refused != said:
                said = worker.refused
                _LOG.warning("workers run without %s", "; ".join(said))
            failed = 0
            with self._changed:
                self._failure = ""
                self._idle.append(worker)
                self._changed.notify_all()

    def _is_closing(self) -> bool:
        with self._changed:
            return self._closing

    def _starting(self) -> Callable[[], None]:
        deadline = time.monotonic() + _START_SECONDS

        def tick() -> None:
            if self._is_closing() or time.monotonic() > deadline:
                raise WorkerStartError(f"it did not come up within {_START_SECONDS:g} s")

        return tick
