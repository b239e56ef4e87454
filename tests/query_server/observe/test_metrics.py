"""What a scrape says after requests whose number and outcome are known."""

from __future__ import annotations

import pytest


def test_requests_are_counted_by_method_and_code(observed):
    requests = {
        (labels["method"], labels["code"]): value
        for (name, pairs), value in observed.samples().items()
        if name == "dowser_requests_total" and (labels := dict(pairs))
    }
    assert requests == {
        ("UploadClassifier", "OK"): 1,
        ("UploadClassifier", "INVALID_ARGUMENT"): 1,
        ("CreateCampaign", "OK"): 1,
        ("SelectSamples", "OK"): 2,
        ("SelectSamples", "NOT_FOUND"): 1,
        ("RecordLabels", "OK"): 1,
        ("GetPool", "OK"): 1,
        ("GetCampaign", "NOT_FOUND"): 1,
        ("unknown", "UNIMPLEMENTED"): 2,
    }


def test_errors_and_uploads_are_counted_by_reason(observed):
    assert observed.value("dowser_errors_total", reason="CAMPAIGN_NOT_FOUND") == 2
    assert observed.value("dowser_errors_total", reason="INTERNAL") == 0
    assert observed.value("dowser_classifier_uploads_total", result="accepted") == 1
    assert observed.value("dowser_classifier_uploads_total", result="CLASSIFIER_REJECTED") == 1


def test_a_repeated_request_counts_as_a_request_and_not_as_a_selection(observed):
    assert observed.value("dowser_request_seconds_count", method="SelectSamples") == 3
    assert observed.value("dowser_samples_scored_total") == observed.scored
    assert observed.value("dowser_samples_selected_total") == 10
    assert observed.value("dowser_selection_capture_count") == 1
    assert observed.value("dowser_selection_capture_sum") == pytest.approx(observed.capture)


def test_every_stage_is_timed_with_the_engines_part_of_it(observed):
    assert observed.value("dowser_stage_seconds_count", stage="score") == 1
    assert observed.value("dowser_stage_seconds_count", stage="prepare") == 2  # the refused one got so far
    assert observed.value("dowser_stage_seconds_count", stage="commit") == 3
    total = observed.value("dowser_stage_seconds_sum", stage="score")
    assert 0 < observed.value("dowser_stage_engine_seconds_total", stage="score") <= total


def test_what_the_server_holds_is_asked_at_each_scrape(observed):
    assert observed.value("dowser_campaigns") == 1
    assert observed.value("dowser_labels") == 4
    assert observed.value("dowser_leases") == 6
    assert observed.value("dowser_rounds") == 1
    assert observed.value("dowser_index_samples", pool="digits") == 1297
    assert observed.value("dowser_index_version", pool="digits") == 1
    assert 0.9 < observed.value("dowser_index_recall_at_10", pool="digits") <= 1
    assert observed.value("dowser_work_running") == 0
    assert observed.value("dowser_work_limit") == 68
    assert observed.value("dowser_ready") == 1
    assert observed.value("process_resident_memory_bytes") > 2**20


def test_no_label_holds_what_callers_make_up(observed):
    values = {value for _, pairs in observed.samples() for _, value in pairs}
    assert not {value for value in values if "seen" in value or "nobody" in value or "made" in value}
