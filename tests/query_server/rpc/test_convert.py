"""What crosses the wire arrives: requests as the client writes them, answers as it reads them."""

from __future__ import annotations

import dataclasses

import pytest

from client import Acquisition, Batch, BatchRule, CandidateSource, Dowser
from client.conversion.replies import selection as replies
from client.conversion.requests import selection as requests
from dowser.v1 import acquisition_pb2, selection_pb2
from query_server.acquisition.registry import acquisition_function
from query_server.errors import DowserError
from query_server.rpc import selection_values
from query_server.selection import values


def received(**changes) -> values.SelectionRequest:
    """What the server makes of a selection that a client asks for."""
    arguments = {
        "classifier": "sha256:0",
        "budget": 5,
        "acquisition": Acquisition.MARGIN,
        "strategy": Dowser(),
        "batch": None,
        "class_prior_weight": 0.0,
        "seed": None,
        "return_synthetic": False,
        "min_index_version": 0,
        "request_id": "r",
    }
    return selection_values.selection_request(requests.select_samples("c", **(arguments | changes)).request)


def answered(**changes) -> selection_pb2.SelectSamplesResponse:
    arguments = {
        "picks": (),
        "round": 3,
        "timings": (),
        "total_seconds": 0.5,
        "scored": 10,
        "visited": 20,
        "index_version": 1,
        "seed": 7,
        "match_gap": None,
        "synthetic_samples": None,
    }
    written = selection_values.selection_response(
        values.Selection(**(arguments | changes)), return_synthetic=False
    )
    return selection_pb2.SelectSamplesResponse.FromString(written.SerializeToString())


def numbers(enum, unspecified: str) -> list[int]:
    return [number for name, number in enum.items() if name != unspecified]


@pytest.mark.parametrize(
    "number", numbers(acquisition_pb2.AcquisitionFunction, "ACQUISITION_FUNCTION_UNSPECIFIED")
)
def test_the_server_has_every_acquisition_function_of_the_api(number):
    name = acquisition_function(selection_values.acquisition(number, default="margin")).name
    assert acquisition_pb2.AcquisitionFunction.Value(f"ACQUISITION_FUNCTION_{name.upper()}") == number


@pytest.mark.parametrize("number", numbers(selection_pb2.BatchRule, "BATCH_RULE_UNSPECIFIED"))
def test_every_batch_rule_of_the_api_is_read_as_itself(number):
    message = selection_pb2.SelectSamplesRequest(batch=selection_pb2.BatchChoice(rule=number))
    rule = selection_values.selection_request(message).batch.rule
    assert selection_pb2.BatchRule.Value(f"BATCH_RULE_{rule.name}") == number


def test_every_batch_rule_of_the_client_reaches_the_rule_of_its_name():
    for rule in BatchRule:
        assert received(batch=Batch(rule=rule)).batch.rule == values.BatchRuleName(rule.value)


@pytest.mark.parametrize("number", numbers(acquisition_pb2.CandidateSource, "CANDIDATE_SOURCE_UNSPECIFIED"))
def test_every_source_of_the_api_is_read_and_written_as_itself(number):
    name = acquisition_pb2.CandidateSource.Name(number).removeprefix("CANDIDATE_SOURCE_").lower()
    source = values.Source(name)
    report = values.SourceReport(source=source, share=1.0, scored=0, mean_score=None, picked=0)
    response = answered(diagnosis=values.Diagnosis(sources=(report,)))
    assert response.diagnosis.sources[0].source == number
    assert replies.selection(response).diagnosis.sources[0].source is CandidateSource(name)
    if source is not values.Source.EXHAUSTIVE:
        shares = received(strategy=Dowser(shares={CandidateSource(name): 2.0})).strategy.shares
        assert shares == {source: 2.0}


def test_what_a_client_leaves_open_is_the_servers_default():
    request = received()
    assert request.strategy == values.DowserStrategy()
    assert request.batch == values.BatchChoice()
    assert request.class_prior_weight == 0
    unset = selection_values.selection_request(selection_pb2.SelectSamplesRequest())
    assert (unset.strategy, unset.batch) == (request.strategy, request.batch)


def test_synthesis_starts_warm_and_stops_early_unless_told_otherwise():
    silent, told = (
        received(strategy=strategy).strategy.synthesis
        for strategy in (Dowser(), Dowser(warm_start=0.0, early_stop=0.0))
    )
    assert (silent.warm_start, silent.early_stop) == (0.5, 0.04)
    assert (told.warm_start, told.early_stop) == (0.0, 0.0)
    plain = received(strategy=Dowser(max_scored=0)).strategy.synthesis
    assert (plain.warm_start, plain.early_stop) == (0.0, 0.0)


def test_a_dowser_strategy_that_names_no_bound_is_plain_asal():
    message = selection_pb2.SelectSamplesRequest(dowser=selection_pb2.DowserStrategy())
    assert selection_values.selection_request(message).strategy.max_scored == 0


def test_every_option_arrives():
    strategy = Dowser(
        max_scored=700,
        shares={CandidateSource.RANDOM: 3.0, CandidateSource.CLIMB: 1.0},
        random_floor=0.25,
        latents=12,
        steps=40,
        step_size=0.5,
        warm_start=0.75,
        early_stop=0.125,
        latent_prior=0.0625,
        repulsion=2.0,
    )
    batch = Batch(rule="gibbs", coldness=4.0, shortlist=200, duplicate_distance=0.5)
    request = received(strategy=strategy, batch=batch, class_prior_weight=1.5)
    assert request.strategy == values.DowserStrategy(
        max_scored=700,
        shares={values.Source.RANDOM: 3.0, values.Source.CLIMB: 1.0},
        random_floor=0.25,
        synthesis=values.SynthesisOptions(
            latents=12,
            steps=40,
            step_size=0.5,
            warm_start=0.75,
            early_stop=0.125,
            latent_prior=0.0625,
            repulsion=2.0,
        ),
    )
    assert request.batch == values.BatchChoice(
        rule=values.BatchRuleName.GIBBS, coldness=4.0, shortlist=200, duplicate_distance=0.5
    )
    assert request.class_prior_weight == 1.5


def test_a_random_floor_of_nothing_is_no_default():
    assert received(strategy=Dowser(random_floor=0.0)).strategy.random_floor == 0


NAN = float("nan")


@pytest.mark.parametrize(
    ("request_", "field", "value"),
    [
        ({"acquisition": 99}, "acquisition", "99"),
        ({"batch": {"rule": 99}}, "batch.rule", "99"),
        ({"batch": {"coldness": -1}}, "batch.coldness", "-1.0"),
        ({"batch": {"coldness": NAN}}, "batch.coldness", "nan"),
        ({"batch": {"duplicate_distance": 11}}, "batch.duplicate_distance", "11.0"),
        ({"class_prior_weight": -0.5}, "class_prior_weight", "-0.5"),
        ({"class_prior_weight": 10.5}, "class_prior_weight", "10.5"),
        ({"class_prior_weight": NAN}, "class_prior_weight", "nan"),
        ({"dowser": {"shares": [{"source": 99, "share": 1}]}}, "shares.source", "99"),
        ({"dowser": {"shares": [{"share": 1}]}}, "shares.source", "0"),
        ({"dowser": {"shares": [{"source": 2, "share": 1}] * 2}}, "shares.source", "random"),
        ({"dowser": {"shares": [{"source": 3, "share": 1}]}}, "shares", "exhaustive"),
        ({"dowser": {"shares": [{"source": 2, "share": -1}]}}, "shares", "-1.0"),
        ({"dowser": {"shares": [{"source": 2, "share": float("inf")}]}}, "shares", "inf"),
        ({"dowser": {"shares": [{"source": 2}]}}, "shares", "all zero"),
        ({"dowser": {"random_floor": 1.5}}, "random_floor", "1.5"),
        ({"dowser": {"synthesis": {"warm_start": 2}}}, "warm_start", "2.0"),
        ({"dowser": {"synthesis": {"early_stop": 1}}}, "early_stop", "1.0"),
        ({"dowser": {"synthesis": {"latent_prior": -1}}}, "latent_prior", "-1.0"),
        ({"dowser": {"synthesis": {"repulsion": NAN}}}, "repulsion", "nan"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_its_name(request_, field, value):
    with pytest.raises(DowserError) as refused:
        selection_values.selection_request(selection_pb2.SelectSamplesRequest(**request_))
    assert refused.value.reason == "INVALID_ARGUMENT"
    assert (refused.value.metadata["field"], refused.value.metadata["value"]) == (field, value)


def test_a_diagnosis_arrives_as_it_was_written():
    diagnosis = values.Diagnosis(
        sources=(
            values.SourceReport(
                source=values.Source.SYNTHESIS,
                share=0.25,
                scored=100,
                mean_score=0.5,
                picked=4,
                labeled=20,
                contradicted=8,
                rarity=1.5,
                yield_=0.75,
            ),
            values.SourceReport(
                source=values.Source.CARRY_OVER, share=0.0, scored=0, mean_score=None, picked=0
            ),
        ),
        unique_match_rate=0.875,
        redundancy=0.0,
        capture=values.CaptureEstimate(value=0.75, low=0.5, high=1.0, confidence=0.875, draws=300),
        reasons=("half is drawn at random until evidence comes",),
        warnings=("synthesis does not earn its keep",),
    )
    read = replies.selection(answered(diagnosis=diagnosis)).diagnosis
    assert dataclasses.asdict(read) == dataclasses.asdict(diagnosis)


def test_what_a_diagnosis_cannot_know_stays_unknown():
    read = replies.selection(answered()).diagnosis
    assert dataclasses.asdict(read) == dataclasses.asdict(values.Diagnosis())
