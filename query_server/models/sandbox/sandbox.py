"""Runs jobs in worker processes and says what became of them.

A worker runs one job at a time, so what a classifier does to its process never fails another's request. Where a process
died, or ran out of memory after it had run other classifiers, that may be somebody else's doing: the job is done again
in an unused one, and what breaks three in a row is the classifier's own fault. A request that gives up, or takes too
long, has its worker asked to stop before the next run of a graph, and killed where it does not.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from query_server.cores import share
from query_server.errors import DowserError, Reason, classifier_failed
from query_server.models.compiled import GeneratorBundle
from query_server.models.sandbox.frames import Arrays, Expected, FrameError
from query_server.models.sandbox.process import SandboxConfig, WorkerProcess
from query_server.models.sandbox.quarantine import Quarantine
from query_server.models.sandbox.staff import Staff
from query_server.patience import require_waiting
from query_server.timing import credit

_LOG = logging.getLogger(__name__)
_STOP_SECONDS = 1.0  # from the asking to the killing
_DEATHS = 3  # workers in a row that die of one job before it is the classifier's fault
_MAX_TEXT = 2000
_MAX_METADATA = 16
_REFUSALS = frozenset(
    {
        Reason.CLASSIFIER_REJECTED,
        Reason.CLASSIFIER_MISMATCH,
        Reason.ACQUISITION_UNSUPPORTED,
        Reason.NOT_FINITE,
    }
)

Results = tuple[dict[str, Any], dict[str, NDArray[Any]]]


@dataclass(frozen=True, kw_only=True)
class Loading:
    """What makes a compiled classifier in a worker.

    Attributes:
        key: Names it.
        read: Returns the uploaded bytes.
        heads: The acquisition heads' bytes, the first that of the ascent.
        head_values_per_sample: As ``CompiledClassifier`` takes it.
    """

    key: str
    read: Callable[[], bytes]
    heads: tuple[bytes, ...]
    head_values_per_sample: int


@dataclass(frozen=True, kw_only=True)
class Job:
    """Something to do with one classifier.

    Attributes:
        name: As ``jobs.Workbench.run`` knows it.
        stage: Where it says that its caller went away.
        classifier_id: Which classifier.
        seconds: How long it may take.
        loading: The compiled classifier it needs; None for none.
        header: Its options.
        arrays: Its inputs.
        expected: Its results, by name: dtype and shape.
        before_step: Called at least every 50 ms; what it raises ends the job.
    """

    name: str
    stage: str
    classifier_id: str
    seconds: float
    loading: Loading | None = None
    header: Mapping[str, Any] = field(default_factory=dict)
    arrays: Arrays = field(default_factory=dict)
    expected: Expected = field(default_factory=dict)
    before_step: Callable[[], None] = lambda: None


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """How an attempt ended.

    Attributes:
        answer: What the worker said.
        results: Its arrays.
        end: Why the worker is of no more use; "" where it is.
        error: What to tell the caller; None after success.
        at_fault: Whether the classifier is to blame for it.
        excused: Whether somebody else may be: who used the worker before, or killed it.
    """

    answer: Mapping[str, Any] = field(default_factory=dict)
    results: dict[str, NDArray[Any]] = field(default_factory=dict)
    end: str = ""
    error: Exception | None = None
    at_fault: bool = False
    excused: bool = False


class WorkerFaultError(Exception):
    """A job met a fault of the server's own code, as far as its worker is to be believed; nobody else is to blame."""


class _TooLateError(Exception):
    """A worker that was asked to stop did not."""


class Sandbox:
    """Worker processes that check and run uploaded classifiers. Thread-safe.

    Args:
        config: How many, and what they are allowed.
        bundle: Whose generator they get.

    Attributes:
        config: As given.
    """

    def __init__(self, config: SandboxConfig, bundle: GeneratorBundle) -> None:
        self.config = config
        self._staff = Staff(config, bundle)
        self._quarantine = Quarantine()

    @property
    def restarts(self) -> int:
        """Workers replaced so far."""
        return sum(self._staff.restarts.values())

    @property
    def restarts_by_cause(self) -> dict[str, int]:
        """The same by cause: memory, cpu, deadline, cancelled, crash, or grown (large after a job that went well)."""
        return dict(self._staff.restarts)

    @property
    def alive(self) -> int:
        """Worker processes, those in reserve included."""
        return self._staff.alive

    @property
    def busy(self) -> int:
        """Worker processes with a job."""
        return self._staff.busy

    @property
    def queue_depth(self) -> int:
        """Jobs that wait for a worker."""
        return self._staff.waiting

    def wait_until_ready(self) -> None:
        """Wait for the first worker.

        Raises:
            DowserError: UNAVAILABLE where it does not start.
        """
        self._staff.wait_until_ready()

    def run(self, job: Job) -> Results:
        """Do a job.

        Raises:
            DowserError: CLASSIFIER_FAILED, UNAVAILABLE, CANCELLED, DEADLINE_EXCEEDED, and what the job itself refuses:
                CLASSIFIER_REJECTED, CLASSIFIER_MISMATCH, ACQUISITION_UNSUPPORTED or NOT_FINITE.
            WorkerFaultError: What is nobody's fault but ours.
        """
        self._quarantine.require_allowed(job.classifier_id)
        outcome = self._attempt(job, unused=False)
        for _ in range(_DEATHS - 1):
            if not outcome.excused:
                break
            outcome = self._attempt(job, unused=True)
        if outcome.at_fault:
            self._quarantine.failed(job.classifier_id)
        if outcome.error is not None:
            raise outcome.error
        if job.name in ("score", "ascend"):
            self._quarantine.ran(job.classifier_id)
        return dict(outcome.answer), outcome.results

    def close(self) -> None:
        """End the workers."""
        self._staff.close()

    def _attempt(self, job: Job, *, unused: bool) -> _Outcome:
        worker = self._staff.acquire(
            job.classifier_id,
            job.loading.key if job.loading else "",
            unused=unused,
            proven=self._quarantine.is_proven(job.classifier_id),
            tick=lambda: _require_waiting(job),
        )
        others = worker.ran - {job.classifier_id}
        worker.ran.add(job.classifier_id)
        end = "crash"  # for whatever is not foreseen
        try:
            outcome = self._work(worker, job)
            end = outcome.end
        finally:
            if end:
                self._staff.dismiss(worker, end)
            else:
                self._staff.release(worker)
        if outcome.error is not None:
            _LOG.info("%s of %s: %s", job.name, job.classifier_id, outcome.error)
        return replace(outcome, excused=outcome.excused or (outcome.end == "memory" and bool(others)))

    def _work(self, worker: WorkerProcess, job: Job) -> _Outcome:
        try:
            header, arrays = self._message(worker, job)
        except Exception as refused:  # the upload may be gone; of that the worker has heard nothing
            return _Outcome(error=refused)
        patience = _Patience(worker, job)
        started = time.perf_counter()
        try:
            with share(self.config.threads) as threads:
                answer, results = worker.call(
                    {**header, "at_once": threads}, arrays, expected=job.expected, tick=patience.tick
                )
        except FrameError as broken:
            end, how = worker.cause_of_death()
            _LOG.warning(
                "worker %d, running %s: %s (%s)", worker.pid, job.classifier_id, how, _plain(str(broken))
            )
            limit = f"{header['cpu_seconds']:g} s" if end == "cpu" else ""
            error = classifier_failed(job.classifier_id, end, how, limit=limit)
            return _Outcome(end=end, error=error, at_fault=True, excused=end != "cpu")
        except _TooLateError:
            return _Outcome(end=patience.end, error=patience.error, at_fault=patience.at_fault)
        if answer.get("end") != "done" and job.loading is not None:
            worker.forget(job.loading.key)
        for level, text in answer.get("log", ())[:20]:
            _LOG.log(int(level), "worker %d: %s", worker.pid, _plain(str(text)))
        if patience.error is not None:
            return _Outcome(error=patience.error, at_fault=patience.at_fault)
        grown = self.config.device == "cpu" and worker.grown_bytes > self.config.memory_bytes // 2
        end = "grown" if grown else ""
        match answer.get("end"):
            case "done" if len(results) == len(job.expected):
                credit(min(float(answer.get("engine_seconds", 0.0)), time.perf_counter() - started))
                return _Outcome(answer=answer, results=results, end=end)
            case "memory":
                limit = f"{self.config.memory_bytes} bytes"
                error = classifier_failed(
                    job.classifier_id,
                    "memory",
                    f"it needs more than the {limit} of memory it may have",
                    limit=limit,
                )
                return _Outcome(end="memory", error=error, at_fault=True)
            case "failed":
                why = _plain(str(answer.get("message", "")))
                return _Outcome(end=end, error=classifier_failed(job.classifier_id, "run", why))
            case "broken":
                why = _plain(str(answer.get("message", "")).replace("\n", " | "))
                return _Outcome(end=end, error=WorkerFaultError(f"{job.name} of {job.classifier_id}: {why}"))
            case "shape":
                why = _plain(str(answer.get("message", "")))
                return _Outcome(end=end, error=classifier_failed(job.classifier_id, "shape", why))
            case "refused" if answer.get("reason") in _REFUSALS:
                return _Outcome(end=end, error=_refusal(answer))
        how = "its worker process answered with something else than results"
        return _Outcome(end="crash", error=classifier_failed(job.classifier_id, "crash", how), at_fault=True)

    def _message(self, worker: WorkerProcess, job: Job) -> tuple[dict[str, Any], Arrays]:
        cpu_seconds = (job.seconds + _STOP_SECONDS) * self.config.threads
        header = {
            **job.header,
            "job": job.name,
            "classifier_id": job.classifier_id,
            "cpu_seconds": cpu_seconds,
            "expected": {name: [dtype, list(shape)] for name, (dtype, shape) in job.expected.items()},
        }
        arrays = dict(job.arrays)
        if job.loading is not None:
            header["key"] = job.loading.key
            header["head_values_per_sample"] = job.loading.head_values_per_sample
            if not worker.holds(job.loading.key):
                arrays["classifier"] = np.frombuffer(job.loading.read(), np.uint8)
                header["heads"] = len(job.loading.heads)
                for number, head in enumerate(job.loading.heads):
                    arrays[f"head_{number}" if number else "head"] = np.frombuffer(head, np.uint8)
        header["drop"] = worker.hold(job.loading.key if job.loading else None, self.config.max_compiled)
        return header, arrays


class _Patience:
    """Asks a worker to stop once its caller no longer waits or its time is up, and gives it up soon after.

    Attributes:
        error: What to tell the caller; None while all is well.
        end: Why the worker is given up, if it is.
        at_fault: Whether the classifier is to blame.
    """

    def __init__(self, worker: WorkerProcess, job: Job) -> None:
        self._worker = worker
        self._job = job
        self._deadline = time.monotonic() + job.seconds
        self._give_up_at = 0.0
        self.error: DowserError | None = None
        self.end = "cancelled"
        self.at_fault = False

    def tick(self) -> None:
        """Look whether to go on."""
        now = time.monotonic()
        if self.error is not None:
            if now > self._give_up_at:
                raise _TooLateError
            return
        try:
            _require_waiting(self._job)
        except DowserError as error:
            self.error = error
        if self.error is None and now > self._deadline:
            limit = f"{self._job.seconds:g} s"
            self.error = classifier_failed(
                self._job.classifier_id,
                "deadline",
                f"it did not end within the {limit} it may run",
                limit=limit,
            )
            self.end, self.at_fault = "deadline", True
        if self.error is not None:
            self._worker.ask_to_stop()
            self._give_up_at = now + _STOP_SECONDS


def _require_waiting(job: Job) -> None:
    require_waiting(job.stage)
    job.before_step()


def _refusal(answer: Mapping[str, Any]) -> DowserError:
    """Return the error a worker answered with, as far as it is one."""
    given = answer.get("metadata")
    metadata = {} if not isinstance(given, dict) else dict(list(given.items())[:_MAX_METADATA])
    return DowserError(
        Reason(answer["reason"]),
        _plain(str(answer.get("message", ""))),
        metadata={_plain(str(key)): _plain(str(value)) for key, value in metadata.items()},
    )


def _plain(text: str) -> str:
    """Return text without what could disturb a log or a terminal, and not too much of it."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:_MAX_TEXT])
