"""Gradient-boosted trees of LightGBM and XGBoost for `client.export_sklearn`, alone or inside a pipeline.

onnxmltools holds their converters, skl2onnx calls them. Some models come out changed without a word (LightGBM's
boosting_type="rf", linear_tree, objective="multiclassova", sigmoid with two classes, and any under
CalibratedClassifierCV; seen with onnxmltools 1.16), so the graph is held against the estimator's own probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

_CONVERTERS = {
    "lightgbm": ("onnxmltools.convert.lightgbm.operator_converters.LightGbm", "convert_lightgbm"),
    "xgboost": ("onnxmltools.convert.xgboost.operator_converters.XGBoost", "convert_xgboost"),
}

_PROBES = 128
_TOLERANCE = 1e-3  # of a probability
_ALLOWED_SHARE = 0.05  # of the probes: rounding sends a value that meets a threshold down the other branch


def boosted_classes(estimator: Any) -> set[type]:
    """Return the classes of LightGBM and XGBoost among an estimator and what it is made of."""
    get_params = getattr(estimator, "get_params", None)
    parts = [estimator, *(get_params(deep=True).values() if get_params else ())]
    return {type(part) for part in parts if _package(type(part)) in _CONVERTERS}


def register_converters(classes: set[type]) -> None:
    """Tell skl2onnx how to convert these classes.

    Raises:
        ModuleNotFoundError: onnxmltools, or the onnxruntime of `check_converted`, is not installed.
    """
    if not classes:
        return
    import_module("onnxruntime")
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes

    for boosted in classes:
        module, function = _CONVERTERS[_package(boosted)]
        update_registered_converter(
            boosted,
            f"{_package(boosted)}{boosted.__name__}",
            calculate_linear_classifier_output_shapes,
            getattr(import_module(module), function),
            options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
        )


def check_converted(model: bytes, estimator: Any, input_shape: Sequence[int]) -> None:
    """Hold an exported graph x [B, *input_shape] -> probabilities [B, C] against ``estimator.predict_proba``.

    The probes are of several scales and hold exact zeros, which both libraries can take for missing values.

    Raises:
        ValueError: They differ.
    """
    import onnxruntime

    rng = np.random.default_rng(0)
    shape = (_PROBES, *input_shape)
    scales = 10.0 ** rng.integers(-1, 3, (_PROBES, *(1 for _ in input_shape)))
    x = (scales * rng.normal(size=shape) * (rng.random(shape) > 0.1)).astype(np.float32)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (got,) = session.run(["probabilities"], {"x": x})
    wanted = estimator.predict_proba(x.reshape(_PROBES, -1))
    if got.shape == wanted.shape:
        error = np.abs(got - wanted).max(axis=1)
        if (error > _TOLERANCE).mean() <= _ALLOWED_SHARE:
            return
        found = f"by up to {error.max():.2g}"
    else:
        found = f"{list(got.shape)} instead of {list(wanted.shape)}"
    raise ValueError(
        f"onnxmltools converted {type(estimator).__name__} to another model: its probabilities differ ({found}). "
        "Known causes are LightGBM's boosting_type='rf', linear_tree, objective='multiclassova' and sigmoid, and "
        "CalibratedClassifierCV around it; fit without, or convert it another way and use graphs.as_classifier"
    )


def _package(of: type) -> str:
    return of.__module__.partition(".")[0]
