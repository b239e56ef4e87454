"""A scikit-learn classifier as an ONNX graph of probabilities, ready for `Client.upload_classifier`.

Trees have no gradient; the server then searches for informative synthetic samples without one. Needs the extra
"sklearn", and "boosting" for LightGBM and XGBoost; nothing of them is imported before the first call.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from client.errors import MissingExtraError
from client.export_boosting import boosted_classes, check_converted, register_converters

_ML_OPSET = 3  # of ai.onnx.ml: what TreeEnsembleClassifier needs, and every supported ONNX Runtime reads


def export_sklearn(estimator: Any, input_shape: Sequence[int]) -> bytes:
    """Convert a fitted classifier of scikit-learn, LightGBM or XGBoost with skl2onnx.

    Args:
        estimator: A fitted classifier or pipeline with ``predict_proba``, of features [B, F]; an LGBMClassifier or
            XGBClassifier may be all of it or a part. Column c of its probabilities is ``estimator.classes_[c]``.
        input_shape: Shape of one input x (`pool.input_shape`), F elements in all; x is flattened in front.

    Returns:
        The ONNX graph x [B, *input_shape] -> probabilities [B, C].

    Raises:
        ValueError: The estimator gives no probabilities, was fitted to another number of features, or is one of
            LightGBM or XGBoost that cannot be converted faithfully.
        graphs.GraphError: The converted graph breaks the contract.
        MissingExtraError: The packages for converting are not installed.
    """
    boosted = boosted_classes(estimator)
    try:
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType

        from graphs import OPSET, as_classifier

        register_converters(boosted)
    except ModuleNotFoundError as error:
        kind, extra = ("boosted", "boosting") if boosted else ("scikit-learn", "sklearn")
        raise MissingExtraError(
            f"exporting a {kind} classifier needs {error.name}; "
            f'install it with: pip install "dowser-al[{extra}]"',
            name=error.name,
        ) from error
    features = prod(input_shape)
    if not hasattr(estimator, "predict_proba"):
        raise ValueError(
            f"{type(estimator).__name__} gives no probabilities; choose a classifier with predict_proba, or wrap it in "
            "sklearn.calibration.CalibratedClassifierCV"
        )
    fitted = getattr(estimator, "n_features_in_", features)
    if fitted != features:
        raise ValueError(
            f"the estimator was fitted to {fitted} features, an input of shape {list(input_shape)} has {features}; "
            "fit it to flattened inputs of the pool"
        )
    try:
        model = to_onnx(
            estimator,
            initial_types=[("features", FloatTensorType([None, features]))],
            options={"zipmap": False},
            target_opset={"": OPSET, "ai.onnx.ml": _ML_OPSET},
        )
    except (KeyError, RuntimeError) as error:
        if not boosted:
            raise
        raise ValueError(f"onnxmltools cannot convert this {type(estimator).__name__}: {error!r}") from error
    renamed = as_classifier(
        model,
        input_name="features",
        output_name="probabilities",
        probabilities=True,
        input_shape=tuple(input_shape),
    )
    data: bytes = renamed.SerializeToString()
    if boosted:
        check_converted(data, estimator, input_shape)
    return data
