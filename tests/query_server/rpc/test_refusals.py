"""Bad input gets a clear error and changes nothing."""

from __future__ import annotations

import hashlib
import uuid

import grpc
import numpy as np
import onnx
import onnx.parser
import pytest

from client import Dowser, DowserError, Exhaustive, Random, RandomSubset
from dowser.v1 import classifiers_pb2, classifiers_pb2_grpc, pools_pb2, pools_pb2_grpc, tensors_pb2


def refusal(call):
    with pytest.raises(DowserError) as refused:
        call()
    return refused.value


@pytest.mark.parametrize(
    ("arguments", "reason", "names"),
    [
        ({"budget": 0}, "INVALID_ARGUMENT", "budget"),
        ({"budget": 5000}, "BUDGET_EXCEEDS_POOL", "1297"),
        ({"budget": 10, "strategy": Dowser(max_scored=9)}, "INVALID_ARGUMENT", "max_scored"),
        ({"budget": 10, "strategy": RandomSubset(max_scored=9)}, "INVALID_ARGUMENT", "max_scored"),
        ({"budget": 10, "strategy": Dowser(max_scored=50, steps=20_000)}, "INVALID_ARGUMENT", "steps"),
        ({"budget": 10, "strategy": Dowser(max_scored=50, latents=5000)}, "INVALID_ARGUMENT", "latents"),
        ({"budget": 10, "classifier": None, "strategy": Exhaustive()}, "INVALID_ARGUMENT", "classifier_id"),
        ({"budget": 10, "classifier": "sha256:" + "0" * 64}, "CLASSIFIER_NOT_FOUND", "upload it again"),
        ({"budget": 10, "classifier": "../../etc/passwd"}, "CLASSIFIER_NOT_FOUND", "passwd"),
        ({"budget": 10, "min_index_version": 99}, "INDEX_VERSION_TOO_OLD", "99"),
    ],
)
def test_a_refused_selection_says_why_and_changes_nothing(
    client, campaign, classifier, arguments, reason, names
):
    before = client.get_campaign(campaign)
    error = refusal(lambda: client.select_samples(campaign, **{"classifier": classifier, **arguments}))
    assert error.reason == reason
    assert names in str(error) + str(error.metadata)
    assert client.get_campaign(campaign) == before


def test_an_unknown_campaign_or_pool_is_named(client, classifier):
    assert refusal(lambda: client.get_campaign("nobody")).metadata == {"campaign_id": "nobody"}
    missing = refusal(lambda: client.select_samples("nobody", classifier=classifier, budget=3))
    assert missing.reason == "CAMPAIGN_NOT_FOUND"
    assert refusal(lambda: client.get_pool("sea")).metadata == {"pool": "sea"}
    assert refusal(lambda: client.create_campaign("x", pool="sea")).reason == "POOL_NOT_FOUND"


def test_a_second_campaign_of_one_name_is_refused(client):
    name = f"twice-{uuid.uuid4().hex}"
    client.create_campaign(name)
    assert refusal(lambda: client.create_campaign(name)).reason == "CAMPAIGN_EXISTS"


def test_labels_are_recorded_all_or_none(client, campaign):
    client.record_labels(campaign, {1: 4})
    unknown = refusal(lambda: client.record_labels(campaign, {2: 1, 99_999: 1}))
    assert (unknown.reason, unknown.metadata["pool_id"]) == ("POOL_ID_NOT_FOUND", "99999")
    conflict = refusal(lambda: client.record_labels(campaign, {3: 1, 1: 5}))
    assert (conflict.reason, conflict.metadata["pool_id"]) == ("LABEL_CONFLICT", "1")
    assert client.get_campaign(campaign).labeled == 1


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros((1, 28, 28), np.float32), "SHAPE_MISMATCH"),
        (np.full((1, 1, 8, 8), np.nan, np.float32), "NOT_FINITE"),
        (np.full((1, 1, 8, 8), np.inf, np.float32), "NOT_FINITE"),
    ],
)
def test_queries_of_a_wrong_shape_or_not_finite_are_refused(client, samples, reason):
    assert refusal(lambda: client.search_neighbors(samples=samples, k=3)).reason == reason


def test_a_tensor_whose_bytes_do_not_fit_its_shape_is_refused(server):
    with grpc.insecure_channel(server.target) as channel:
        stub = pools_pb2_grpc.PoolServiceStub(channel)
        lying = tensors_pb2.Tensor(shape=[2**62, 2**62], dtype=tensors_pb2.DTYPE_FLOAT32, data=b"1234")
        with pytest.raises(grpc.RpcError) as refused:
            stub.SearchNeighbors(pools_pb2.SearchNeighborsRequest(features=lying, k=1))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "4 bytes" in refused.value.details()


def test_a_classifier_for_other_samples_is_refused_with_both_shapes(client):
    import torch
    from torch import nn

    from client import export_classifier

    other = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10))
    error = refusal(lambda: client.upload_classifier(export_classifier(other, torch.zeros(2, 1, 28, 28))))
    assert error.reason == "CLASSIFIER_MISMATCH"
    assert error.metadata == {"classifier_input": "[1, 28, 28]", "pool_sample": "[1, 8, 8]"}


@pytest.mark.parametrize("data", [b"not a model", b"", b"\x08\x07" * 50])
def test_what_is_no_onnx_graph_is_refused(client, data):
    assert refusal(lambda: client.upload_classifier(data)).reason == "CLASSIFIER_REJECTED"


def test_a_classifier_that_answers_nan_is_refused_and_leases_nothing(client, campaign):
    broken = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        broken (float[B, 1, 8, 8] x) => (float[B, 10] logits) {
            shape = Constant <value = int64[2] {-1, 64}> ()
            flat = Reshape (x, shape)
            starts = Constant <value = int64[1] {0}> ()
            ends = Constant <value = int64[1] {10}> ()
            axes = Constant <value = int64[1] {1}> ()
            ten = Slice (flat, starts, ends, axes)
            squares = Mul (ten, ten)
            negative = Neg (squares)
            negative_one = Constant <value = float {-1.0}> ()
            shifted = Add (negative, negative_one)
            logits = Sqrt (shifted)
        }""")
    uploaded = client.upload_classifier(broken.SerializeToString())
    before = client.get_campaign(campaign)
    error = refusal(
        lambda: client.select_samples(
            campaign, classifier=uploaded.classifier_id, budget=5, strategy=Exhaustive()
        )
    )
    assert error.reason == "NOT_FINITE"
    assert client.get_campaign(campaign) == before
    error = refusal(lambda: client.select_samples(campaign, classifier=uploaded.classifier_id, budget=5))
    assert error.reason == "NOT_FINITE"
    assert client.get_campaign(campaign) == before


def upload(server, *parts):
    with grpc.insecure_channel(server.target) as channel:
        stub = classifiers_pb2_grpc.ClassifierServiceStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            stub.UploadClassifier(iter(parts))
    return refused.value


def header(data, **changes):
    fields = {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), **changes}
    return classifiers_pb2.UploadClassifierRequest(header=classifiers_pb2.UploadClassifierHeader(**fields))


def chunk(data):
    return classifiers_pb2.UploadClassifierRequest(chunk=data)


def test_uploads_that_break_their_own_announcement_are_refused(server):
    data = b"some bytes"
    assert upload(server, header(data, sha256="0" * 64), chunk(data)).code() is grpc.StatusCode.DATA_LOSS
    for parts in (
        (),
        (chunk(data),),
        (header(data),),
        (header(data), header(data)),
        (header(data), chunk(data), chunk(data)),
        (header(data, size_bytes=2**40), chunk(data)),
        (header(data, pool="sea"), chunk(data)),
    ):
        error = upload(server, *parts)
        assert error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)
        assert error.details()


def test_a_message_above_the_limit_is_refused_and_the_server_lives(server, client):
    with grpc.insecure_channel(
        server.target, options=[("grpc.max_send_message_length", 256 * 2**20)]
    ) as channel:
        stub = pools_pb2_grpc.PoolServiceStub(channel)
        huge = tensors_pb2.Tensor(shape=[80 * 2**20], dtype=tensors_pb2.DTYPE_UINT8, data=bytes(80 * 2**20))
        with pytest.raises(grpc.RpcError) as refused:
            stub.SearchNeighbors(pools_pb2.SearchNeighborsRequest(samples=huge, k=1))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert client.get_pool().size == 1297


def test_random_needs_no_classifier(client, campaign):
    selection = client.select_samples(campaign, budget=4, strategy=Random())
    assert [pick.score for pick in selection.picks] == [None] * 4
