"""Bundle and index replaced under a running server: nothing is dropped, and a bad new one changes nothing."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import threading
import time
from pathlib import Path

import grpc
import numpy as np
import onnx
import pytest
from bundles import train_bundle
from metrics_port import free_port, wait_until_working
from processes import run_command, start_server, stop_server, succeed

from client import Client, Dowser, DowserError, Random, RetryPolicy

FEW = 700


@pytest.fixture(scope="session")
def fewer_index(digits, digits_bundle, tmp_path_factory) -> Path:
    """The last 700 of the digits under their own ids, so that rows and ids differ from the first index's."""
    folder = tmp_path_factory.mktemp("fewer")
    file = folder / "fewer.npz"
    first = len(digits.pool) - FEW
    np.savez(file, x=digits.pool[first:], pool_ids=np.arange(first, len(digits.pool), dtype=np.uint64))
    options = ("--bundle", digits_bundle, "--pool", file, "--out", folder / "index", "--name", "digits")
    succeed("dowser-server", "index", "build", *options)
    return folder / "index"


@pytest.fixture(scope="session")
def foreign(digits, digits_bundle, tmp_path_factory) -> dict[str, Path]:
    """An index of another pool's name; and a bundle of another shape with its index, under the same name."""
    folder = tmp_path_factory.mktemp("foreign")
    file = folder / "wide.npy"
    np.save(file, np.repeat(digits.pool[:300], 2, axis=1).repeat(2, axis=2))
    train_bundle(file, folder / "wide", generator="gaussian", features="pixels", feature_dim=20, components=4)
    for bundle, data, name, out in (
        (folder / "wide", file, "digits", folder / "wide-index"),
        (digits_bundle, digits.pool_file, "letters", folder / "letters-index"),
    ):
        options = ("--bundle", bundle, "--pool", data, "--name", name, "--out", out)
        succeed("dowser-server", "index", "build", *options)
    return {each: folder / each for each in ("wide", "wide-index", "letters-index")}


class Linked:
    """A server whose bundle and index are links, set anew by the tests."""

    def __init__(self, folder: Path, bundle: Path, index: Path) -> None:
        self.folder = folder
        self.metrics_port = free_port()
        self.point(bundle=bundle, index=index)
        self.start("--metrics-port", self.metrics_port)

    def start(self, *options: object) -> None:
        self.server = start_server(
            self.folder / "bundle", self.folder / "index", self.folder / "state", *options
        )

    def point(self, **to: Path) -> None:
        for name, target in to.items():
            fresh = self.folder / f"{name}.new"
            fresh.symlink_to(target)
            fresh.replace(self.folder / name)


@pytest.fixture
def linked(digits_bundle, digits_index, tmp_path):
    running = Linked(tmp_path, digits_bundle, digits_index)
    yield running
    if running.server.process.poll() is None:
        stop_server(running.server)


def test_a_call_under_way_ends_on_the_old_and_the_next_sees_the_new(
    linked, digits_index, fewer_index, classifier_bytes
):
    with Client.connect(linked.server.target) as client:
        uploaded = client.upload_classifier(classifier_bytes).classifier_id
        client.create_campaign("moving")
        client.record_labels("moving", {5: 1, 1200: 2})
        answers = []

        def select(steps: int) -> None:
            slow = Dowser(max_scored=200, latents=50, steps=steps, early_stop=0, shares={"synthesis": 1.0})
            answers.append(client.select_samples("moving", classifier=uploaded, budget=10, strategy=slow))

        # What a reload takes beside a selection is the machine's affair: longer and longer, until one outlasts it.
        for steps in (1500, 5000, 10_000):
            linked.point(index=digits_index)
            client.reload()
            before = client.get_pool()
            thread = threading.Thread(target=select, args=(steps,))
            thread.start()
            wait_until_working(linked.metrics_port)
            linked.point(index=fewer_index)
            reloaded = client.reload()
            still_under_way = thread.is_alive()
            thread.join(300)
            if still_under_way:
                break
        assert still_under_way
        assert answers[-1].index_version == before.index_version
        assert (reloaded.size, reloaded.index_version) == (FEW, before.index_version + 1)
        assert reloaded.previous_index_version == before.index_version
        after = client.get_pool()
        assert (after.size, after.index_version) == (FEW, reloaded.index_version)
        fresh = client.select_samples(
            "moving", classifier=uploaded, budget=300, min_index_version=reloaded.index_version
        )
        picked = set(fresh.pool_ids.tolist())
        assert min(picked) >= 1297 - FEW
        assert not picked & {1200, *(pool_id for answer in answers for pool_id in answer.pool_ids.tolist())}
        campaign = client.get_campaign("moving")
        assert (campaign.labeled, campaign.leased) == (2, 300 + 10 * len(answers))


def test_no_call_fails_while_the_server_reloads_again_and_again(
    linked, digits_index, fewer_index, classifier_bytes
):
    once = RetryPolicy(max_attempts=1)
    with Client.connect(linked.server.target, retry=once) as client:
        uploaded = client.upload_classifier(classifier_bytes).classifier_id
        stop, failures, selected = threading.Event(), [], []

        def work(name: str) -> None:
            client.create_campaign(name)
            versions = [0]
            while not stop.is_set():
                try:
                    chosen = client.select_samples(
                        name, classifier=uploaded, budget=3, strategy=Dowser(max_scored=50)
                    )
                    client.search_neighbors(pool_ids=[1296], k=3, campaign=name)
                    selected.append((name, chosen.pool_ids.tolist()))
                    versions.append(chosen.index_version)
                except DowserError as error:
                    failures.append(error)
            if versions != sorted(versions):
                failures.append(versions)

        threads = [threading.Thread(target=work, args=(f"loaded-{number}",)) for number in range(3)]
        for thread in threads:
            thread.start()
        for number in range(4):
            linked.point(index=(fewer_index, digits_index)[number % 2])
            client.reload()
        stop.set()
        for thread in threads:
            thread.join(60)
        assert not failures
        handed_out = [(name, pool_id) for name, ids in selected for pool_id in ids]
        assert len(handed_out) == len(set(handed_out)) > 0
        assert client.get_pool().index_version == 5


def damaged(source: Path, target: Path, file: str, *, cut: bool) -> Path:
    shutil.copytree(source, target)
    data = (target / file).read_bytes()
    middle = len(data) // 2
    (target / file).write_bytes(
        data[:middle] if cut else data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]
    )
    return target


def of_another_encoder(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    model = onnx.load(target / "encoder.onnx")
    model.doc_string = "another"
    data = model.SerializeToString()
    (target / "encoder.onnx").write_bytes(data)
    manifest = json.loads((target / "manifest.json").read_text())
    (entry,) = (each for each in manifest["files"] if each["name"] == "encoder.onnx")
    entry["sha256"], entry["size_bytes"] = hashlib.sha256(data).hexdigest(), str(len(data))
    (target / "manifest.json").write_text(json.dumps(manifest))
    return target


def test_a_bad_new_one_is_refused_with_its_reason_and_the_old_goes_on(
    linked, digits_bundle, digits_index, foreign, tmp_path, classifier_bytes
):
    incomplete = tmp_path / "incomplete"
    shutil.copytree(digits_index, incomplete)
    (incomplete / "features.npy").unlink()
    flipped = damaged(digits_index, tmp_path / "flipped", "samples.npy", cut=False)
    cases = {
        "features.npy": ({"index": incomplete}, "CORRUPT_FILE"),
        "samples.npy: its sha256": ({"index": flipped}, "CORRUPT_FILE"),
        "manifest.json": ({"index": tmp_path / "nowhere"}, "CORRUPT_FILE"),
        "generator.onnx": (
            {"bundle": damaged(digits_bundle, tmp_path / "cut", "generator.onnx", cut=True)},
            "CORRUPT_FILE",
        ),
        "the index was built with the bundle": (
            {"bundle": of_another_encoder(digits_bundle, tmp_path / "encoder")},
            "CORRUPT_FILE",
        ),
        "'letters'": ({"index": foreign["letters-index"]}, "CORRUPT_FILE"),
        "[1, 16, 16]": (
            {"bundle": foreign["wide"], "index": foreign["wide-index"]},
            "SHAPE_MISMATCH",
        ),
    }
    with Client.connect(linked.server.target) as client:
        before = client.get_pool()
        uploaded = client.upload_classifier(classifier_bytes).classifier_id
        client.create_campaign("steady")
        for told, (links, why) in cases.items():
            linked.point(**{"bundle": digits_bundle, "index": digits_index, **links})
            with pytest.raises(DowserError) as refused:
                client.reload()
            assert refused.value.reason == "RELOAD_REFUSED", told
            assert refused.value.grpc_code is grpc.StatusCode.FAILED_PRECONDITION
            assert refused.value.metadata["why"] == why, told
            assert told in refused.value.message
            assert client.get_pool() == before, told
        assert client.select_samples("steady", classifier=uploaded, budget=5).index_version == 1
        linked.point(bundle=digits_bundle, index=digits_index)
        assert client.reload().index_version == before.index_version


def test_sighup_reloads_and_versions_do_not_go_back_over_a_restart(linked, digits_index, fewer_index):
    linked.point(index=fewer_index)
    linked.server.process.send_signal(signal.SIGHUP)
    with Client.connect(linked.server.target) as client:
        give_up = time.monotonic() + 180
        while client.get_pool().size != FEW and time.monotonic() < give_up:
            time.sleep(0.05)
        assert (client.get_pool().size, client.get_pool().index_version) == (FEW, 2)
    assert stop_server(linked.server) == 0
    linked.start()
    with Client.connect(linked.server.target) as client:
        assert client.get_pool().index_version == 2
    assert stop_server(linked.server) == 0
    linked.point(index=digits_index)
    linked.start()
    with Client.connect(linked.server.target) as client:
        assert (client.get_pool().size, client.get_pool().index_version) == (1297, 3)


def test_the_command_reloads(linked, fewer_index):
    linked.point(index=fewer_index)
    done = run_command("dowser", "admin", "reload", "--target", linked.server.target, "--json")
    assert json.loads(done.stdout)["index_version"] == 2, done.stderr


def test_what_was_added_and_removed_stays_so_beside_another_index(linked, digits, fewer_index):
    with Client.connect(linked.server.target) as client:
        added = client.add_samples(digits.test[:5])
        client.remove_samples([1290, 1291])
        before = client.get_pool()
        linked.point(index=fewer_index)
        reloaded = client.reload()
        assert reloaded.previous_index_version == before.index_version
        assert reloaded.index_version > before.index_version
        assert reloaded.size == FEW + 5 - 2
        assert np.array_equal(client.get_samples(added.pool_ids), digits.test[:5])
        more = client.add_samples(digits.test[5:7])
        assert more.index_version > reloaded.index_version
        client.create_campaign("everything")
        everything = client.select_samples("everything", budget=FEW + 5, strategy=Random())
    picked = set(everything.pool_ids.tolist())
    assert picked == set(range(1297 - FEW, 1297 + 7)) - {1290, 1291}
