from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from client import (
    Acquisition,
    Batch,
    BatchRule,
    CandidateSource,
    Dowser,
    Exhaustive,
    InternalError,
    InvalidArgumentError,
    Pool,
    Random,
    RandomSubset,
)
from client.conversion import fields, tensors
from client.conversion.replies import pools as pool_replies
from client.conversion.replies import selection as selection_replies
from client.conversion.requests import classifiers, labels, leases, pools, scoring, selection
from client.conversion.requests.chunks import CHUNK_BYTES
from dowser.v1 import acquisition_pb2, pools_pb2, selection_pb2, tensors_pb2


@pytest.mark.parametrize("dtype", ["uint8", "float32", "int64", "uint64"])
@pytest.mark.parametrize("shape", [(0, 3), (2, 3, 4), (5,)])
def test_arrays_survive_the_wire(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    back = tensors.decode(tensors_pb2.Tensor.FromString(tensors.encode(array).SerializeToString()))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_transposed_and_big_endian_arrays_are_sent_row_major_and_little_endian() -> None:
    array = np.arange(6, dtype=">f4").reshape(2, 3).T
    np.testing.assert_array_equal(tensors.decode(tensors.encode(array)), array)


def test_double_precision_travels_as_single() -> None:
    assert tensors.encode(np.ones((1, 2))).dtype == tensors_pb2.DTYPE_FLOAT32


def test_strings_cannot_be_sent_as_a_tensor() -> None:
    with pytest.raises(InvalidArgumentError, match="<U1"):
        tensors.encode(np.array(["a"]))


def test_a_tensor_whose_bytes_do_not_fit_its_shape_is_an_error() -> None:
    with pytest.raises(InternalError, match="must hold 8 bytes, got 4"):
        tensors.decode(tensors_pb2.Tensor(shape=[2], dtype=tensors_pb2.DTYPE_FLOAT32, data=b"\0" * 4))


def test_replied_arrays_cannot_be_changed_by_accident() -> None:
    decoded = tensors.decode(tensors.encode(np.zeros(3, dtype=np.float32)))
    with pytest.raises(ValueError, match="read-only"):
        decoded[0] = 1


@pytest.mark.parametrize("acquisition", list(Acquisition))
def test_every_acquisition_function_has_its_number_on_the_wire(acquisition: Acquisition) -> None:
    number = fields.acquisition(acquisition)
    assert acquisition_pb2.AcquisitionFunction.Name(number) == f"ACQUISITION_FUNCTION_{acquisition.name}"


def test_the_client_knows_every_acquisition_function_source_and_batch_rule_of_the_api() -> None:
    functions = {
        name.removeprefix("ACQUISITION_FUNCTION_")
        for name in acquisition_pb2.AcquisitionFunction.DESCRIPTOR.values_by_name
    }
    assert functions == {each.name for each in Acquisition} | {"UNSPECIFIED"}
    sources = {
        name.removeprefix("CANDIDATE_SOURCE_")
        for name in acquisition_pb2.CandidateSource.DESCRIPTOR.values_by_name
    }
    assert sources == {each.name for each in CandidateSource if each != "unknown"} | {"UNSPECIFIED"}
    rules = {name.removeprefix("BATCH_RULE_") for name in selection_pb2.BatchRule.DESCRIPTOR.values_by_name}
    assert rules == {each.name for each in BatchRule} | {"UNSPECIFIED"}


def test_an_unknown_acquisition_function_is_refused_with_the_choices() -> None:
    with pytest.raises(InvalidArgumentError, match="maximum_entropy"):
        fields.acquisition("entropy")


@pytest.mark.parametrize(
    ("strategy", "name"),
    [
        (Dowser(max_scored=0), "dowser"),
        (Exhaustive(), "exhaustive"),
        (Random(), "random"),
        (RandomSubset(max_scored=200), "random_subset"),
    ],
)
def test_each_strategy_is_sent_as_itself(strategy, name: str) -> None:
    assert _select(strategy=strategy).WhichOneof("strategy") == name


def test_synthesis_options_left_open_stay_at_the_servers_defaults() -> None:
    synthesis = _select(strategy=Dowser(steps=20)).dowser.synthesis
    assert (synthesis.latents, synthesis.steps, synthesis.step_size) == (0, 20, 0.0)


def test_a_synthesis_option_of_zero_is_refused_instead_of_meaning_the_default() -> None:
    with pytest.raises(InvalidArgumentError, match="steps must be positive"):
        _select(strategy=Dowser(steps=0))


@pytest.mark.parametrize("batch", [Batch(coldness=0), Batch(shortlist=0)])
def test_a_batch_option_of_zero_is_refused_instead_of_meaning_the_default(batch: Batch) -> None:
    with pytest.raises(InvalidArgumentError, match="must be positive"):
        _select(batch=batch)


def test_an_unknown_batch_rule_is_refused_with_the_choices() -> None:
    with pytest.raises(InvalidArgumentError, match="k_center"):
        _select(batch=Batch(rule="coreset"))


@pytest.mark.parametrize("shares", [{}, {"sythesis": 1.0}, {CandidateSource.UNKNOWN: 1.0}])
def test_shares_of_no_source_are_refused_instead_of_learned(shares) -> None:
    with pytest.raises(InvalidArgumentError):
        _select(strategy=Dowser(shares=shares))


def test_a_random_floor_of_zero_is_a_floor() -> None:
    assert _select(strategy=Dowser(random_floor=0.0)).dowser.HasField("random_floor")
    assert not _select(strategy=Dowser()).dowser.HasField("random_floor")


def test_a_seed_of_zero_is_a_seed() -> None:
    assert _select(seed=0).HasField("seed")
    assert not _select(seed=None).HasField("seed")


@pytest.mark.parametrize("budget", [-1, 2**40, "many", None])
def test_a_budget_that_is_no_budget_is_an_invalid_argument(budget) -> None:
    if budget is None:
        assert _select(budget=None).budget == 0  # the server says what the limits are
        return
    with pytest.raises(InvalidArgumentError):
        _select(budget=budget)


def test_an_unset_score_is_none_and_a_score_of_zero_is_zero() -> None:
    response = selection_pb2.SelectSamplesResponse(
        picks=[selection_pb2.Pick(pool_id=1), selection_pb2.Pick(pool_id=2**64 - 1, score=0.0)]
    )
    read = selection_replies.selection(response)
    assert [pick.score for pick in read.picks] == [None, 0.0]
    assert read.pool_ids.tolist() == [1, 2**64 - 1]
    assert np.isnan(read.scores[0])
    assert read.match_gap is None
    assert read.synthetic_samples is None


def test_a_source_of_a_newer_server_is_unknown_and_no_error() -> None:
    response = selection_pb2.SelectSamplesResponse()
    response.picks.add(pool_id=1).source = 99
    assert selection_replies.selection(response).picks[0].source is CandidateSource.UNKNOWN


def test_the_neighbors_of_each_query_stay_apart() -> None:
    response = pools_pb2.SearchNeighborsResponse(
        results=[
            pools_pb2.Neighbors(pool_ids=[3, 1], distances=[0.5, 1.5]),
            pools_pb2.Neighbors(pool_ids=[2], distances=[0.0]),
        ]
    )
    found = pool_replies.neighbors(response)
    assert [ids.tolist() for ids in found.pool_ids] == [[3, 1], [2]]
    assert found.pool_ids[0].dtype == np.uint64


@pytest.mark.parametrize("ids", [[1.0], [[1]], [-1], ["1"]])
def test_what_is_no_flat_list_of_ids_is_refused(ids) -> None:
    with pytest.raises(InvalidArgumentError):
        fields.ids(ids)


def test_labels_are_integers_and_truth_values_are_not() -> None:
    with pytest.raises(InvalidArgumentError, match="True"):
        labels.record_labels("c", {1: True}, annotator="", request_id=None)
    call = labels.record_labels("c", [(np.uint64(1), np.int64(4))], annotator="ann", request_id="r")
    assert [(each.pool_id, each.label, each.annotator) for each in call.request.labels] == [(1, 4, "ann")]


def test_a_write_without_a_request_id_gets_one_of_its_own() -> None:
    first, second = (leases.release_samples("c", [1], request_id=None).request for _ in range(2))
    assert first.request_id
    assert first.request_id != second.request_id


def test_exactly_one_kind_of_query_is_searched() -> None:
    for query in ({}, {"pool_ids": [1], "features": np.zeros((1, 2))}):
        arguments = {"samples": None, "features": None, "pool_ids": None} | query
        with pytest.raises(InvalidArgumentError, match="exactly one"):
            pools.search_neighbors(**arguments, k=1, campaign=None, pool="", min_index_version=0)


def test_many_samples_are_fetched_in_several_calls() -> None:
    calls = pools.get_samples(range(2500), pool="")
    assert [len(call.request.pool_ids) for call in calls] == [1024, 1024, 452]


def test_an_upload_announces_its_digest_and_comes_in_chunks() -> None:
    model = bytes(range(256)) * 10_000
    parts = list(classifiers.upload_classifier(model, pool="").parts())
    assert parts[0].header.size_bytes == len(model)
    assert max(len(part.chunk) for part in parts) == CHUNK_BYTES
    assert b"".join(part.chunk for part in parts) == model


def test_a_classifier_file_that_is_not_there_is_an_invalid_argument(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"none\.onnx"):
        classifiers.upload_classifier(tmp_path / "none.onnx", pool="")


@pytest.mark.parametrize(
    ("raw_shape", "input_shape"),
    [((4, 6), (1, 4, 6)), ((4, 6, 3), (3, 4, 6)), ((3, 4, 6), (3, 4, 6)), ((5,), (5,))],
)
def test_raw_samples_become_the_inputs_of_the_pool(raw_shape, input_shape) -> None:
    pool = _pool(raw_shape, input_shape)
    raw = np.arange(2 * np.prod(raw_shape), dtype=np.uint8).reshape(2, *raw_shape)
    inputs = pool.to_inputs(raw)
    assert inputs.shape == (2, *input_shape)
    assert inputs.dtype == np.float32
    assert inputs.flat[0] == -1.0
    if raw_shape == (4, 6, 3):
        np.testing.assert_allclose(inputs[1, 2, 3, 5], raw[1, 3, 5, 2] * 0.5 - 1)


def test_samples_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 5, 5\)"):
        _pool((4, 6), (1, 4, 6)).to_inputs(np.zeros((2, 5, 5), dtype=np.uint8))


def _pool(raw_shape: tuple[int, ...], input_shape: tuple[int, ...]) -> Pool:
    message = pools_pb2.Pool(
        raw_shape=raw_shape,
        raw_dtype=tensors_pb2.DTYPE_UINT8,
        input_shape=input_shape,
        scale=0.5,
        offset=-1,
    )
    return pool_replies.pool(pools_pb2.GetPoolResponse(pool=message))


def _select(**changes) -> selection_pb2.SelectSamplesRequest:
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
    return selection.select_samples("c", **(arguments | changes)).request


@pytest.mark.parametrize(
    "given",
    [
        {"pool_ids": [], "samples": None},
        {"pool_ids": None, "samples": np.empty((0, 8, 8), np.uint8)},
        {"pool_ids": None, "samples": np.uint8(3)},
    ],
)
def test_nothing_to_score_is_refused_before_anything_is_sent(given) -> None:
    with pytest.raises(InvalidArgumentError, match="nothing to score"):
        scoring.score_samples(
            "sha256:0", **given, acquisitions=["margin"], probabilities=False, embedding=False, pool=""
        )
