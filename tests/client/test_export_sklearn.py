from __future__ import annotations

import sys

import numpy as np
import pytest

from client import MissingExtraError, export_sklearn

pytest.importorskip("skl2onnx", reason="exporting needs skl2onnx")
ort = pytest.importorskip("onnxruntime", reason="running the export needs onnxruntime")
from sklearn.ensemble import RandomForestClassifier  # noqa: E402
from sklearn.svm import LinearSVC  # noqa: E402

from graphs import GraphKind, check, load_untrusted  # noqa: E402


def data(n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 12)).astype(np.float32)
    return x, np.where(x[:, 0] > 0, "cat", "dog")


def test_probabilities_are_the_estimators_for_inputs_of_the_pools_shape() -> None:
    x, y = data()
    forest = RandomForestClassifier(20, random_state=0).fit(x, y)
    model = export_sklearn(forest, (1, 3, 4))
    info = check(load_untrusted(model), GraphKind.CLASSIFIER)
    assert (info.input_shape, info.output_shape, info.output) == ((1, 3, 4), (2,), "probabilities")
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {"x": x.reshape(-1, 1, 3, 4)})
    np.testing.assert_allclose(got, forest.predict_proba(x), atol=1e-5)


def test_inputs_that_are_flat_already_are_taken_as_they_are() -> None:
    x, y = data()
    forest = RandomForestClassifier(5, random_state=0).fit(x, y)
    session = ort.InferenceSession(export_sklearn(forest, (12,)), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"x": x})[0], forest.predict_proba(x), atol=1e-5)


def test_an_estimator_without_probabilities_is_refused() -> None:
    with pytest.raises(ValueError, match="LinearSVC gives no probabilities"):
        export_sklearn(LinearSVC().fit(*data()), (12,))


def test_inputs_of_another_size_are_refused() -> None:
    forest = RandomForestClassifier(5, random_state=0).fit(*data())
    with pytest.raises(ValueError, match="12 features"):
        export_sklearn(forest, (1, 4, 4))


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(MissingExtraError, match=r'pip install "dowser-al\[sklearn\]"'):
        export_sklearn(object(), (12,))
