"""Uploaded classifiers: checked once, named by what they contain, compiled when first used.

An upload is refused by the static policy of ``graphs.policy`` before ONNX Runtime sees it. Accepted bytes are on disk
before the id is returned; the oldest used go first when there are too many.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import onnx

from graphs import GraphError, GraphInfo, GraphKind, Limits, check, load_untrusted
from query_server.errors import (
    DowserError,
    classifier_mismatch,
    classifier_not_found,
    classifier_rejected,
)
from query_server.files import remove_unfinished, write_durably
from query_server.models.bundle import Bundle
from query_server.models.cache import Cache
from query_server.models.compiled import CompiledClassifier
from query_server.models.runtime import Runtime

_LOG = logging.getLogger(__name__)
_ID = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class ClassifierInfo:
    """What an uploaded classifier is.

    Attributes:
        id: ``"sha256:"`` and the hexadecimal digest of its bytes.
        size_bytes: Size of the upload.
        input_shape: Shape of one x, without the batch.
        classes: Number of logits C; 1 is one logit of a binary classifier.
        passes: Stochastic passes T; 0 when deterministic.
        has_pullback: Whether it carries its gradient.
        embedding_dim: Width E of the embedding output; 0 without one.
    """

    id: str
    size_bytes: int
    input_shape: tuple[int, ...]
    classes: int
    passes: int
    has_pullback: bool
    embedding_dim: int


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

    def head(self, classes: int, passes: int, *, condition: ConditionT_contra | None) -> onnx.ModelProto:
        """Build the head for a classifier with that many logits and stochastic passes (0 when deterministic)."""


class ClassifierStore:
    """Keeps uploaded classifiers on disk and their sessions in memory.

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
        bundle: Bundle,
        runtime: Runtime,
        max_bytes: int = 64 * 2**20,
        max_files: int = 1024,
        max_compiled: int = 8,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        remove_unfinished(folder)
        self._folder = folder
        self._bundle = bundle
        self._runtime = runtime
        self.max_bytes = max_bytes
        self._max_files = max_files
        self._loaded: Cache[str, tuple[onnx.ModelProto, ClassifierInfo]] = Cache(max_compiled)
        self._compiled: Cache[tuple[str, str, str], CompiledClassifier] = Cache(max_compiled)

    def add(self, data: bytes) -> ClassifierInfo:
        """Check an upload, run it once on zeros, and keep it.

        Raises:
            DowserError: CLASSIFIER_REJECTED, CLASSIFIER_MISMATCH, TOO_LARGE.
        """
        classifier_id = "sha256:" + hashlib.sha256(data).hexdigest()
        path = self._path(classifier_id)
        if path.exists():
            return self.info(classifier_id)
        model, info = self._read(classifier_id, data)
        self._probe(model, info)
        write_durably(path, data)
        self._loaded.put(classifier_id, (model, info))
        self._evict(keep=path)
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
                head=function.head(info.classes, info.passes, condition=condition),
                head_values_per_sample=condition.values_per_sample if condition else 0,
                passes=info.passes,
                bundle=self._bundle,
                runtime=self._runtime,
            )

        key = (classifier_id, function.name, condition.digest if condition else "")
        return self._compiled.get(key, compile_it)

    def _load(self, classifier_id: str) -> tuple[onnx.ModelProto, ClassifierInfo]:
        def read_it() -> tuple[onnx.ModelProto, ClassifierInfo]:
            path = self._path(classifier_id)
            try:
                data = path.read_bytes()
                os.utime(path)
            except FileNotFoundError:
                raise classifier_not_found(classifier_id) from None
            return self._read(classifier_id, data)

        return self._loaded.get(classifier_id, read_it)

    def _read(self, classifier_id: str, data: bytes) -> tuple[onnx.ModelProto, ClassifierInfo]:
        try:
            model = load_untrusted(data, Limits(max_bytes=self.max_bytes))
            graph = check(model, GraphKind.CLASSIFIER)
        except GraphError as error:
            raise classifier_rejected(str(error.code), str(error), metadata=error.metadata) from None
        info = _describe(classifier_id, len(data), graph, model)
        if info.input_shape != self._bundle.input_shape:
            raise classifier_mismatch(info.input_shape, self._bundle.input_shape)
        return model, info

    def _probe(self, model: onnx.ModelProto, info: ClassifierInfo) -> None:
        """Run the classifier once: a graph that checks and does not run is refused at the upload, not at the round."""
        inputs = {"x": np.zeros((2, *info.input_shape), np.float32)}
        logits_shape = (info.passes, 2, info.classes) if info.passes else (2, info.classes)
        if info.has_pullback:
            inputs["dlogits"] = np.zeros(logits_shape, np.float32)
        outputs = {value.name for value in model.graph.output}
        main = "logits" if "logits" in outputs else "probabilities"
        try:
            (logits,) = self._runtime.session(model).run((main,), inputs)
        except DowserError:
            raise
        except Exception as error:  # ONNX Runtime raises classes of its own that share no public base
            raise classifier_rejected("DOES_NOT_RUN", f"the classifier does not run: {error}") from None
        if logits.shape != logits_shape:
            raise classifier_rejected(
                "WRONG_SHAPE", f"the classifier made {main} {list(logits.shape)}, not {list(logits_shape)}"
            )

    def _path(self, classifier_id: str) -> Path:
        if not _ID.fullmatch(classifier_id):
            raise classifier_not_found(classifier_id)
        return self._folder / f"{classifier_id.removeprefix('sha256:')}.onnx"

    def _evict(self, *, keep: Path) -> None:
        files = sorted(self._folder.glob("*.onnx"), key=lambda file: file.stat().st_mtime)
        for file in files[: max(0, len(files) - self._max_files)]:
            if file != keep:
                file.unlink(missing_ok=True)
                _LOG.info("dropped classifier %s, the least recently used of %d", file.stem, len(files))


def _describe(
    classifier_id: str, size_bytes: int, graph: GraphInfo, model: onnx.ModelProto
) -> ClassifierInfo:
    embeddings = [value for value in model.graph.output if value.name == "embedding"]
    return ClassifierInfo(
        id=classifier_id,
        size_bytes=size_bytes,
        input_shape=tuple(graph.input_shape),
        classes=int(graph.output_shape[-1]),
        passes=graph.passes or 0,
        has_pullback=graph.has_pullback,
        embedding_dim=embeddings[0].type.tensor_type.shape.dim[1].dim_value if embeddings else 0,
    )
