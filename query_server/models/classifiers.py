"""Uploaded classifiers in this process: what the worker processes are built of, and what serves without them.

The server keeps its uploads in ``sandbox.SandboxedClassifiers``, which has the same methods.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, TypeVar

import onnx

from query_server.models.cache import Cache
from query_server.models.checking import ClassifierInfo, probe, read_classifier
from query_server.models.compiled import CompiledClassifier, GeneratorBundle
from query_server.models.files import ClassifierFiles, id_of
from query_server.models.runtime import Runtime


class Condition(Protocol):
    """What the store needs of what a head depends on besides the classifier."""

    @property
    def digest(self) -> str:
        """Names the content."""

    @property
    def values_per_sample(self) -> int:
        """Floats that the head's largest intermediate takes per sample, beside what any head takes."""


ConditionT = TypeVar("ConditionT", bound=Condition)
ConditionT_contra = TypeVar("ConditionT_contra", bound=Condition, contravariant=True)


class ScoreFunction(Protocol[ConditionT_contra]):
    """What the store needs of an acquisition function."""

    @property
    def name(self) -> str:
        """The name used in requests."""

    def head(
        self, classes: int, passes: int, *, condition: ConditionT_contra | None, has_score: bool
    ) -> onnx.ModelProto:
        """Build the head for a classifier with that many logits and stochastic passes (0 when deterministic)."""


class ClassifierStore:
    """Keeps uploaded classifiers on disk and their sessions in this process's memory.

    Args:
        folder: Where the files lie.
        bundle: The bundle classifiers are spliced with.
        runtime: Makes the sessions.
        max_bytes: Largest upload.
        max_files: Files kept on disk; the least recently used is dropped for a new one.
        max_compiled: Compiled classifiers kept in memory.
    """

    def __init__(
        self,
        folder: Path,
        *,
        bundle: GeneratorBundle,
        runtime: Runtime,
        max_bytes: int = 64 * 2**20,
        max_files: int = 1024,
        max_compiled: int = 8,
    ) -> None:
        self._files = ClassifierFiles(folder, max_files=max_files)
        self._bundle = bundle
        self._runtime = runtime
        self.max_bytes = max_bytes
        self._loaded: Cache[str, tuple[onnx.ModelProto, ClassifierInfo]] = Cache(max_compiled)
        self._compiled: Cache[tuple[str, str, str], CompiledClassifier] = Cache(max_compiled)

    def add(self, data: bytes) -> ClassifierInfo:
        """Check an upload, run it once on zeros, and keep it.

        Raises:
            DowserError: CLASSIFIER_REJECTED, CLASSIFIER_MISMATCH.
        """
        classifier_id = id_of(data)
        if classifier_id in self._files:
            return self.info(classifier_id)
        model, info = self._read(classifier_id, data)
        probe(model, info, self._runtime)
        self._files.write(classifier_id, data)
        self._loaded.put(classifier_id, (model, info))
        return info

    def info(self, classifier_id: str) -> ClassifierInfo:
        """Describe a classifier.

        Raises:
            DowserError: CLASSIFIER_NOT_FOUND.
        """
        return self._load(classifier_id)[1]

    def compiled(
        self,
        classifier_id: str,
        function: ScoreFunction[ConditionT],
        condition: ConditionT | None = None,
    ) -> CompiledClassifier:
        """Return the classifier with an acquisition head, compiling it on first use.

        Args:
            classifier_id: From ``add``.
            function: Builds the head.
            condition: What the head depends on besides the classifier; equal digests share one compiled classifier.

        Raises:
            DowserError: CLASSIFIER_NOT_FOUND, ACQUISITION_UNSUPPORTED.
        """
        model, info = self._load(classifier_id)

        def compile_it() -> CompiledClassifier:
            return CompiledClassifier(
                classifier_id=classifier_id,
                classifier=model,
                has_pullback=info.has_pullback,
                head=function.head(info.classes, info.passes, condition=condition, has_score=info.has_score),
                head_values_per_sample=condition.values_per_sample if condition else 0,
                passes=info.passes,
                bundle=self._bundle,
                runtime=self._runtime,
            )

        key = (classifier_id, function.name, condition.digest if condition else "")
        return self._compiled.get(key, compile_it)

    def _load(self, classifier_id: str) -> tuple[onnx.ModelProto, ClassifierInfo]:
        return self._loaded.get(
            classifier_id, lambda: self._read(classifier_id, self._files.read(classifier_id))
        )

    def _read(self, classifier_id: str, data: bytes) -> tuple[onnx.ModelProto, ClassifierInfo]:
        return read_classifier(
            classifier_id, data, input_shape=self._bundle.input_shape, max_bytes=self.max_bytes
        )
