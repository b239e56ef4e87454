"""Starting, draining, restarting, and refusing to start."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import threading
import uuid
from pathlib import Path

import grpc
import onnx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from metrics_port import free_port, wait_until_working
from processes import run_command, stop_server

from client import Client, Dowser, DowserError, Exhaustive, RetryPolicy
from dowser.v1 import selection_pb2, selection_pb2_grpc


def test_a_running_server_has_not_loaded_torch(server, classifier_bytes):
    with Client.connect(server.target) as client:
        uploaded = client.upload_classifier(classifier_bytes).classifier_id
        campaign = client.create_campaign(f"light-{uuid.uuid4().hex}").campaign_id
        client.select_samples(campaign, classifier=uploaded, budget=5)
    maps = Path(f"/proc/{server.process.pid}/maps")
    if not maps.exists():
        pytest.skip("needs /proc to see what a process has loaded")
    loaded = maps.read_text()
    assert "onnxruntime" in loaded
    assert not re.search(r"/torch/|libtorch", loaded)
    assert "sklearn" not in loaded


def test_health_and_reflection_answer(server):
    with grpc.insecure_channel(server.target) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", "dowser.v1.SelectionService"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        names = {s.name for s in next(stub.ServerReflectionInfo(asked)).list_services_response.service}
    assert {f"dowser.v1.{name}Service" for name in ("Pool", "Campaign", "Classifier", "Selection")} <= names


# Minutes of work, were it not stopped.
SLOW = Dowser(max_scored=500, latents=500, steps=10_000, early_stop=0, shares={"synthesis": 1.0})


def prove_the_only_worker_is_free_and_nothing_was_leased(server, classifier):
    with Client.connect(server.target, timeout_seconds=60) as client:
        quick = client.select_samples("late", classifier=classifier, budget=10, strategy=Exhaustive())
        assert quick.round == 1
        assert client.get_campaign("late").leased == 10


def test_a_deadline_stops_the_work_and_leases_nothing(own_server, classifier_bytes):
    server = own_server("--concurrency", 1)
    with Client.connect(server.target) as client:
        uploaded = client.upload_classifier(classifier_bytes).classifier_id
        client.create_campaign("late")
    with Client.connect(server.target, timeout_seconds=0.7) as hurried:
        with pytest.raises(DowserError) as late:
            hurried.select_samples("late", classifier=uploaded, budget=10, strategy=SLOW)
        assert late.value.grpc_code is grpc.StatusCode.DEADLINE_EXCEEDED
    prove_the_only_worker_is_free_and_nothing_was_leased(server, uploaded)


def test_a_cancelled_call_stops_the_work_and_leases_nothing(own_server, classifier_bytes):
    port = free_port()
    server = own_server("--concurrency", 1, "--metrics-port", port)
    with Client.connect(server.target) as client:
        uploaded = client.upload_classifier(classifier_bytes).classifier_id
        client.create_campaign("late")
    with grpc.insecure_channel(server.target) as channel:
        request = selection_pb2.SelectSamplesRequest(
            request_id="cancelled", campaign_id="late", classifier_id=uploaded, budget=10
        )
        request.dowser.max_scored = 500
        request.dowser.synthesis.latents = 500
        request.dowser.synthesis.steps = 10_000
        request.dowser.synthesis.early_stop = 0
        request.dowser.shares.add(source="CANDIDATE_SOURCE_SYNTHESIS", share=1)
        call = selection_pb2_grpc.SelectionServiceStub(channel).SelectSamples.future(request)
        wait_until_working(port)
        assert not call.done()
        call.cancel()
    prove_the_only_worker_is_free_and_nothing_was_leased(server, uploaded)


def test_calls_beyond_the_queue_are_refused_with_when_to_retry(own_server, classifier_bytes):
    port = free_port()
    server = own_server("--concurrency", 1, "--queue", 0, "--metrics-port", port)
    with Client.connect(server.target, retry=RetryPolicy(max_attempts=1)) as client:
        uploaded = client.upload_classifier(classifier_bytes).classifier_id
        client.create_campaign("late")
        with grpc.insecure_channel(server.target) as channel:
            request = selection_pb2.SelectSamplesRequest(
                request_id="occupies", campaign_id="late", classifier_id=uploaded, budget=10
            )
            request.dowser.max_scored = 500
            request.dowser.synthesis.steps = 10_000
            request.dowser.synthesis.early_stop = 0
            request.dowser.shares.add(source="CANDIDATE_SOURCE_SYNTHESIS", share=1)
            occupying = selection_pb2_grpc.SelectionServiceStub(channel).SelectSamples.future(request)
            wait_until_working(port)
            with pytest.raises(DowserError) as refused:
                client.select_samples("late", classifier=uploaded, budget=10)
            occupying.cancel()
    assert refused.value.grpc_code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refused.value.retry_after_seconds > 0


def test_sigterm_lets_a_call_under_way_end(own_server, classifier_bytes):
    port = free_port()
    server = own_server("--metrics-port", port, "--grace-seconds", 300)
    with Client.connect(server.target) as client:
        uploaded = client.upload_classifier(classifier_bytes).classifier_id
        campaign = client.create_campaign("draining").campaign_id
    answers = []

    def select():
        with Client.connect(server.target) as client:
            answers.append(
                client.select_samples(
                    campaign,
                    classifier=uploaded,
                    budget=10,
                    strategy=Dowser(max_scored=200, steps=1500, early_stop=0, shares={"synthesis": 1.0}),
                )
            )

    thread = threading.Thread(target=select)
    thread.start()
    wait_until_working(port)
    assert stop_server(server) == 0
    thread.join(30)
    assert len(answers) == 1
    assert len(answers[0].picks) == 10


def test_labels_leases_and_answers_survive_a_kill(own_server, classifier_bytes):
    server = own_server()
    request_id = uuid.uuid4().hex
    with Client.connect(server.target) as client:
        uploaded = client.upload_classifier(classifier_bytes).classifier_id
        client.create_campaign("durable")
        first = client.select_samples("durable", classifier=uploaded, budget=10, request_id=request_id)
        client.record_labels("durable", {int(i): 3 for i in first.pool_ids[:4]})
    server.process.kill()
    server.process.wait()
    again = own_server(state=server.state)
    with Client.connect(again.target) as client:
        campaign = client.get_campaign("durable")
        assert (campaign.labeled, campaign.leased, campaign.rounds) == (4, 6, 1)
        replay = client.select_samples("durable", classifier=uploaded, budget=10, request_id=request_id)
        assert replay.pool_ids.tolist() == first.pool_ids.tolist()
        fresh = client.select_samples("durable", classifier=uploaded, budget=10)
        assert not set(fresh.pool_ids.tolist()) & set(first.pool_ids.tolist())


def test_settings_come_by_flag_over_environment_over_file_and_are_printed(own_server, tmp_path, monkeypatch):
    config = tmp_path / "server.toml"
    config.write_text("queue = 7\nconcurrency = 2\ngrace_seconds = 3.5\n")
    monkeypatch.setenv("DOWSER_CONCURRENCY", "3")
    server = own_server("--config", config, "--max-message-bytes", 2**20)
    log = (server.state.parent / f"{server.state.name}.log").read_text()
    printed = json.loads(next(line for line in log.splitlines() if line.startswith("settings "))[9:])
    assert printed["queue"] == 7
    assert printed["concurrency"] == 3
    assert printed["max_message_bytes"] == 2**20
    assert re.search(r"onnxruntime [\d.]+ on cpu.*faiss [\d.]+", log)


def damaged(source: Path, target: Path, file: str, change) -> Path:
    shutil.copytree(source, target)
    path = target / file
    path.write_bytes(change(path.read_bytes()))
    return target


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


@pytest.mark.parametrize("file", ["generator.onnx", "encoder.onnx", "manifest.json"])
def test_a_damaged_bundle_is_refused_by_the_name_of_its_file(digits_bundle, digits_index, tmp_path, file):
    change = flipped if file.endswith("onnx") else (lambda data: data[: len(data) // 2])
    bundle = damaged(digits_bundle, tmp_path / "bundle", file, change)
    done = run_command(
        "dowser-server", "serve", "--bundle", bundle, "--index", digits_index, "--state", tmp_path / "s"
    )
    assert done.returncode == 1
    assert file in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("file", ["index.faiss", "samples.npy", "manifest.json"])
def test_a_cut_index_is_refused_by_the_name_of_its_file(digits_bundle, digits_index, tmp_path, file):
    index = damaged(digits_index, tmp_path / "index", file, lambda data: data[: len(data) // 2])
    done = run_command(
        "dowser-server", "serve", "--bundle", digits_bundle, "--index", index, "--state", tmp_path / "s"
    )
    assert done.returncode == 1
    assert file in done.stderr
    assert "Traceback" not in done.stderr


def rewritten(source: Path, target: Path, file: str) -> Path:
    """Copy a bundle with one of its graphs under another digest, and a manifest that agrees."""
    shutil.copytree(source, target)
    model = onnx.load(target / file)
    model.doc_string = "another"
    data = model.SerializeToString()
    (target / file).write_bytes(data)
    manifest = json.loads((target / "manifest.json").read_text())
    (entry,) = (entry for entry in manifest["files"] if entry["name"] == file)
    entry["sha256"], entry["size_bytes"] = hashlib.sha256(data).hexdigest(), str(len(data))
    (target / "manifest.json").write_text(json.dumps(manifest))
    return target


def test_an_index_outlives_the_generator_of_its_bundle(own_server, digits_bundle, digits_index, tmp_path):
    bundle = rewritten(digits_bundle, tmp_path / "bundle", "generator.onnx")
    server = own_server(bundle=bundle)
    with Client.connect(server.target) as client:
        assert client.get_pool().size == 1297


def test_an_index_of_another_encoder_is_refused(digits_bundle, digits_index, tmp_path):
    bundle = rewritten(digits_bundle, tmp_path / "bundle", "encoder.onnx")
    done = run_command(
        "dowser-server", "serve", "--bundle", bundle, "--index", digits_index, "--state", tmp_path / "s"
    )
    assert done.returncode == 1
    assert "bundle" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_setting_is_asked_for(tmp_path):
    done = run_command("dowser-server", "serve", "--bundle", tmp_path)
    assert done.returncode == 2
    assert "--index" in done.stderr
