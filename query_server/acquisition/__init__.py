"""Acquisition functions: how informative one sample is to the current classifier, as differentiable ONNX heads."""

from query_server.acquisition.function import AcquisitionFunction
from query_server.acquisition.registry import FUNCTIONS, acquisition_function

__all__ = ["FUNCTIONS", "AcquisitionFunction", "acquisition_function"]
