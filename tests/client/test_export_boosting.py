from __future__ import annotations

import sys

import numpy as np
import pytest

from client import MissingExtraError, export_sklearn

pytest.importorskip("onnxmltools", reason="exporting needs onnxmltools")
ort = pytest.importorskip("onnxruntime", reason="checking the export needs onnxruntime")
from sklearn.calibration import CalibratedClassifierCV  # noqa: E402
from sklearn.ensemble import RandomForestClassifier  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

from graphs import GraphKind, check, load_untrusted  # noqa: E402


def lightgbm_classifier(**settings: object):
    try:
        from lightgbm import LGBMClassifier
    except (ImportError, OSError) as error:  # OSError: its wheel takes libgomp from the system
        pytest.skip(f"lightgbm does not load: {error}")
    return LGBMClassifier(**{"n_estimators": 20, "n_jobs": 1, "verbose": -1, **settings})


def xgboost_classifier(**settings: object):
    xgboost = pytest.importorskip("xgboost")
    return xgboost.XGBClassifier(**{"n_estimators": 20, "n_jobs": 1, **settings})


def data(classes: int, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 12)).astype(np.float32)
    noisy = x[:, 0] + 0.3 * rng.normal(size=n)
    return x, np.digitize(noisy, np.linspace(-1, 1, classes + 1)[1:-1])


@pytest.mark.parametrize("make", [lightgbm_classifier, xgboost_classifier])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize(
    "wrap",
    [lambda boosted: boosted, lambda boosted: make_pipeline(StandardScaler(), boosted)],
    ids=["alone", "scaled"],
)
def test_probabilities_are_the_librarys_own(make, classes, wrap) -> None:
    x, y = data(classes)
    estimator = wrap(make()).fit(x, y)
    model = export_sklearn(estimator, (3, 4))
    info = check(load_untrusted(model), GraphKind.CLASSIFIER)
    assert (info.input_shape, info.output_shape, info.output) == ((3, 4), (classes,), "probabilities")
    unseen = np.random.default_rng(1).normal(size=(500, 12)).astype(np.float32)
    (got,) = ort.InferenceSession(model).run(None, {"x": unseen.reshape(-1, 3, 4)})
    np.testing.assert_allclose(got, estimator.predict_proba(unseen), atol=1e-5)


@pytest.mark.parametrize(
    ("classes", "settings"),
    [
        (2, {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.7}),
        (4, {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.7}),
        (2, {"sigmoid": 3.0}),
        (2, {"linear_tree": True}),
        (4, {"objective": "multiclassova"}),
    ],
)
def test_a_model_the_converter_changes_is_refused(classes, settings) -> None:
    with pytest.raises(ValueError, match="its probabilities differ"):
        export_sklearn(lightgbm_classifier(**settings).fit(*data(classes)), (12,))


def test_what_the_converter_changes_inside_another_estimator_is_refused() -> None:
    with pytest.raises(ValueError, match="CalibratedClassifierCV to another model"):
        export_sklearn(CalibratedClassifierCV(lightgbm_classifier(), cv=2).fit(*data(2)), (12,))


def test_a_model_without_a_converter_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot convert this XGBClassifier"):
        export_sklearn(xgboost_classifier(booster="gblinear").fit(*data(2)), (12,))


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxmltools", None)
    for name in [name for name in sys.modules if name.startswith("onnxmltools.")]:
        monkeypatch.delitem(sys.modules, name)
    x, y = data(2)
    with pytest.raises(MissingExtraError, match=r'needs onnxmltools.*"dowser-al\[boosting\]"'):
        export_sklearn(xgboost_classifier().fit(x, y), (12,))
    assert export_sklearn(RandomForestClassifier(3).fit(x, y), (12,))
