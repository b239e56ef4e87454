"""What Prometheus sees. Every label has few values: methods, codes, stages and reasons, never callers or campaigns."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, Info, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from query_server.errors import Reason
from query_server.observe.request import RequestRecord
from query_server.observe.state import CampaignStats, IndexStats, QueueStats, WorkerStats

_LOG = logging.getLogger(__name__)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_CAPTURE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
UNKNOWN_METHOD = "unknown"
_UPLOAD = "UploadClassifier"

_Stats = TypeVar("_Stats")


class Metrics:
    """The registry of one server. What is counted is counted here; what is held is asked for at each scrape."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._held = _Held()
        self.registry.register(self._held)
        self._build = Info("dowser_build", "What is running.", registry=self.registry)
        self._requests = Counter(
            "dowser_requests", "Requests answered.", ("method", "code"), registry=self.registry
        )
        self._seconds = Histogram(
            "dowser_request_seconds",
            "From a request's arrival to its answer.",
            ("method",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._series_of: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        self._stages = Histogram(
            "dowser_stage_seconds",
            "A request's time in one stage.",
            ("stage",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._engine = Counter(
            "dowser_stage_engine_seconds",
            "The part of a stage's time inside ONNX Runtime or FAISS.",
            ("stage",),
            registry=self.registry,
        )
        self._errors = Counter(
            "dowser_errors",
            "Requests refused or failed, by the error's reason.",
            ("reason",),
            registry=self.registry,
        )
        # From 0 on: the rate of a series that begins with its first error misses that error.
        for reason in Reason:
            self._errors.labels(reason)
        self._uploads = Counter(
            "dowser_classifier_uploads",
            "Uploaded classifiers: accepted, or the reason of the refusal.",
            ("result",),
            registry=self.registry,
        )
        self._scored = Counter(
            "dowser_samples_scored", "Real samples scored by classifiers.", registry=self.registry
        )
        self._picked = Counter(
            "dowser_samples_selected", "Samples leased to be labeled.", registry=self.registry
        )
        self._capture = Histogram(
            "dowser_selection_capture",
            "Estimated score of a batch beside the best of its pool.",
            buckets=_CAPTURE,
            registry=self.registry,
        )
        self._warnings = Counter(
            "dowser_synthesis_warnings",
            "Selections whose diagnosis warns of the synthesis.",
            registry=self.registry,
        )

    def running(self, versions: Mapping[str, str]) -> None:
        """Say what is running: versions and device."""
        self._build.info(dict(versions))

    def register_queue(self, stats: Callable[[], QueueStats]) -> None:
        """Say whom to ask about the calls under way."""
        self._held.queue = stats

    def register_index(self, stats: Callable[[], IndexStats]) -> None:
        """Say whom to ask about the index that is served."""
        self._held.index = stats

    def register_campaigns(self, stats: Callable[[], CampaignStats]) -> None:
        """Say whom to ask about the ledger."""
        self._held.campaigns = stats

    def register_workers(self, stats: Callable[[], WorkerStats]) -> None:
        """Say whom to ask about the processes that run uploaded classifiers."""
        self._held.workers = stats

    def register_readiness(self, ready: Callable[[], bool]) -> None:
        """Say whom to ask whether the server is ready."""
        self._held.ready = ready

    def count_request(self, record: RequestRecord) -> None:
        """Count a request that has ended."""
        name = record.name
        requests, seconds_of = self._series(name, record.code)
        requests.inc()
        seconds_of.observe(record.seconds)
        for stage, (seconds, engine_seconds) in record.stages().items():
            self._stages.labels(stage).observe(seconds)
            if engine_seconds:
                self._engine.labels(stage).inc(engine_seconds)
        if record.reason:
            self._errors.labels(record.reason).inc()
        if name == _UPLOAD:
            result = "accepted" if record.code == "OK" else record.reason or record.code
            self._uploads.labels(result).inc()

    def _series(self, method: str, code: str) -> tuple[Counter, Histogram]:
        """Return a method's two series; looked up once, for the library takes a lock each time."""
        found = self._series_of.get((method, code))
        if found is None:
            found = self._requests.labels(method, code), self._seconds.labels(method)
            self._series_of[method, code] = found
        return found

    def count_unknown_method(self) -> None:
        """Count a call of a method that does not exist; its name is the caller's text and no label."""
        self._requests.labels(UNKNOWN_METHOD, "UNIMPLEMENTED").inc()

    def count_selection(self, *, scored: int, picked: int, capture: float | None, warned: bool) -> None:
        """Count what a selection did."""
        self._scored.inc(scored)
        self._picked.inc(picked)
        if capture is not None:
            self._capture.observe(capture)
        if warned:
            self._warnings.inc()


class _Held(Collector):
    """Asks for what the server holds when somebody scrapes; what cannot be asked is left out of the answer."""

    queue: Callable[[], QueueStats] | None = None
    index: Callable[[], IndexStats] | None = None
    campaigns: Callable[[], CampaignStats] | None = None
    workers: Callable[[], WorkerStats] | None = None
    ready: Callable[[], bool] | None = None

    def describe(self) -> Iterable[Metric]:
        """Name nothing in advance, so that registering asks nobody."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Ask everybody."""
        ready = _ask(self.ready)
        if ready is not None:
            yield GaugeMetricFamily("dowser_ready", "1 while requests are answered.", value=float(ready))
        queue = _ask(self.queue)
        if queue is not None:
            yield _gauge("dowser_work_running", "Calls being worked on.", queue.running)
            yield _gauge("dowser_work_waiting", "Calls waiting for a thread.", queue.waiting)
            yield _gauge("dowser_work_limit", "Calls under way above which one is refused.", queue.limit)
        index = _ask(self.index)
        if index is not None:
            for name, text, value in (
                ("dowser_index_samples", "Samples of the pool.", index.samples),
                ("dowser_index_version", "Grows with every change of the pool.", index.version),
                ("dowser_index_recall_at_10", "recall@10 as measured by the build.", index.recall_at_10),
                ("dowser_index_outside", "Rows added beside the index or removed from it.", index.outside),
                ("dowser_compaction_seconds", "What the last compaction took.", index.compaction_seconds),
            ):
                family = GaugeMetricFamily(name, text, labels=("pool",))
                family.add_metric((index.pool,), value)
                yield family
            compactions = CounterMetricFamily(
                "dowser_compactions", "Compactions that ended.", labels=("pool", "result")
            )
            compactions.add_metric((index.pool, "done"), index.compactions)
            compactions.add_metric((index.pool, "failed"), index.failed_compactions)
            yield compactions
        campaigns = _ask(self.campaigns)
        if campaigns is not None:
            yield _gauge("dowser_campaigns", "Campaigns in the ledger.", campaigns.campaigns)
            yield _gauge("dowser_labels", "Labeled samples over all campaigns.", campaigns.labels)
            yield _gauge("dowser_leases", "Samples handed out and not labeled yet.", campaigns.leases)
            yield _gauge("dowser_rounds", "Selections over all campaigns.", campaigns.rounds)
        workers = _ask(self.workers or WorkerStats)
        if workers is not None:
            yield _gauge("dowser_classifier_workers", "Processes that run classifiers.", workers.workers)
            yield _gauge("dowser_classifier_workers_busy", "Those with a job.", workers.busy)
            yield _gauge("dowser_classifier_jobs_waiting", "Jobs that wait for one.", workers.waiting)
            yield CounterMetricFamily(
                "dowser_classifier_worker_restarts",
                "Processes that died or were killed, and were replaced.",
                value=workers.restarts,
            )


def _ask(stats: Callable[[], _Stats] | None) -> _Stats | None:
    if stats is None:
        return None
    try:
        return stats()
    except Exception:  # one part that cannot answer must not blind the others
        _LOG.exception("a part of the metrics could not be read")
        return None


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)
