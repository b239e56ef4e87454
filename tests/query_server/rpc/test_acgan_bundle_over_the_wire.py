"""ACGAN, BGADL's rival without an encoder: trained with a classifier on what is labeled, served, and selected with."""

from __future__ import annotations

import numpy as np
import pytest
from processes import run_command, start_server, stop_server

from client import Client, Dowser, DowserError


@pytest.fixture(scope="module")
def acgan(digits, tmp_path_factory):
    """A running server on an ACGAN of a few iterations, and its run's folder."""
    folder = tmp_path_factory.mktemp("acgan")
    np.savez(folder / "labels.npz", pool_ids=np.arange(60, dtype=np.uint64), labels=digits.pool_labels[:60])
    options = ("--generator", "acgan", "--features", "pixels", "--labels", folder / "labels.npz")
    small = ("--iterations", 30, "--width", 8, "--latent-dim", 26, "--classes", 10, "--threads", 1)
    bundle, index = folder / "bundle", folder / "index"
    for command in (
        ("dowser-trainer", "train", "--data", digits.pool_file, "--out", bundle, *options, *small),
        ("dowser-server", "index", "build", "--bundle", bundle, "--pool", digits.pool_file, "--out", index),
    ):
        done = run_command(*command)
        assert done.returncode == 0, done.stderr
    running = start_server(bundle, index, folder / "state")
    yield running, folder / "bundle-run"
    assert stop_server(running) == 0


def test_its_classifier_selects_by_bald_near_what_it_generates(acgan, digits):
    running, run = acgan
    with Client.connect(running.target) as client:
        classifier = client.upload_classifier(run / "classifier.onnx")
        assert (classifier.classes, classifier.passes) == (10, 20)
        campaign = client.create_campaign("acgan", seed=1)
        client.record_labels(campaign, {row: int(digits.pool_labels[row]) for row in range(60)})
        made = client.synthesize_samples(classifier, acquisition="bald", latents=8, steps=20, seed=3)
        assert np.mean(made.scores) > np.mean(made.initial_scores)
        selection = client.select_samples(
            campaign,
            classifier=classifier,
            budget=10,
            acquisition="bald",
            strategy=Dowser(max_scored=60, latents=10, steps=20, shares={"synthesis": 1.0}),
        )
        assert len(set(selection.pool_ids.tolist())) == 10
        assert min(selection.pool_ids) >= 60 and selection.scored <= 60
        with pytest.raises(DowserError) as refused:
            client.augment_samples(campaign)
    assert refused.value.reason == "RECONSTRUCTION_UNSUPPORTED"
