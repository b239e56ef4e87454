"""The hostile corpus: every model is refused for its reason, or breaks its own run and nothing else."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

from benchmarks.hostile.corpus import corpus
from query_server.acquisition import acquisition_function
from query_server.ascending import AscentOptions
from query_server.errors import DowserError, Reason
from query_server.models.sandbox import Sandbox, SandboxConfig, SandboxedClassifiers

CORPUS = corpus()
ENTROPY = acquisition_function("maximum_entropy")


@pytest.fixture(scope="module")
def sandbox(pixel_generator):
    config = SandboxConfig(workers=1, threads=2, memory_bytes=2**29, check_seconds=8, job_seconds=4)
    running = Sandbox(config, pixel_generator)
    yield running
    running.close()


@pytest.fixture(scope="module")
def classifiers(sandbox, pixel_generator, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    return SandboxedClassifiers(folder, bundle=pixel_generator, sandbox=sandbox)


@pytest.fixture(scope="module")
def sound(classifiers, sound_bytes, samples):
    """A sound classifier and what it says when all is well."""
    compiled = classifiers.compiled(classifiers.add(sound_bytes).id, ENTROPY)
    return compiled, compiled.score(samples).scores


def put_through(classifiers, data, samples):
    """Upload, score and climb; return where it was refused and why."""
    stage = "upload"
    try:
        uploaded = classifiers.add(data)
        stage = "run"
        compiled = classifiers.compiled(uploaded.id, ENTROPY)
        compiled.score(samples, embedding=True)
        z = samples[:20].reshape(20, 64)
        compiled.ascend(z, options=AscentOptions(steps=20), before_step=lambda: None)
    except DowserError as error:
        return stage, error
    return "passed", None


def test_the_corpus_is_large_and_its_names_are_its_own():
    assert len(CORPUS) >= 90
    assert len({model.name for model in CORPUS}) == len(CORPUS)


@pytest.mark.parametrize("model", CORPUS, ids=lambda model: model.name)
def test_it_is_refused_for_its_reason_and_others_are_served(model, classifiers, samples, sound):
    stage, error = put_through(classifiers, model.data, samples)
    if error is None:
        assert model.may_pass
    else:
        assert error.reason in model.reasons, error
        if error.reason is Reason.CLASSIFIER_REJECTED and model.codes:
            assert error.metadata["code"] in model.codes, error
        assert model.stage in (stage, "any"), error
    compiled, expected = sound
    np.testing.assert_array_equal(compiled.score(samples).scores, expected)


def test_what_makes_a_worker_grow_leaves_the_server_as_small_as_it_was(classifiers, samples, sound):
    hungry = [model.data for model in CORPUS if "batch" in model.name or "sixteen" in model.name]
    gc.collect()
    before = resident_bytes()
    for data in hungry:
        put_through(classifiers, data, samples)
    gc.collect()
    assert resident_bytes() - before < 16 * 2**20


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
