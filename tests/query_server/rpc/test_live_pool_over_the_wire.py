"""AddSamples and RemoveSamples against a real server process, killed and restarted."""

from __future__ import annotations

import asyncio
import json
import queue
import threading

import grpc
import numpy as np
import pytest
from processes import stop_server

from client import AsyncClient, Client, ConflictError, Dowser, DowserError, Exhaustive, NotFoundError, Random
from client.cli import main
from dowser.v1 import pools_pb2, pools_pb2_grpc, tensors_pb2


@pytest.fixture
def server(own_server):
    return own_server()


def test_an_added_sample_is_found_read_and_selected_at_once(client, classifier_bytes, digits) -> None:
    campaign = client.create_campaign("c")
    before = client.get_pool()
    added = client.add_samples(digits.test[:200])
    pool = client.get_pool()
    assert added.pool_ids.tolist() == list(range(1297, 1497))
    assert (added.index_version, added.size) == (pool.index_version, pool.size) == (2, 1497)
    assert (before.index_version, before.size, pool.added, pool.removed) == (1, 1297, 200, 0)
    np.testing.assert_array_equal(client.get_samples(added.pool_ids), digits.test[:200])
    found = client.search_neighbors(samples=digits.test[:5], k=1, min_index_version=added.index_version)
    assert [ids[0] for ids in found.pool_ids] == added.pool_ids[:5].tolist()
    assert found.index_version == 2
    assert client.get_campaign(campaign).unlabeled == 1497

    client.remove_samples(np.arange(1297))  # so that only the added ones are left
    classifier = client.upload_classifier(classifier_bytes)
    picked: list[int] = []
    for strategy in (Dowser(max_scored=60), Dowser(max_scored=0), Exhaustive(), Random()):
        selection = client.select_samples(
            campaign, classifier=classifier, budget=30, strategy=strategy, min_index_version=3
        )
        assert selection.index_version == 3
        picked += selection.pool_ids.tolist()
        client.record_labels(campaign, [(i, i % 10) for i in selection.pool_ids.tolist()[:20]])
    assert len(set(picked)) == 120
    assert set(picked) <= set(added.pool_ids.tolist())


def test_a_removed_sample_is_never_selected_nor_counted(client, classifier_bytes, digits) -> None:
    campaign = client.create_campaign("c")
    leased = client.select_samples(campaign, budget=50, strategy=Random()).pool_ids
    client.record_labels(campaign, [(i, 1) for i in leased[:10].tolist()])
    gone = np.concatenate([leased[5:20], np.setdiff1d(np.arange(0, 1297, 2, np.uint64), leased)])
    removed = client.remove_samples(gone)
    assert (removed.removed, removed.index_version) == (len(gone), 2)
    assert client.get_campaign(campaign).unlabeled == 1297 - 50 - (len(gone) - 15)
    classifier = client.upload_classifier(classifier_bytes)
    for strategy in (Dowser(max_scored=120), Exhaustive(), Random()):
        selection = client.select_samples(campaign, classifier=classifier, budget=40, strategy=strategy)
        assert not set(selection.pool_ids.tolist()) & set(gone.tolist())
    with pytest.raises(NotFoundError):
        client.get_samples(gone[:1])
    with pytest.raises(NotFoundError):
        client.record_labels(campaign, [(int(gone[-1]), 1)])


def test_what_was_answered_survives_kill_9(client, server, own_server, digits) -> None:
    added = client.add_samples(digits.test[:30], request_id="add")
    removed = client.remove_samples([3, *added.pool_ids[:2].tolist()], request_id="remove")
    server.process.kill()
    server.process.wait()
    with Client.connect(own_server(state=server.state).target) as again:
        pool = again.get_pool()
        assert (pool.size, pool.added, pool.removed, pool.index_version) == (1324, 28, 3, 3)
        repeated = again.add_samples(digits.test[:30], request_id="add")
        assert repeated.pool_ids.tolist() == added.pool_ids.tolist()
        assert (repeated.index_version, repeated.size) == (added.index_version, added.size)
        assert again.remove_samples([3, *added.pool_ids[:2].tolist()], request_id="remove") == removed
        with pytest.raises(ConflictError) as caught:
            again.add_samples(digits.test[1:31], request_id="add")
        assert caught.value.reason == "REQUEST_ID_REUSED"
        np.testing.assert_array_equal(again.get_samples(added.pool_ids[2:]), digits.test[2:30])


def test_selections_go_on_while_samples_come_and_go(server, classifier_bytes, digits) -> None:
    async def run() -> None:
        async with AsyncClient.connect(server.target) as client:
            classifier = await client.upload_classifier(classifier_bytes)
            campaign = await client.create_campaign("c")

            async def change() -> None:
                for step in range(12):
                    added = await client.add_samples(digits.test[step * 10 : step * 10 + 10])
                    await client.remove_samples([int(added.pool_ids[0]), 2 * step])

            async def select() -> list[int]:
                ids: list[int] = []
                for _ in range(12):
                    selection = await client.select_samples(
                        campaign, classifier=classifier, budget=10, strategy=Dowser(max_scored=40)
                    )
                    ids += selection.pool_ids.tolist()
                return ids

            _, first, second = await asyncio.gather(change(), select(), select())
            assert len(set(first + second)) == 240

    asyncio.run(run())


def test_task_features_step_aside_for_added_samples(own_server, digits_classifier, digits) -> None:
    import torch

    from client import export_classifier

    class Embedding(torch.nn.Module):
        def forward(self, x):
            embedding = digits_classifier[:-1](x)
            return digits_classifier[-1](embedding), embedding

    data = export_classifier(Embedding().eval(), torch.zeros(2, 1, 8, 8))
    with Client.connect(own_server("--task-refresh-rounds", 1).target) as client:
        classifier, campaign = client.upload_classifier(data), client.create_campaign("c")
        assert classifier.embedding_dim
        for step in range(4):
            client.add_samples(digits.test[step * 5 : step * 5 + 5])
            selection = client.select_samples(
                campaign,
                classifier=classifier,
                budget=10,
                strategy=Dowser(max_scored=50, shares={"labeled_neighbors": 1, "random": 1}),
            )
            client.record_labels(campaign, [(i, i % 10) for i in selection.pool_ids.tolist()])
        assert client.get_campaign(campaign).labeled == 40


def test_the_command_line_adds_and_removes(server, digits, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("client.commands.pools.ADDED_AT_A_TIME", 40)
    np.save(tmp_path / "new.npy", digits.test[:100])
    np.save(tmp_path / "ids.npy", np.arange(5000, 5100))
    target = ("--target", server.target, "--json")
    assert main(["pool", "add", str(tmp_path / "new.npy"), "--ids", str(tmp_path / "ids.npy"), *target]) == 0
    calls = json.loads(capsys.readouterr().out)
    assert [(call["added"], call["first_id"]) for call in calls] == [(40, 5000), (40, 5040), (20, 5080)]
    assert main(["pool", "remove", "5000", "7", *target]) == 0
    assert json.loads(capsys.readouterr().out) == {"removed": 2, "index_version": 5, "size": 1395}
    assert main(["pool", "add", str(tmp_path / "new.npy"), "--ids", str(tmp_path / "ids.npy"), *target]) == 1
    assert "5000" in capsys.readouterr().err


def _chunk(values: np.ndarray, ids: list[int] | None = None) -> pools_pb2.AddSamplesRequest:
    tensor = tensors_pb2.Tensor(shape=values.shape, dtype=tensors_pb2.DTYPE_UINT8, data=values.tobytes())
    return pools_pb2.AddSamplesRequest(chunk=pools_pb2.AddSamplesChunk(values=tensor, pool_ids=ids))


def _header(**changed: object) -> pools_pb2.AddSamplesRequest:
    fields = {"request_id": "r", "count": 2} | changed
    return pools_pb2.AddSamplesRequest(header=pools_pb2.AddSamplesHeader(**fields))


TWO = np.zeros((2, 8, 8), np.uint8)
REFUSED = {
    "nothing": ([], "INVALID_ARGUMENT", "header"),
    "no header": ([_chunk(TWO)], "INVALID_ARGUMENT", "header"),
    "two headers": ([_header(), _header()], "INVALID_ARGUMENT", "header"),
    "no request id": ([_header(request_id="")], "INVALID_ARGUMENT", "request_id"),
    "a long request id": ([_header(request_id="r" * 129)], "INVALID_ARGUMENT", "request_id"),
    "another pool": ([_header(pool="../digits")], "POOL_NOT_FOUND", None),
    "no samples": ([_header(count=0)], "INVALID_ARGUMENT", "count"),
    "too many samples": ([_header(count=2**63)], "INVALID_ARGUMENT", "count"),
    "an unknown kind": ([_header(kind=7)], "INVALID_ARGUMENT", "kind"),
    "fewer than announced": ([_header(count=3), _chunk(TWO)], "INVALID_ARGUMENT", "count"),
    "more than announced": ([_header(count=3), _chunk(TWO), _chunk(TWO)], "INVALID_ARGUMENT", "count"),
    "an empty chunk": ([_header(), _chunk(TWO[:0])], "INVALID_ARGUMENT", "values"),
    "an unset chunk": ([_header(), pools_pb2.AddSamplesRequest()], "INVALID_ARGUMENT", "values.dtype"),
    "too few ids": ([_header(), _chunk(TWO, [7])], "INVALID_ARGUMENT", "pool_ids"),
    "ids of one chunk": (
        [_header(count=4), _chunk(TWO, [7, 8]), _chunk(TWO)],
        "INVALID_ARGUMENT",
        "pool_ids",
    ),
    "shifted ids": (
        [_header(count=4), _chunk(TWO, [7]), _chunk(TWO, [8, 9, 10])],
        "INVALID_ARGUMENT",
        "pool_ids",
    ),
    "another shape": ([_header(), _chunk(TWO[:, :7])], "SHAPE_MISMATCH", None),
    "two shapes": ([_header(count=4), _chunk(TWO), _chunk(TWO[:, :7])], "SHAPE_MISMATCH", None),
    "an id that exists": ([_header(), _chunk(TWO, [5000, 0])], "POOL_ID_EXISTS", None),
    "features": ([_header(kind=2), _chunk(TWO)], "INVALID_ARGUMENT", "kind"),
    "too many bytes": (
        [_header(count=2000), *[_chunk(np.zeros((500, 8, 8), np.uint8))] * 4],
        "TOO_LARGE",
        None,
    ),
}


def test_what_cannot_be_added_is_refused_by_its_reason_and_changes_nothing(own_server) -> None:
    from client.errors import from_rpc_error

    server = own_server("--max-add-bytes", 2**16)
    with grpc.insecure_channel(server.target) as channel, Client.connect(server.target) as client:
        stub = pools_pb2_grpc.PoolServiceStub(channel)
        for name, (parts, reason, field) in REFUSED.items():
            with pytest.raises(grpc.RpcError) as caught:
                stub.AddSamples(iter(parts), timeout=20)
            error = from_rpc_error(caught.value)
            assert (error.reason, error.metadata.get("field")) == (reason, field), name
        with pytest.raises(DowserError) as refused:
            client.remove_samples([])
        assert refused.value.reason == "INVALID_ARGUMENT"
        assert (client.get_pool().size, client.get_pool().index_version) == (1297, 1)
    assert stop_server(server) == 0


def test_calls_that_stall_do_not_fill_the_memory(own_server, digits) -> None:
    server = own_server("--max-add-bytes", 2**16)
    part, over = _chunk(np.zeros((1000, 8, 8), np.uint8)), threading.Event()

    def stalling():
        yield _header(count=2000)
        yield part
        over.wait(60)

    with grpc.insecure_channel(server.target) as channel, Client.connect(server.target) as client:
        stub = pools_pb2_grpc.PoolServiceStub(channel)
        stalled = [stub.AddSamples.future(stalling(), timeout=60) for _ in range(4)]  # room for two of them
        refused: queue.Queue[grpc.RpcError] = queue.Queue()
        for call in stalled:
            call.add_done_callback(lambda done: refused.put(done.exception()))
        assert "room for samples" in refused.get(timeout=30).details()
        assert client.get_pool().size == 1297
        over.set()
        for call in stalled:
            assert call.exception(timeout=30) is not None
        assert client.add_samples(digits.test[:100]).size == 1397  # the room was given back


def test_chunks_of_any_size_are_one_request(server, client, digits) -> None:
    with grpc.insecure_channel(server.target) as channel:
        stub = pools_pb2_grpc.PoolServiceStub(channel)
        header, values = _header(count=20), digits.test[:20]
        replies = [
            stub.AddSamples(
                iter([header, *(_chunk(part) for part in np.array_split(values, pieces))]), timeout=20
            )
            for pieces in (1, 3, 20)
        ]
    assert all(reply == replies[0] for reply in replies)
    assert client.get_pool().size == 1317
