"""`dowser select --explain`: against a peer whose diagnosis is known."""

from __future__ import annotations

import json

import pytest

from client.cli import main
from client.commands.explain import explain
from client.conversion.replies import selection as replies
from dowser.v1 import acquisition_pb2, selection_pb2
from tests.client.peer import Peer

SELECT = ("select", "c", "--budget", "1", "--classifier", "sha256:0")


def diagnosed() -> selection_pb2.SelectSamplesResponse:
    synthesis = selection_pb2.SourceReport(
        source=acquisition_pb2.CANDIDATE_SOURCE_SYNTHESIS,
        share=0.25,
        scored=100,
        mean_score=0.5,
        picked=1,
        labeled=20,
        contradicted=8,
        rarity=1.5,
        **{"yield": 0.75},
    )
    carried = selection_pb2.SourceReport(source=acquisition_pb2.CANDIDATE_SOURCE_CARRY_OVER, share=0.0)
    return selection_pb2.SelectSamplesResponse(
        picks=[selection_pb2.Pick(pool_id=7)],
        round=1,
        match_gap=0.125,
        diagnosis=selection_pb2.Diagnosis(
            sources=[synthesis, carried],
            unique_match_rate=0.875,
            capture=selection_pb2.CaptureEstimate(value=0.9, low=0.8, high=1, confidence=0.95, draws=300),
            reasons=["half is drawn at random"],
            warnings=["synthesis does not earn its keep"],
        ),
    )


EXPLAINED = """\
SOURCE      SHARE  SCORED  MEAN SCORE  PICKED  LABELS SO FAR  CONTRADICTED  RARITY  YIELD
synthesis    0.25     100         0.5       1             20             8     1.5   0.75
carry_over      0       0           -       0              0             0       -      -

match gap       0.125
unique matches  0.875
redundancy      -
capture         0.90, between 0.80 and 1.00 with 95% confidence, from 300 random draws

reason: half is drawn at random

warning: synthesis does not earn its keep"""


def test_a_diagnosis_is_a_table_figures_reasons_and_warnings():
    assert explain(replies.selection(diagnosed())) == EXPLAINED


def test_a_server_that_gives_no_diagnosis_is_said_to_give_none():
    bare = selection_pb2.SelectSamplesResponse(picks=[selection_pb2.Pick(pool_id=7)], round=1)
    assert explain(replies.selection(bare)).startswith("no diagnosis")


def test_the_explanation_follows_the_plain_output_and_only_where_asked_for(
    peer: Peer, capsys: pytest.CaptureFixture[str]
):
    peer.selection = diagnosed()
    assert main([*SELECT, "--target", peer.target]) == 0
    plain = capsys.readouterr().out
    assert plain.splitlines()[-1].startswith("round 1: 1 picked")
    assert main([*SELECT, "--explain", "--target", peer.target]) == 0
    assert capsys.readouterr().out == f"{plain}\n{EXPLAINED}\n"


def test_json_holds_the_diagnosis(peer: Peer, capsys: pytest.CaptureFixture[str]):
    peer.selection = diagnosed()
    assert main([*SELECT, "--json", "--target", peer.target]) == 0
    diagnosis = json.loads(capsys.readouterr().out)["diagnosis"]
    assert [(each["source"], each["yield"]) for each in diagnosis["sources"]] == [
        ("synthesis", 0.75),
        ("carry_over", None),
    ]


def test_the_options_of_select_are_sent(peer: Peer, capsys: pytest.CaptureFixture[str]):
    options = "--batch power --coldness 2 --class-prior-weight 0.5 --random-floor 0.25"
    shares = "--share random=3 --share labeled_neighbors=1"
    assert main([*SELECT, *options.split(), *shares.split(), "--target", peer.target]) == 0
    (request,) = peer.requests
    assert (request.batch.rule, request.batch.coldness) == (selection_pb2.BATCH_RULE_POWER, 2.0)
    assert request.class_prior_weight == 0.5
    assert request.dowser.random_floor == 0.25
    assert request.dowser.max_scored == 1000
    assert [(each.source, each.share) for each in request.dowser.shares] == [
        (acquisition_pb2.CANDIDATE_SOURCE_RANDOM, 3.0),
        (acquisition_pb2.CANDIDATE_SOURCE_LABELED_NEIGHBORS, 1.0),
    ]


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        (["sythesis=1"], "labeled_neighbors"),
        (["random"], "SOURCE=PART"),
        (["random=1", "random=2"], "has the share 1 already"),
    ],
)
def test_what_is_no_share_is_refused_before_anything_is_sent(
    peer: Peer, capsys: pytest.CaptureFixture[str], shares: list[str], said: str
):
    arguments = [argument for share in shares for argument in ("--share", share)]
    assert main([*SELECT, *arguments, "--target", peer.target]) == 1
    assert said in capsys.readouterr().err
    assert not peer.requests
