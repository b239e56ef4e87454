"""Acquisition functions: how informative one sample is to the current classifier, as differentiable ONNX heads."""

from query_server.acquisition.class_prior import class_prior_weights
from query_server.acquisition.condition import HeadCondition
from query_server.acquisition.epig import target_count
from query_server.acquisition.function import AcquisitionFunction
from query_server.acquisition.registry import FUNCTIONS, acquisition_function

__all__ = [
    "FUNCTIONS",
    "AcquisitionFunction",
    "HeadCondition",
    "acquisition_function",
    "class_prior_weights",
    "target_count",
]
