"""``ClassifierStore`` and ``CompiledClassifier`` from outside: checked and run in worker processes.

This process hashes, stores and sends their bytes and never parses them; encoder and generator are the operator's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from query_server.ascending import Ascended, AscentOptions
from query_server.errors import classifier_failed, classifier_rejected, not_finite
from query_server.models.cache import Cache
from query_server.models.checking import MAX_VALUES_PER_SAMPLE, ClassifierInfo, values_per_sample
from query_server.models.classifiers import ConditionT, ScoreFunction
from query_server.models.compiled import GeneratorBundle
from query_server.models.files import ClassifierFiles, id_of
from query_server.models.sandbox.frames import Expected
from query_server.models.sandbox.sandbox import Job, Loading, Sandbox
from query_server.scored import Scored
from samples.preprocess import Preprocessing

_KNOWN = 4096
Float32 = NDArray[np.float32]


class SandboxedClassifiers:
    """Keeps uploaded classifiers on disk and runs them in worker processes. Thread-safe.

    Args:
        folder: Where the files lie.
        bundle: The bundle classifiers are spliced with.
        sandbox: Workers with that bundle's generator.
        max_files: Files kept on disk; the least recently used is dropped for a new one.
        max_compiled: Heads kept in memory.
    """

    def __init__(
        self,
        folder: Path,
        *,
        bundle: GeneratorBundle,
        sandbox: Sandbox,
        max_files: int = 1024,
        max_compiled: int = 64,
    ) -> None:
        self._files = ClassifierFiles(folder, max_files=max_files)
        self._bundle = bundle
        self._sandbox = sandbox
        self.max_bytes = sandbox.config.max_bytes
        self._known: Cache[str, ClassifierInfo] = Cache(_KNOWN)
        self._compiled: Cache[tuple[str, str, str], SandboxedClassifier] = Cache(max_compiled)

    def add(self, data: bytes) -> ClassifierInfo:
        """Check an upload, run it once on zeros, and keep it.

        Raises:
            DowserError: CLASSIFIER_REJECTED, CLASSIFIER_MISMATCH, CLASSIFIER_FAILED.
        """
        if len(data) > self.max_bytes:
            raise classifier_rejected(
                "TOO_LARGE",
                f"the model has {len(data)} bytes; the limit is {self.max_bytes}: send a smaller classifier or raise "
                "the server's limit",
                metadata={"value": str(len(data)), "limit": str(self.max_bytes)},
            )
        classifier_id = id_of(data)
        if classifier_id in self._files:
            return self.info(classifier_id)
        info = self._check(classifier_id, data, probe=True)
        self._files.write(classifier_id, data)
        self._known.put(classifier_id, info)
        return info

    def info(self, classifier_id: str) -> ClassifierInfo:
        """Describe a classifier.

        Raises:
            DowserError: CLASSIFIER_NOT_FOUND, CLASSIFIER_FAILED.
        """
        self._files.note_use(classifier_id)
        return self._known.get(
            classifier_id, lambda: self._check(classifier_id, self._files.read(classifier_id), probe=False)
        )

    def file(self, classifier_id: str) -> Path:
        """Return where a classifier's bytes lie.

        Raises:
            DowserError: CLASSIFIER_NOT_FOUND.
        """
        return self._files.find(classifier_id)

    def compiled(
        self,
        classifier_id: str,
        function: ScoreFunction[ConditionT],
        condition: ConditionT | None = None,
        *,
        also: Sequence[tuple[ScoreFunction[ConditionT], ConditionT | None]] = (),
    ) -> SandboxedClassifier:
        """Return the classifier with an acquisition head, compiling it on first use.

        Args:
            classifier_id: From ``add``.
            function: Builds the head.
            condition: What the head depends on besides the classifier; equal digests share one compiled classifier.
            also: Further functions with their conditions, scored in the same pass.

        Raises:
            DowserError: CLASSIFIER_NOT_FOUND, ACQUISITION_UNSUPPORTED, CLASSIFIER_FAILED.
        """
        info = self.info(classifier_id)
        wanted = ((function, condition), *also)
        key = (
            classifier_id,
            "+".join(each.name for each, _ in wanted),
            "+".join(given.digest if given else "" for _, given in wanted),
        )

        def compile_it() -> SandboxedClassifier:
            heads = [
                each.head(info.classes, info.passes, condition=given, has_score=info.has_score)
                for each, given in wanted
            ]
            loading = Loading(
                key="|".join(key),
                read=lambda: self._files.read(classifier_id),
                heads=tuple(head.SerializeToString() for head in heads),
                head_values_per_sample=max(given.values_per_sample if given else 0 for _, given in wanted),
            )
            return SandboxedClassifier(info, loading, bundle=self._bundle, sandbox=self._sandbox)

        return self._compiled.get(key, compile_it)

    def _check(self, classifier_id: str, data: bytes, *, probe: bool) -> ClassifierInfo:
        answer, _ = self._sandbox.run(
            Job(
                name="check",
                stage="check",
                classifier_id=classifier_id,
                seconds=self._sandbox.config.check_seconds,
                header={"probe": probe},
                arrays={"classifier": np.frombuffer(data, np.uint8)},
            )
        )
        said = answer.get("info")
        if not isinstance(said, dict):
            raise _nonsense(classifier_id)
        info = ClassifierInfo(
            id=classifier_id,
            size_bytes=len(data),
            input_shape=tuple(self._bundle.input_shape),
            classes=_count(classifier_id, said.get("classes"), least=1),
            passes=_count(classifier_id, said.get("passes")),
            has_pullback=said.get("has_pullback") is True,
            embedding_dim=_count(classifier_id, said.get("embedding_dim")),
            has_score=said.get("has_score") is True,
        )
        if values_per_sample(info) > MAX_VALUES_PER_SAMPLE:
            raise _nonsense(classifier_id)
        return info


class SandboxedClassifier:
    """One classifier with one acquisition head, in whichever worker has it; safe to use from several threads.

    Args:
        info: What the classifier is.
        loading: What makes it in a worker.
        bundle: Whose encoder gives matching features.
        sandbox: The workers.

    Attributes:
        classifier_id: The classifier's id.
        classes: C, 2 for a binary classifier of one logit.
        latent_dim: Z.
    """

    def __init__(
        self, info: ClassifierInfo, loading: Loading, *, bundle: GeneratorBundle, sandbox: Sandbox
    ) -> None:
        self.classifier_id = info.id
        self.classes = max(2, info.classes)
        self.latent_dim = bundle.latent_dim
        self._info = info
        self._loading = loading
        self._bundle = bundle
        self._sandbox = sandbox
        self._run("compile")

    def score(self, x: Float32, *, embedding: bool = False) -> Scored:
        """Score model inputs with the forward part alone, as ``CompiledClassifier.score`` does.

        Raises:
            DowserError: NOT_FINITE, CLASSIFIER_FAILED, CANCELLED or DEADLINE_EXCEEDED.
        """
        return self._scored(np.asarray(x, np.float32), embedding=embedding)

    def score_raw(
        self, raw: NDArray[Any], preprocessing: Preprocessing, *, embedding: bool = False
    ) -> Scored:
        """Score raw samples [n, *raw_shape]: the same bits as of their inputs, which the worker makes of them.

        Raises:
            DowserError: As ``score``.
        """
        return self._scored(raw, embedding=embedding, preprocessing=asdict(preprocessing))

    def _scored(self, samples: NDArray[Any], *, embedding: bool, **header: Any) -> Scored:
        rows, passes = len(samples), self._info.passes
        expected: dict[str, tuple[str, tuple[int, ...]]] = {
            "scores": ("float32", (rows,)),
            "predicted": ("int64", (rows,)),
            "probabilities": ("float32", (rows, self.classes)),
        }
        if passes:
            expected["passes"] = ("float32", (passes, rows, self.classes))
        if further := len(self._loading.heads) - 1:
            expected["further"] = ("float32", (rows, further))
        if embedding and self._info.embedding_dim:
            expected["embedding"] = ("float32", (rows, self._info.embedding_dim))
        _, said = self._run(
            "score",
            header={"embedding": embedding, **header},
            arrays={"x": samples},
            expected=expected,
        )
        predicted = said.pop("predicted")
        for name, values in said.items():
            _require_finite(values, f"the classifier's {name} of real samples")
        if rows and not 0 <= predicted.min() <= predicted.max() < self.classes:
            raise _nonsense(self.classifier_id)
        return Scored(
            scores=said["scores"],
            predicted=predicted,
            probabilities=said["probabilities"],
            passes=said.get("passes"),
            further=said.get("further"),
            embedding=said.get("embedding"),
        )

    @property
    def has_gradient(self) -> bool:
        """Whether the ascent follows a gradient, the classifier's own or one derived from its graph."""
        answer, _ = self._run("prepare")
        return answer.get("has_gradient") is True

    def prepare_ascent(self) -> None:
        """Build the session of the ascent, so that its cost does not count as synthesis."""
        self._run("prepare")

    def ascend(self, z: Float32, *, options: AscentOptions, before_step: Callable[[], None]) -> Ascended:
        """Climb the score from latents z, as ``CompiledClassifier.ascend`` does.

        Args:
            z: float32 [S, Z]; not changed.
            options: How to climb.
            before_step: Called every 50 ms or more often; what it raises ends the ascent before its next step.

        Raises:
            DowserError: NOT_FINITE, CLASSIFIER_FAILED, and what ``before_step`` raises.
        """
        count = len(z)
        _, ended = self._run(
            "ascend",
            stage="synthesize",
            header={"options": {each.name: getattr(options, each.name) for each in fields(AscentOptions)}},
            arrays={"z": np.asarray(z, np.float32)},
            expected={
                "x": ("float32", (count, *self._bundle.input_shape)),
                "latents": ("float32", z.shape),
                "scores": ("float32", (count,)),
                "initial_scores": ("float32", (count,)),
            },
            before_step=before_step,
        )
        for name, values in ended.items():
            _require_finite(values, f"the {name.replace('_', ' ')} of synthetic samples")
        return Ascended(**ended)

    def encode(self, x: Float32) -> Float32:
        """Return matching features float32 [n, D] of model inputs float32 [n, *input_shape]."""
        return self._bundle.encode(x)

    def _run(
        self,
        name: str,
        *,
        stage: str = "",
        header: dict[str, Any] | None = None,
        arrays: dict[str, NDArray[Any]] | None = None,
        expected: Expected | None = None,
        before_step: Callable[[], None] = lambda: None,
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        return self._sandbox.run(
            Job(
                name=name,
                stage=stage or name,
                classifier_id=self.classifier_id,
                seconds=self._sandbox.config.job_seconds,
                loading=self._loading,
                header=header or {},
                arrays=arrays or {},
                expected=expected or {},
                before_step=before_step,
            )
        )


def _require_finite(values: NDArray[Any], where: str) -> None:
    finite = np.isfinite(values)
    if not finite.all():
        raise not_finite(where, int(np.argwhere(~finite)[0][0]))


def _count(classifier_id: str, value: object, *, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise _nonsense(classifier_id)
    return value


def _nonsense(classifier_id: str) -> Exception:
    return classifier_failed(
        classifier_id, "crash", "its worker process answered with something else than results"
    )
