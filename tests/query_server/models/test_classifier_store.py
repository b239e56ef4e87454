"""Uploaded classifiers on disk and in memory, with a real bundle and real exports."""

import hashlib
import math
import os

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from client import export_classifier
from graphs import GraphKind, export_forward, export_pullback
from query_server.acquisition import HeadCondition, acquisition_function, class_prior_weights
from query_server.ascending import AscentOptions
from query_server.errors import DowserError, Reason
from query_server.models import Bundle, ClassifierStore, Runtime
from query_server.models.checking import read_classifier
from query_server.selection.ascent import synthesize
from query_server.selection.values import SynthesisOptions
from query_server.timing import StageClock


@pytest.fixture(scope="module")
def runtime():
    return Runtime(device="cpu", threads=2)


@pytest.fixture(scope="module")
def bundle(digits_bundle, runtime):
    return Bundle.open(digits_bundle, runtime)


@pytest.fixture
def store(bundle, runtime, tmp_path):
    return ClassifierStore(tmp_path / "classifiers", bundle=bundle, runtime=runtime, max_files=2)


def with_note(data: bytes, note: str) -> bytes:
    """The same graph under another digest."""
    model = onnx.load_from_string(data)
    model.doc_string = note
    return model.SerializeToString()


def test_a_classifier_is_named_by_its_content_and_on_disk(store, classifier_bytes, tmp_path):
    info = store.add(classifier_bytes)
    digest = hashlib.sha256(classifier_bytes).hexdigest()
    assert info.id == f"sha256:{digest}"
    assert (tmp_path / "classifiers" / f"{digest}.onnx").read_bytes() == classifier_bytes
    assert (info.classes, info.passes, info.input_shape) == (10, 0, (1, 8, 8))
    assert store.add(classifier_bytes) == info


def test_a_new_store_finds_what_an_old_one_kept(store, bundle, runtime, classifier_bytes, tmp_path):
    info = store.add(classifier_bytes)
    reopened = ClassifierStore(tmp_path / "classifiers", bundle=bundle, runtime=runtime)
    assert reopened.info(info.id) == info


def test_what_a_crash_left_half_written_goes_at_the_next_start(bundle, runtime, tmp_path):
    folder = tmp_path / "classifiers"
    folder.mkdir()
    (folder / ".writing-cut").write_bytes(b"half")
    ClassifierStore(folder, bundle=bundle, runtime=runtime)
    assert not list(folder.iterdir())


def test_the_least_recently_used_file_makes_room(store, classifier_bytes, tmp_path):
    ids = []
    for age, note in enumerate(("one", "two", "three")):
        ids.append(store.add(with_note(classifier_bytes, note)).id)
        os.utime(tmp_path / "classifiers" / f"{ids[-1].removeprefix('sha256:')}.onnx", (age, age))
    kept = {path.stem for path in (tmp_path / "classifiers").glob("*.onnx")}
    assert kept == {name.removeprefix("sha256:") for name in ids[1:]}


def test_scores_are_torchs_and_the_ascent_raises_them(
    store, bundle, digits, digits_classifier, classifier_bytes
):
    compiled = store.compiled(store.add(classifier_bytes).id, acquisition_function("maximum_entropy"))
    x = bundle.preprocessing.to_input(digits.pool[:300])
    with torch.no_grad():
        p = digits_classifier(torch.from_numpy(x)).softmax(1)
    said = compiled.score(x)
    np.testing.assert_allclose(said.scores, -(p * p.log()).sum(1).numpy(), atol=1e-5)
    np.testing.assert_array_equal(said.predicted, p.argmax(1).numpy())
    np.testing.assert_allclose(said.probabilities, p.numpy(), atol=1e-5)
    assert said.passes is None
    assert compiled.classes == 10

    z = np.random.default_rng(0).standard_normal((6, bundle.latent_dim), dtype=np.float32)
    ended = compiled.ascend(z, options=AscentOptions(steps=40), before_step=lambda: None)
    np.testing.assert_allclose(ended.scores, compiled.score(ended.x).scores, atol=1e-5)
    assert (ended.scores > ended.initial_scores).mean() > 0.8


def test_decayed_weights_are_run_as_zeros_and_kept_as_they_came(store, bundle, digits):
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    with torch.no_grad():
        module[1].weight[:, ::2] *= 1e-39
    data = export_classifier(module, (1, 8, 8))
    info = store.add(data)
    assert info.id == f"sha256:{hashlib.sha256(data).hexdigest()}"
    model, _ = read_classifier(info.id, data, input_shape=(1, 8, 8), max_bytes=2**20)
    weights = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    floats = np.concatenate([each.ravel() for each in weights if each.dtype == np.float32])
    assert not ((floats != 0) & (np.abs(floats) < np.finfo(np.float32).tiny)).any()
    assert np.count_nonzero(floats) == 10 * 32 + 10
    x = bundle.preprocessing.to_input(digits.pool[:100])
    with torch.no_grad():
        p = module(torch.from_numpy(x)).softmax(1)
    said = store.compiled(info.id, acquisition_function("maximum_entropy")).score(x)
    np.testing.assert_allclose(said.probabilities, p.numpy(), atol=1e-5)


def test_a_compiled_classifier_is_reused(store, classifier_bytes):
    uploaded = store.add(classifier_bytes).id
    function = acquisition_function("margin")
    assert store.compiled(uploaded, function) is store.compiled(uploaded, function)
    assert store.compiled(uploaded, function) is not store.compiled(
        uploaded, acquisition_function("maximum_entropy")
    )


def test_a_graph_with_a_loop_is_refused_before_it_runs(store, classifier_bytes, tmp_path):
    model = onnx.load_from_string(classifier_bytes)
    body = onnx.parser.parse_graph("body (int64 i, bool go) => (bool again) { again = Identity (go) }")
    model.graph.node.append(onnx.helper.make_node("Loop", ["", ""], [], body=body))
    with pytest.raises(DowserError) as refused:
        store.add(model.SerializeToString())
    assert refused.value.reason is Reason.CLASSIFIER_REJECTED
    assert not list((tmp_path / "classifiers").glob("*.onnx"))


def test_an_upload_above_the_limit_is_refused(bundle, runtime, classifier_bytes, tmp_path):
    small = ClassifierStore(tmp_path / "small", bundle=bundle, runtime=runtime, max_bytes=1024)
    with pytest.raises(DowserError) as refused:
        small.add(classifier_bytes)
    assert refused.value.reason is Reason.CLASSIFIER_REJECTED
    assert "1024" in str(refused.value)


def test_a_gradient_that_is_not_finite_is_refused_at_the_end_of_the_ascent(store, bundle):
    class Poisoned(torch.nn.Module):
        """Finite logits whose gradient is infinite wherever a pixel is 0 after clamping."""

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(64, 10))

        def forward(self, x):
            return torch.sqrt(torch.relu(x.flatten(1) - 5.0)) @ self.weight

    data = export_pullback(Poisoned(), torch.randn(3, 1, 8, 8) + 8, kind=GraphKind.CLASSIFIER, verify=False)
    compiled = store.compiled(store.add(data.SerializeToString()).id, acquisition_function("maximum_entropy"))
    with pytest.raises(DowserError) as refused:
        synthesize(
            compiled,
            latents=4,
            options=SynthesisOptions(steps=3),
            rng=np.random.default_rng(0),
            clock=StageClock(),
            checkpoint=lambda stage: None,
        )
    assert refused.value.reason is Reason.NOT_FINITE


def test_a_classifier_that_gives_probabilities_scores_as_its_logits_would(
    store, bundle, digits, digits_classifier, classifier_bytes
):
    softmax = torch.nn.Sequential(digits_classifier, torch.nn.Softmax(dim=1))
    data = export_forward(
        softmax, torch.randn(3, 1, 8, 8), kind=GraphKind.CLASSIFIER, probabilities=True
    ).SerializeToString()
    info = store.add(data)
    assert not info.has_pullback
    x = bundle.preprocessing.to_input(digits.pool[:100])
    function = acquisition_function("maximum_entropy")
    expected = store.compiled(store.add(classifier_bytes).id, function).score(x).scores
    np.testing.assert_allclose(store.compiled(info.id, function).score(x).scores, expected, atol=1e-4)
    assert store.compiled(info.id, function).has_gradient


def test_a_stochastic_classifier_is_scored_over_all_its_passes(store, bundle, digits):
    torch.manual_seed(0)
    members = [torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)) for _ in range(3)]
    info = store.add(export_classifier(members, (1, 8, 8)))
    assert (info.passes, info.classes) == (3, 10)
    x = bundle.preprocessing.to_input(digits.pool)  # more rows than one run takes, on every thread
    with torch.no_grad():
        p = torch.stack([member(torch.from_numpy(x)) for member in members]).softmax(2)
    mean = p.mean(0)
    said = store.compiled(info.id, acquisition_function("maximum_entropy")).score(x)
    np.testing.assert_allclose(said.scores, -(mean * mean.log()).sum(1).numpy(), atol=1e-5)
    np.testing.assert_array_equal(said.predicted, mean.argmax(1).numpy())
    np.testing.assert_allclose(said.probabilities, mean.numpy(), atol=1e-5)
    np.testing.assert_allclose(said.passes, p.numpy(), atol=1e-5)

    z = np.random.default_rng(0).standard_normal((6, bundle.latent_dim), dtype=np.float32)
    compiled = store.compiled(info.id, acquisition_function("bald"))
    ended = compiled.ascend(z, options=AscentOptions(steps=40), before_step=lambda: None)
    np.testing.assert_allclose(ended.scores, compiled.score(ended.x).scores, atol=1e-5)
    assert (ended.scores > ended.initial_scores).mean() > 0.8


def test_the_predicted_class_of_one_stochastic_logit_is_the_likelier_on_average(store, bundle, digits):
    class Two(torch.nn.Module):
        """Two passes of one logit: one sure of class 1 for every x, one a little against it."""

        def forward(self, x):
            flat = x.flatten(1).sum(1, keepdim=True) * 0
            return torch.stack([flat + 3, flat - 4])  # mean logit -0.5, mean probability 0.485

    info = store.add(export_classifier(Two(), (1, 8, 8)))
    compiled = store.compiled(info.id, acquisition_function("bald"))
    said = compiled.score(bundle.preprocessing.to_input(digits.pool[:5]))
    assert said.predicted.tolist() == [0] * 5
    assert (compiled.classes, said.passes.shape) == (2, (2, 5, 2))
    expected = (1 / (1 + math.exp(-3)) + 1 / (1 + math.exp(4))) / 2
    np.testing.assert_allclose(said.probabilities[:, 1], expected, rtol=1e-5)


def test_the_embedding_comes_with_the_scores_where_asked_for(store, bundle, digits, classifier_bytes):
    class Embedding(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 5), torch.nn.Tanh())
            self.last = torch.nn.Linear(5, 3)

        def forward(self, x):
            embedding = self.body(x)
            return self.last(embedding), embedding

    module = Embedding()
    function = acquisition_function("margin")
    compiled = store.compiled(store.add(export_classifier(module, (1, 8, 8))).id, function)
    x = bundle.preprocessing.to_input(digits.pool[:600])
    with torch.no_grad():
        expected = module.body(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(compiled.score(x, embedding=True).embedding, expected, atol=1e-5)
    assert compiled.score(x).embedding is None
    without = store.compiled(store.add(classifier_bytes).id, function)
    assert without.score(x, embedding=True).embedding is None


def test_a_condition_is_compiled_once_and_changes_scores_and_ascent(store, bundle, digits, classifier_bytes):
    uploaded = store.add(classifier_bytes).id
    function = acquisition_function("maximum_entropy")
    weights = class_prior_weights(np.arange(10), 1.0)
    compiled = store.compiled(uploaded, function, HeadCondition(class_weights=weights))
    assert compiled is store.compiled(uploaded, function, HeadCondition(class_weights=weights.copy()))
    plain = store.compiled(uploaded, function)
    assert compiled is not plain
    x = bundle.preprocessing.to_input(digits.pool[:50])
    said = plain.score(x)
    np.testing.assert_allclose(
        compiled.score(x).scores, said.scores * (said.probabilities @ weights), rtol=1e-4, atol=1e-6
    )
    z = np.random.default_rng(0).standard_normal((6, bundle.latent_dim), dtype=np.float32)
    ended = compiled.ascend(z, options=AscentOptions(steps=40), before_step=lambda: None)
    np.testing.assert_allclose(ended.scores, compiled.score(ended.x).scores, rtol=1e-4, atol=1e-5)
    assert (ended.scores > ended.initial_scores).mean() > 0.8


def test_epig_scores_and_climbs_with_targets_of_the_pool(store, bundle, digits):
    torch.manual_seed(0)
    members = [torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)) for _ in range(4)]
    uploaded = store.add(export_classifier(members, (1, 8, 8))).id
    x = bundle.preprocessing.to_input(digits.pool)
    bald = store.compiled(uploaded, acquisition_function("bald")).score(x)
    targets = bald.passes[:, :200]  # C · M · C = 20,000: fewer rows are run at a time
    compiled = store.compiled(uploaded, acquisition_function("epig"), HeadCondition(targets=targets))
    scores = compiled.score(x).scores
    p, q = torch.from_numpy(bald.passes[:, :20]).double(), torch.from_numpy(targets).double()
    joint = torch.einsum("tbc,tmd->bmcd", p, q) / 4
    apart = torch.einsum("bc,md->bmcd", p.mean(0), q.mean(0))
    expected = (joint * (joint / apart).log()).sum((2, 3)).mean(1)
    np.testing.assert_allclose(scores[:20], expected.numpy(), rtol=1e-3, atol=1e-6)
    assert (scores < bald.scores + 1e-6).all()

    z = np.random.default_rng(0).standard_normal((6, bundle.latent_dim), dtype=np.float32)
    ended = compiled.ascend(z, options=AscentOptions(steps=40), before_step=lambda: None)
    np.testing.assert_allclose(ended.scores, compiled.score(ended.x).scores, rtol=1e-3, atol=1e-5)
    assert (ended.scores > ended.initial_scores).mean() > 0.8
