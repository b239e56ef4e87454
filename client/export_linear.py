"""A linear classifier of scikit-learn as one ONNX graph with its gradient, ready for `Client.upload_classifier`.

Above all a linear SVM, which gives no probabilities: its decision values are the logits, and with the acquisition
function ``minimum_distance`` the score is minus the distance to the hyperplane, in units of 1 / norm(w) (ASAL, ICLR
2019 submission, equation 1). Needs the onnx package (extra "sklearn" or "export"); no scikit-learn, and no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from client.errors import MissingExtraError


def export_linear(estimator: Any, input_shape: Sequence[int]) -> bytes:
    """Convert a fitted linear classifier: LinearSVC, SGDClassifier, LogisticRegression, Perceptron, RidgeClassifier.

    Args:
        estimator: Has ``coef_`` [C, F], or [1, F] with two classes, ``intercept_`` and ``classes_``. Column c of the
            logits is ``estimator.classes_[c]``; with two classes they are 0 and the decision value.
        input_shape: Shape of one input x (`pool.input_shape`), F elements in all; x is flattened in front.

    Returns:
        The ONNX graph x [B, *input_shape], dlogits [B, C] -> logits [B, C], dx.

    Raises:
        ValueError: The estimator is not linear, not fitted, or was fitted to another number of features.
        MissingExtraError: The packages for converting are not installed.
    """
    weights, bias = _logits_of(estimator, prod(input_shape))
    try:
        import onnx
        from onnx import helper, numpy_helper

        from graphs import OPSET, as_classifier, derive_pullback
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"exporting a linear classifier needs {error.name}; "
            'install it with: pip install "dowser-al[sklearn]"',
            name=error.name,
        ) from error
    classes, features = weights.shape
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["features", "weights", "bias"], ["decision"], transB=1)],
        "linear",
        [helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, ["B", features])],
        [helper.make_tensor_value_info("decision", onnx.TensorProto.FLOAT, ["B", classes])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    forward = as_classifier(
        model, input_name="features", output_name="decision", input_shape=tuple(input_shape)
    )
    data: bytes = derive_pullback(forward).SerializeToString()
    return data


def _logits_of(estimator: Any, features: int) -> tuple[Any, Any]:
    """Return weights float32 [C, F] and bias float32 [C] of the logits."""
    name = type(estimator).__name__
    if not all(hasattr(estimator, each) for each in ("coef_", "intercept_", "classes_")):
        raise ValueError(
            f"{name} has no coef_, intercept_ and classes_: it is not linear or not fitted; fit a linear classifier, "
            "or use export_sklearn"
        )
    weights = np.atleast_2d(np.asarray(estimator.coef_, dtype=np.float64))
    bias = np.broadcast_to(np.asarray(estimator.intercept_, dtype=np.float64), (len(weights),))
    classes = len(estimator.classes_)
    if weights.shape[1] != features:
        raise ValueError(
            f"the estimator was fitted to {weights.shape[1]} features, an input of this shape has {features}; "
            "fit it to flattened inputs of the pool"
        )
    if classes == 2 and len(weights) == 1:
        weights = np.concatenate([np.zeros_like(weights), weights])
        bias = np.concatenate([[0.0], bias])
    if len(weights) != classes:
        raise ValueError(
            f"{name} has {len(weights)} hyperplanes for {classes} classes; one a class is needed, so fit it one "
            "against the rest (LinearSVC does)"
        )
    return weights.astype(np.float32), bias.astype(np.float32)
