"""The log of a real server as JSON, and single lines of both formats."""

from __future__ import annotations

import json
import logging
import sys

from query_server.observe.logs import JsonFormatter, TextFormatter
from query_server.observe.request import CURRENT, RequestRecord, plain


def access(observed):
    return [entry for entry in observed.log() if entry["logger"] == "query_server.access"]


def test_each_request_has_one_access_line_but_health_has_none(observed):
    lines = [(entry["method"], entry["code"]) for entry in access(observed)]
    assert lines == [
        ("UploadClassifier", "OK"),
        ("CreateCampaign", "OK"),
        ("SelectSamples", "OK"),
        ("SelectSamples", "OK"),
        ("RecordLabels", "OK"),
        ("GetPool", "OK"),
        ("GetCampaign", "NOT_FOUND"),
        ("UploadClassifier", "INVALID_ARGUMENT"),
        ("SelectSamples", "NOT_FOUND"),
    ]


def test_the_lines_of_a_request_share_its_id(observed):
    selection = next(entry for entry in access(observed) if entry["method"] == "SelectSamples")
    assert selection["request_id"] == "the same"
    assert selection["peer"].startswith("ipv4:127.0.0.1:")
    assert selection["duration_ms"] > 0
    refused = next(entry for entry in access(observed) if entry.get("reason") == "CLASSIFIER_REJECTED")
    why = [entry for entry in observed.log() if entry.get("request_id") == refused["request_id"]]
    assert any("no ONNX" in entry["message"] or "not an ONNX" in entry["message"] for entry in why)


def test_a_request_id_cannot_forge_a_line(observed):
    assert access(observed)[-1]["request_id"] == "forged�{}"


def test_the_settings_are_an_entry_and_metadata_is_none(observed):
    settings = next(entry["settings"] for entry in observed.log() if "settings" in entry)
    assert settings["log_format"] == "json"
    assert "hunter2" not in json.dumps(observed.log())


def entry_of(formatter: logging.Formatter, **options) -> str:
    return formatter.format(logging.LogRecord("room", logging.INFO, "f.py", 1, "said %d", (7,), **options))


def test_an_exception_stays_on_its_line():
    try:
        raise ValueError("two\nlines")
    except ValueError:
        line = entry_of(JsonFormatter(), exc_info=sys.exc_info())
    assert "\n" not in line
    assert "two\nlines" in json.loads(line)["exception"]


def test_text_lines_name_request_and_caller_where_there_is_one():
    assert entry_of(TextFormatter(), exc_info=None).endswith("INFO room: said 7")
    caller = plain("annotation\nteam")
    token = CURRENT.set(RequestRecord(method="dowser.v1.A/B", peer="ipv4:1", request_id="r1", caller=caller))
    line = entry_of(TextFormatter(), exc_info=None)
    CURRENT.reset(token)
    assert line.endswith("said 7 [request_id=r1 peer=ipv4:1 caller=annotation�team]")
