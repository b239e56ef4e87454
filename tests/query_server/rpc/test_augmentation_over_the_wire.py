"""Companions of labeled samples against real servers: of a VAE (BALD-VAE), and of a VAE-ACGAN that is refreshed."""

from __future__ import annotations

import asyncio

import numpy as np
import onnxruntime as ort
import pytest
import torch
from bundles import train_bundle
from processes import start_server, stop_server, succeed

from client import AsyncClient, Client, DowserError, Exhaustive, Selection, export_classifier


def index_of(bundle, digits, folder):
    index = folder / "index"
    succeed(
        *("dowser-server", "index", "build", "--bundle", bundle, "--pool", digits.pool_file),
        *("--out", index, "--name", "digits"),
    )
    return index


def train(digits, folder, *options):
    succeed(
        *("dowser-trainer", "train", "--data", digits.pool_file, "--out", folder / "bundle"),
        *("--threads", 1, "--quiet", *options),
    )
    return folder / "bundle"


def write_labels(path, digits, rows):
    path.write_text("pool_id,label\n" + "".join(f"{row},{digits.pool_labels[row]}\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def vae_server(digits, tmp_path_factory):
    """A server whose bundle is a small VAE, matching by the means of its latents."""
    folder = tmp_path_factory.mktemp("vae")
    bundle = train_bundle(
        digits.pool_file, folder / "bundle", generator="vae", features="latent", iterations=1500
    )
    running = start_server(bundle, index_of(bundle, digits, folder), folder / "state")
    yield running
    assert stop_server(running) == 0


@pytest.fixture(scope="module")
def stochastic(vae_server, digits_classifier):
    *body, last = digits_classifier
    module = torch.nn.Sequential(*body, torch.nn.Dropout(0.5), last).eval()
    with Client.connect(vae_server.target) as client:
        return client.upload_classifier(export_classifier(module, (1, 8, 8), passes=8, seed=1))


@pytest.fixture(scope="module")
def labeled(vae_server, digits):
    """A campaign with a hundred labels."""
    with Client.connect(vae_server.target) as client:
        campaign = client.create_campaign("augmented")
        client.record_labels(campaign, {row: int(digits.pool_labels[row]) for row in range(100)})
        return campaign.campaign_id


@pytest.fixture
def client(vae_server):
    with Client.connect(vae_server.target) as connected:
        yield connected


def inputs(digits, ids):
    return digits.pool[ids.astype(np.int64), None].astype(np.float32) * np.float32(2 / 255) - 1


def test_samples_more_uncertain_than_the_last_pick_get_companions(client, labeled, stochastic, digits):
    picked: Selection = client.select_samples(
        labeled,
        classifier=stochastic,
        budget=200,
        acquisition="bald",
        strategy=Exhaustive(),
        request_id="round",
    )
    worst = min(pick.score for pick in picked.picks)
    scores = client.score_samples(stochastic, pool_ids=range(100), acquisitions=["bald"]).scores["bald"]
    expected = np.flatnonzero(scores >= worst)
    assert 0 < len(expected) < 100, "the threshold separates the labeled samples"
    made = client.augment_samples(labeled, classifier=stochastic, threshold=picked)
    assert set(made.pool_ids.tolist()) == set(expected.tolist())
    assert (np.diff(made.scores) <= 0).all()
    assert made.labels.tolist() == digits.pool_labels[made.pool_ids.astype(int)].tolist()
    assert (made.threshold, made.examined, made.uncertain) == (pytest.approx(worst), 100, len(expected))
    assert made.samples.shape == (len(expected), 1, 8, 8)
    by_name = client.augment_samples(labeled, classifier=stochastic, threshold="round")
    assert by_name.pool_ids.tolist() == made.pool_ids.tolist()


def test_a_companion_is_what_encoder_and_decoder_make_of_its_sample(client, labeled, digits, vae_server):
    made = client.augment_samples(labeled, pool_ids=[3, 5, 7])
    assert (made.scores, made.companion_scores, made.examined) == (None, None, 3)
    x = inputs(digits, made.pool_ids)
    (latents,) = ort.InferenceSession(vae_server.bundle / "posterior.onnx").run(["features"], {"x": x})
    decoder = ort.InferenceSession(vae_server.bundle / "generator.onnx")
    (expected,) = decoder.run(["x"], {"z": latents, "dx": np.zeros_like(x)})
    assert made.samples == pytest.approx(expected, abs=1e-4)
    assert made.distances == pytest.approx(np.linalg.norm((expected - x).reshape(3, -1), axis=1), rel=1e-3)


def test_companions_are_nearer_to_their_samples_than_other_samples_are(client, labeled, digits):
    made = client.augment_samples(labeled)
    x = inputs(digits, made.pool_ids).reshape(100, -1)
    apart = np.linalg.norm(made.samples.reshape(100, 1, -1) - x[None], axis=2)
    assert (apart.argmin(axis=1) == np.arange(100)).mean() > 0.3  # by chance, 0.01
    assert np.median(np.diag(apart)) < 0.75 * np.median(apart)


def test_the_limit_keeps_the_most_uncertain(client, labeled, stochastic):
    every = client.augment_samples(labeled, classifier=stochastic)
    some = client.augment_samples(labeled, classifier=stochastic, limit=7)
    assert some.pool_ids.tolist() == every.pool_ids[:7].tolist()
    assert (some.uncertain, every.uncertain) == (100, 100)
    own = client.score_samples(stochastic, samples=some.samples, acquisitions=["bald"]).scores["bald"]
    assert some.companion_scores == pytest.approx(own, abs=1e-5)


def test_nothing_above_a_high_threshold(client, labeled, stochastic):
    made = client.augment_samples(labeled, classifier=stochastic, threshold=100.0)
    assert (made.samples.shape, made.uncertain, made.examined) == ((0, 1, 8, 8), 0, 100)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"threshold": 0.1}, "INVALID_ARGUMENT"),  # no classifier
        ({"pool_ids": [1200]}, "LABEL_NOT_FOUND"),
        ({"limit": 5000}, "INVALID_ARGUMENT"),
        ({"classifier": "sha256:0", "threshold": 0.1}, "CLASSIFIER_NOT_FOUND"),
    ],
)
def test_what_cannot_be_augmented_is_refused(client, labeled, arguments, reason):
    with pytest.raises(DowserError) as refused:
        client.augment_samples(labeled, **arguments)
    assert refused.value.reason == reason


def test_an_unknown_selection_and_nan_are_refused(client, labeled, stochastic):
    for threshold, reason in (("nobody", "INVALID_ARGUMENT"), (float("nan"), "NOT_FINITE")):
        with pytest.raises(DowserError) as refused:
            client.augment_samples(labeled, classifier=stochastic, threshold=threshold)
        assert refused.value.reason == reason


def test_the_asyncio_client_gets_the_same(client, labeled, vae_server):
    async def ask():
        async with AsyncClient.connect(vae_server.target) as other:
            return await other.augment_samples(labeled, pool_ids=[3, 5])

    expected = client.augment_samples(labeled, pool_ids=[3, 5])
    assert (asyncio.run(ask()).samples == expected.samples).all()


def test_a_bundle_without_the_way_back_says_so(server):
    with Client.connect(server.target) as client:
        campaign = client.create_campaign("not-augmented")
        with pytest.raises(DowserError) as refused:
            client.augment_samples(campaign)
    assert refused.value.reason == "RECONSTRUCTION_UNSUPPORTED"
    assert refused.value.metadata == {"pool": "digits", "generator": "gaussian"}


def test_a_joint_generator_is_refreshed_from_a_campaign_and_swapped_in(digits, tmp_path):
    """BGADL's loop through the product: train, serve, select by BALD, label, export, refresh, reload, augment."""
    bundle = train(
        *(digits, tmp_path, "--generator", "vae-acgan", "--features", "pixels", "--iterations", 400),
        *("--width", 8, "--latent-dim", 26, "--classes", 10, "--batch-size", 32),
        *("--labels", write_labels(tmp_path / "labels.csv", digits, range(80))),
    )
    index = index_of(bundle, digits, tmp_path)
    running = start_server(bundle, index, tmp_path / "state")
    try:
        with Client.connect(running.target) as client:
            campaign = client.create_campaign("joint")
            client.record_labels(campaign, {row: int(digits.pool_labels[row]) for row in range(80)})
            info = client.upload_classifier(tmp_path / "bundle-run" / "classifier.onnx")
            assert (info.classes, info.passes) == (10, 20)
            picked = client.select_samples(
                campaign, classifier=info, budget=10, acquisition="bald", strategy=Exhaustive()
            ).pool_ids
            client.record_labels(campaign, {int(each): int(digits.pool_labels[each]) for each in picked})
            before = client.augment_samples(campaign, pool_ids=picked)
            assert set(before.pool_ids.tolist()) == set(picked.tolist())

            export = tmp_path / "joint.jsonl"
            succeed("dowser", "campaigns", "export", "joint", "--out", export, "--target", running.target)
            succeed(
                *("dowser-trainer", "refresh", "--run", tmp_path / "bundle-run", "--labels", export),
                *("--iterations", 100, "--out", tmp_path / "next", "--threads", 1, "--quiet"),
            )
            bundle.rename(tmp_path / "former")
            (tmp_path / "next").rename(bundle)
            client.reload()
            after = client.augment_samples(campaign, pool_ids=picked)
            assert after.distances.mean() < before.distances.mean()
            again = client.upload_classifier(tmp_path / "next-run" / "classifier.onnx")
            assert again.classifier_id != info.classifier_id
            assert (
                len(client.select_samples(campaign, classifier=again, budget=5, acquisition="bald").picks)
                == 5
            )
    finally:
        assert stop_server(running) == 0
