"""What is asked for at a scrape, with those who answer and those who cannot."""

from __future__ import annotations

from prometheus_client import generate_latest

from query_server.observe import WorkerStats
from query_server.observe.metrics import Metrics


def test_workers_are_shown_as_they_report_themselves():
    metrics = Metrics()
    metrics.register_workers(lambda: WorkerStats(workers=2, busy=1, waiting=3, restarts=7))
    text = generate_latest(metrics.registry).decode()
    assert "dowser_classifier_workers 2.0" in text
    assert "dowser_classifier_workers_busy 1.0" in text
    assert "dowser_classifier_jobs_waiting 3.0" in text
    assert "dowser_classifier_worker_restarts_total 7.0" in text


def test_one_part_that_cannot_answer_does_not_blind_the_others(caplog):
    def closed():
        raise RuntimeError("the ledger is closed")

    metrics = Metrics()
    metrics.register_campaigns(closed)
    metrics.register_readiness(lambda: True)
    text = generate_latest(metrics.registry).decode()
    assert "dowser_ready 1.0" in text
    assert "dowser_campaigns " not in text
    assert "the ledger is closed" in caplog.text
