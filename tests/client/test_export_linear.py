from __future__ import annotations

import numpy as np
import pytest

from client import Acquisition, Batch, Client, Dowser, Exhaustive, export_linear

pytest.importorskip("onnx", reason="exporting needs onnx")
ort = pytest.importorskip("onnxruntime", reason="running the export needs onnxruntime")
from sklearn.linear_model import SGDClassifier  # noqa: E402
from sklearn.svm import SVC, LinearSVC  # noqa: E402
from sklearn.tree import DecisionTreeClassifier  # noqa: E402

from graphs import GraphKind, check, load_untrusted  # noqa: E402


def data(classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 12)).astype(np.float32)
    return x, x[:, :classes].argmax(1)


def run(model: bytes, x: np.ndarray, dlogits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    logits, dx = session.run(["logits", "dx"], {"x": x, "dlogits": dlogits})
    return logits, dx


def test_a_two_class_svm_keeps_its_decision_values_and_its_gradient_is_its_normal() -> None:
    x, y = data(2)
    svm = LinearSVC().fit(x, y)
    model = export_linear(svm, (1, 3, 4))
    info = check(load_untrusted(model), GraphKind.CLASSIFIER)
    assert (info.input_shape, info.output_shape, info.has_pullback) == ((1, 3, 4), (2,), True)
    pushed = np.tile(np.float32([-1, 1]), (90, 1))
    logits, dx = run(model, x.reshape(-1, 1, 3, 4), pushed)
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], svm.decision_function(x), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(dx, np.tile(svm.coef_.reshape(1, 1, 3, 4), (90, 1, 1, 1)), rtol=1e-5)


@pytest.mark.parametrize("estimator", [LinearSVC(), SGDClassifier(loss="hinge", random_state=0)])
def test_more_classes_have_a_hyperplane_each(estimator: LinearSVC | SGDClassifier) -> None:
    x, y = data(4)
    fitted = estimator.fit(x, y)
    logits, _ = run(export_linear(fitted, (12,)), x, np.zeros((90, 4), np.float32))
    np.testing.assert_allclose(logits, fitted.decision_function(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("estimator", "shape", "message"),
    [
        (DecisionTreeClassifier(), (12,), "not linear or not fitted"),
        (LinearSVC(), (1, 4, 4), "fitted to 12 features"),
        (SVC(kernel="linear"), (12,), "6 hyperplanes for 4 classes"),
    ],
)
def test_what_cannot_be_one_hyperplane_a_class_is_refused(
    estimator: LinearSVC, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        export_linear(estimator.fit(*data(4)), shape)


def test_a_served_svm_selects_what_is_nearest_to_its_hyperplane(server, digits) -> None:
    wanted = np.isin(digits.pool_labels, (5, 7))
    x = digits.pool.reshape(len(digits.pool), -1).astype(np.float32) * (2 / 255) - 1
    svm = LinearSVC(C=0.1).fit(x[wanted][:80], digits.pool_labels[wanted][:80])
    with Client.connect(server.target, timeout_seconds=60) as client:
        info = client.upload_classifier(export_linear(svm, client.get_pool().input_shape))
        campaign = client.create_campaign("svm", seed=1)
        try:
            chosen = {
                strategy: client.select_samples(
                    campaign,
                    classifier=info,
                    budget=10,
                    acquisition=Acquisition.MINIMUM_DISTANCE,
                    strategy=strategy,
                    batch=Batch(rule="top"),
                ).pool_ids.astype(int)
                for strategy in (Exhaustive(), Dowser(max_scored=0, latents=10))
            }
            synthesis = client.synthesize_samples(info, acquisition="minimum_distance", latents=10)
        finally:
            client.delete_campaign(campaign)
    distance = np.abs(svm.decision_function(x))
    exhaustive, matched = chosen.values()
    assert set(exhaustive.tolist()) == set(np.argsort(distance)[:10].tolist())
    assert len(set(matched.tolist())) == 10
    assert (synthesis.scores >= synthesis.initial_scores).all()
    assert np.abs(synthesis.scores).mean() < np.abs(synthesis.initial_scores).mean() / 2
