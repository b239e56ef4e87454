"""Uploaded classifiers in worker processes: what they do to their process, they do to nobody else."""

from query_server.models.sandbox.classifiers import SandboxedClassifier, SandboxedClassifiers
from query_server.models.sandbox.process import SandboxConfig
from query_server.models.sandbox.sandbox import Sandbox

__all__ = ["Sandbox", "SandboxConfig", "SandboxedClassifier", "SandboxedClassifiers"]
