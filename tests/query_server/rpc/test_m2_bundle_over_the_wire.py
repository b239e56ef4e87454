"""M2 as a bundle: trained from a campaign's labels, served, selected with, refreshed from more, and swapped in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from processes import start_server, stop_server, succeed

from client import Client, Dowser

ROUND = {"shares": {"synthesis": 0.5, "random": 0.5}, "latents": 10, "steps": 10, "max_scored": 100}


def write_labels(path: Path, ids, labels) -> Path:
    np.savez(path, pool_ids=np.asarray(ids, np.uint64), labels=np.asarray(labels))
    return path


@pytest.fixture(scope="module")
def m2(digits, tmp_path_factory) -> Path:
    """A folder with "bundle" and "index" as links, and the run of a few iterations on 60 labels."""
    folder = tmp_path_factory.mktemp("m2")
    labels = write_labels(folder / "labels.npz", range(60), digits.pool_labels[:60])
    options = ("--generator", "m2", "--features", "latent", "--labels", labels, "--classes", 10)
    small = ("--iterations", 60, "--width", 64, "--latent-dim", 20, "--threads", 1)
    succeed(
        "dowser-trainer", "train", "--data", digits.pool_file, "--out", folder / "first", *options, *small
    )
    (folder / "bundle").symlink_to(folder / "first")
    given = ("--bundle", folder / "first", "--pool", digits.pool_file, "--name", "digits")
    succeed("dowser-server", "index", "build", *given, "--out", folder / "index")
    return folder


def test_a_campaign_selects_with_it_refreshes_it_and_goes_on(m2, digits, tmp_path):
    running = start_server(m2 / "bundle", m2 / "index", tmp_path / "state")
    try:
        with Client.connect(running.target) as client:
            classifier = client.upload_classifier(m2 / "first-run" / "classifier.onnx")
            assert (classifier.classes, classifier.passes) == (10, 20)
            client.create_campaign("m2", seed=1)
            client.record_labels("m2", [(row, int(digits.pool_labels[row])) for row in range(60)])
            companions = client.augment_samples("m2", limit=5)
            assert companions.samples.shape == (5, *client.get_pool().input_shape)
            options = {"classifier": classifier, "budget": 12, "acquisition": "bald"}
            first = client.select_samples("m2", strategy=Dowser(**ROUND), **options)
            picked = first.pool_ids.astype(int)
            client.record_labels("m2", [(row, int(digits.pool_labels[row])) for row in picked.tolist()])

            ids = [*range(60), *picked.tolist()]
            labels = write_labels(tmp_path / "more.npz", ids, digits.pool_labels[ids])
            refreshed = m2 / "second"
            given = ("--run", m2 / "first-run", "--labels", labels, "--iterations", 10)
            succeed("dowser-trainer", "refresh", *given, "--out", refreshed, "--threads", 1)
            (m2 / "bundle.new").symlink_to(refreshed)
            (m2 / "bundle.new").replace(m2 / "bundle")
            client.reload()

            again = client.upload_classifier(m2 / "second-run" / "classifier.onnx")
            assert again.classifier_id != classifier.classifier_id
            second = client.select_samples("m2", strategy=Dowser(**ROUND), **{**options, "classifier": again})
            assert len(set(second.pool_ids.tolist())) == 12
            assert not set(second.pool_ids.tolist()) & set(ids)
    finally:
        stop_server(running)
