"""Models the server runs: the bundle it serves and the classifiers clients upload, as ONNX Runtime sessions."""

from query_server.models.bundle import Bundle
from query_server.models.checking import ClassifierInfo
from query_server.models.classifiers import ClassifierStore
from query_server.models.compiled import CompiledClassifier
from query_server.models.runtime import GpuRuntimeOptions, Runtime
from query_server.models.synthetic import synthetic_features

__all__ = [
    "Bundle",
    "ClassifierInfo",
    "ClassifierStore",
    "CompiledClassifier",
    "GpuRuntimeOptions",
    "Runtime",
    "synthetic_features",
]
