"""Score jobs on a real server: what they write, what a crash leaves of them, and what is refused."""

from __future__ import annotations

import hashlib
import io
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from processes import start_server, stop_server

from client import (
    Acquisition,
    Client,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    ScoreJob,
    ScoreJobState,
)


@pytest.fixture
def own_server(digits_bundle, digits_index, tmp_path):
    """Starts servers of a test's own on one state, to be stopped or killed by it."""
    started = []

    def start(*options):
        running = start_server(digits_bundle, digits_index, tmp_path / "state", *options)
        started.append(running)
        return running

    yield start
    for running in started:
        if running.process.poll() is None:
            stop_server(running)


@pytest.fixture
def client(server):
    with Client.connect(server.target) as connected:
        yield connected


@pytest.fixture
def classifier(client, classifier_bytes):
    return client.upload_classifier(classifier_bytes)


def wait_for(client: Client, job: ScoreJob, holds=lambda job: job.state.has_ended) -> ScoreJob:
    for _ in range(1200):
        job = client.get_score_job(job)
        if holds(job):
            return job
        time.sleep(0.05)
    raise AssertionError(f"it never came to be: {job}")


def read_table(client: Client, job: ScoreJob) -> pa.Table:
    files = [client.read_score_shard(job, shard.number) for shard in job.shards]
    for shard, data in zip(job.shards, files, strict=True):
        assert (shard.size_bytes, shard.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    return pa.concat_tables(pq.read_table(io.BytesIO(data)) for data in files)


def test_a_pool_is_scored_as_the_samples_themselves_are(client, classifier, digits):
    job = client.start_score_pool(
        classifier,
        acquisitions=["margin", Acquisition.MAXIMUM_ENTROPY],
        probabilities=True,
        shard_size=500,
    )
    job = wait_for(client, job)
    assert (job.state, job.done, job.size) == (ScoreJobState.DONE, 1297, 1297)
    assert [shard.rows for shard in job.shards] == [500, 500, 297]
    table = read_table(client, job)
    assert table.column_names == ["pool_id", "margin", "maximum_entropy", "predicted_class", "probabilities"]
    assert table["pool_id"].to_pylist() == list(range(1297))
    said = client.score_samples(
        classifier, samples=digits.pool, acquisitions=["margin", "maximum_entropy"], probabilities=True
    )
    for name in ("margin", "maximum_entropy"):
        np.testing.assert_allclose(table[name].to_numpy(), said.scores[Acquisition(name)], atol=1e-5)
    np.testing.assert_array_equal(table["predicted_class"].to_numpy(), said.predicted)
    probabilities = np.stack(table["probabilities"].to_numpy())
    np.testing.assert_allclose(probabilities, said.probabilities, atol=1e-6)
    top_two = np.sort(probabilities, axis=1)[:, -2:]
    np.testing.assert_allclose(table["margin"].to_numpy(), 1 - (top_two[:, 1] - top_two[:, 0]), atol=1e-5)


def test_given_ids_are_scored_in_the_order_given(client, classifier):
    ids = [7, 1200, 3, 4]
    job = wait_for(
        client, client.start_score_pool(classifier, pool_ids=ids, acquisitions=["least_confidence"])
    )
    table = read_table(client, job)
    assert table["pool_id"].to_pylist() == ids
    said = client.score_samples(classifier, pool_ids=ids, acquisitions=["least_confidence"])
    np.testing.assert_allclose(
        table["least_confidence"].to_numpy(), said.scores[Acquisition.LEAST_CONFIDENCE], atol=1e-6
    )


def test_the_same_request_is_the_same_job(client, classifier):
    first = client.start_score_pool(classifier, pool_ids=[1], request_id="score-once")
    assert client.start_score_pool(classifier, pool_ids=[1], request_id="score-once").job_id == first.job_id
    with pytest.raises(Exception, match="REQUEST_ID_REUSED"):
        client.start_score_pool(classifier, pool_ids=[2], request_id="score-once")
    assert first.job_id in [job.job_id for job in client.list_score_jobs()]


def test_what_cannot_be_scored_is_refused_before_it_begins(client, classifier):
    with pytest.raises(InvalidArgumentError, match="ACQUISITION_UNSUPPORTED"):
        client.start_score_pool(classifier, acquisitions=["bald"])
    with pytest.raises(InvalidArgumentError, match="gives no embedding"):
        client.start_score_pool(classifier, embedding=True)
    with pytest.raises(InvalidArgumentError, match="each function once"):
        client.start_score_pool(classifier, acquisitions=["margin", "margin"])
    with pytest.raises(InvalidArgumentError, match="each id once"):
        client.start_score_pool(classifier, pool_ids=[1, 1])
    with pytest.raises(InvalidArgumentError, match="shard_size must be 1 to 1000000"):
        client.start_score_pool(classifier, shard_size=2_000_000)
    with pytest.raises(NotFoundError, match="POOL_ID_NOT_FOUND"):
        client.start_score_pool(classifier, pool_ids=[10**9])
    with pytest.raises(NotFoundError, match="CLASSIFIER_NOT_FOUND"):
        client.start_score_pool("sha256:" + "0" * 64)
    with pytest.raises(NotFoundError, match="SCORE_JOB_NOT_FOUND"):
        client.get_score_job("none")
    with pytest.raises(NotFoundError, match="POOL_ID_NOT_FOUND"):
        client.score_samples(classifier, pool_ids=[10**9])


def test_a_shard_that_is_not_there_cannot_be_read(client, classifier):
    job = wait_for(client, client.start_score_pool(classifier, pool_ids=[1]))
    with pytest.raises(FailedPreconditionError, match="SHARD_NOT_READY"):
        client.read_score_shard(job, 1)


def test_a_killed_job_goes_on_by_itself_with_identical_output(own_server, classifier_bytes):
    killed = own_server()
    with Client.connect(killed.target) as client:
        classifier = client.upload_classifier(classifier_bytes)
        options = {"acquisitions": ["margin", "maximum_entropy"], "probabilities": True, "shard_size": 4}
        whole = wait_for(client, client.start_score_pool(classifier, **options))
        files = [client.read_score_shard(whole, shard.number) for shard in whole.shards]
        job = client.start_score_pool(classifier, **options)
        job = wait_for(client, job, lambda job: len(job.shards) > 20)
        assert job.state is ScoreJobState.RUNNING
    killed.process.kill()
    killed.process.wait()
    again = own_server()
    with Client.connect(again.target) as client:
        kept = client.get_score_job(job)
        assert 20 < len(kept.shards) < kept.shard_count
        ended = wait_for(client, job)
        assert ended.state is ScoreJobState.DONE
        assert [client.read_score_shard(ended, shard.number) for shard in ended.shards] == files
        assert client.get_score_job(whole).shards == whole.shards


def test_a_stopped_server_leaves_its_job_for_the_next_start(own_server, classifier_bytes):
    first = own_server()
    with Client.connect(first.target) as client:
        job = client.start_score_pool(client.upload_classifier(classifier_bytes), shard_size=4)
        wait_for(client, job, lambda job: job.shards)
    assert stop_server(first) == 0
    with Client.connect(own_server().target) as client:
        assert wait_for(client, job).state is ScoreJobState.DONE


def test_a_cancelled_job_ends_and_keeps_what_it_wrote(own_server, classifier_bytes):
    with Client.connect(own_server("--score-jobs", 2).target) as client:
        classifier = client.upload_classifier(classifier_bytes)
        running = client.start_score_pool(classifier, shard_size=2)
        behind = client.start_score_pool(classifier, pool_ids=[1])
        wait_for(client, running, lambda job: job.shards)
        cancelled = client.cancel_score_job(running)
        assert cancelled.state is ScoreJobState.CANCELLED
        assert 0 < len(cancelled.shards) < cancelled.shard_count
        assert client.read_score_shard(cancelled, 0)[:4] == b"PAR1"
        assert wait_for(client, behind).state is ScoreJobState.DONE
        # The room is for two: the one that ended first makes way.
        wait_for(client, client.start_score_pool(classifier, pool_ids=[2]))
        with pytest.raises(NotFoundError, match="SCORE_JOB_NOT_FOUND"):
            client.get_score_job(running)


def test_removed_samples_are_left_out_and_added_ones_scored(own_server, classifier_bytes, digits):
    with Client.connect(own_server().target) as client:
        client.remove_samples([0, 5])
        added = client.add_samples(digits.test[:3])
        job = client.start_score_pool(client.upload_classifier(classifier_bytes))
        ids = read_table(client, wait_for(client, job))["pool_id"].to_pylist()
    assert ids == [*(i for i in range(1297) if i not in (0, 5)), *added.pool_ids.tolist()]
