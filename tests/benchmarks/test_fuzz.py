from __future__ import annotations

import json
from pathlib import Path
from random import Random

import grpc
import pytest
from google.rpc import status_pb2
from processes import run_recipe

from benchmarks.fuzz.messages import Hints, wild_call
from benchmarks.fuzz.methods import all_methods
from benchmarks.fuzz.verdict import fault
from query_server.errors import DowserError, Reason, campaign_not_found
from query_server.rpc.status import to_status


def trailing(status: status_pb2.Status) -> dict[str, bytes]:
    return {"grpc-status-details-bin": status.SerializeToString()}


def test_an_explained_refusal_is_no_fault() -> None:
    status = to_status(campaign_not_found("../../etc/passwd"))
    assert fault(grpc.StatusCode.NOT_FOUND, status.message, trailing(status)) is None
    assert fault(grpc.StatusCode.OK, "", {}) is None


@pytest.mark.parametrize(
    ("code", "text", "details"),
    [
        (grpc.StatusCode.UNKNOWN, "Unexpected <class 'ValueError'>: x", {}),
        (
            grpc.StatusCode.INTERNAL,
            "the server failed",
            trailing(to_status(DowserError(Reason.INTERNAL, "x"))),
        ),
        (grpc.StatusCode.NOT_FOUND, "no reason given", {}),
        (grpc.StatusCode.NOT_FOUND, "no reason inside", trailing(status_pb2.Status(code=5))),
        (grpc.StatusCode.NOT_FOUND, "x", {"grpc-status-details-bin": b"\xff"}),
        (grpc.StatusCode.NOT_FOUND, "/srv/state/x", trailing(to_status(campaign_not_found("/srv/state/x")))),
        (grpc.StatusCode.NOT_FOUND, 'File "a.py"', trailing(to_status(campaign_not_found("x")))),
        (grpc.StatusCode.NOT_FOUND, "x", trailing(to_status(campaign_not_found("/srv/state")))),
        (grpc.StatusCode.UNAVAILABLE, "Socket closed", {}),
    ],
)
def test_what_explains_nothing_or_too_much_is_a_fault(code, text, details) -> None:
    assert fault(code, text, details, paths=["/srv/state"])


@pytest.mark.parametrize("method", all_methods(), ids=lambda method: method.path)
def test_calls_follow_from_the_seed_and_differ(method) -> None:
    calls = [wild_call(method, Random(seed), Hints()) for seed in range(30)]
    assert calls == [wild_call(method, Random(seed), Hints()) for seed in range(30)]
    assert len({tuple(call) for call in calls}) > 1


def test_a_server_is_attacked_and_judged(tmp_path: Path, recipe_work: Path) -> None:
    assert run_recipe("fuzz", "--messages", 300, "--out", tmp_path, "--work", recipe_work)[-1].startswith(
        "fuzz messages=300 crashes=0 internal=0 memory_growth="
    )
    result = json.loads((tmp_path / "fuzz.json").read_text())
    assert set(result["statuses"]) == {method.path for method in all_methods()}
