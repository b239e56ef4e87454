"""One classifier with one acquisition function, ready to score real samples and to climb in latent space."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from graphs import GraphKind, check, forward, reads_own_score, score_as_logits, splice, synthesis_forward
from query_server.ascending import Ascended, AscentOptions
from query_server.errors import not_finite
from query_server.models import cross_entropy, gradient_ascent
from query_server.models.ascent_graph import with_adam
from query_server.models.bound_ascent import BoundAscents
from query_server.models.derived_pullback import derived_pullback
from query_server.models.runtime import Runtime, Session
from query_server.scored import Scored

# Floats of a head's intermediate that one sample may take before fewer are run at a time.
_HEAD_VALUES = 2**14


class GeneratorBundle(Protocol):
    """What a compiled classifier needs of the bundle; a worker process has no more of it."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of x without the batch."""

    @property
    def latent_dim(self) -> int:
        """Z."""

    @property
    def generator(self) -> onnx.ModelProto:
        """The generator's graph, z [B, Z], dx [B, ...] -> x [B, ...], dz [B, Z]."""

    def encode(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return features [n, D] of model inputs [n, ...]."""


class CompiledClassifier:
    """Sessions of one classifier spliced with one acquisition head; safe to use from several threads.

    Args:
        classifier_id: For error messages.
        classifier: The uploaded graph, checked.
        has_pullback: Whether it carries its gradient.
        head: The acquisition head for its number of classes and passes.
        also: Heads of further acquisition functions, which only score.
        passes: Its stochastic passes T; 0 when deterministic.
        head_values_per_sample: Floats of the head's largest intermediate, one sample; with many, fewer are scored at a
            time.
        bundle: Whose generator the gradient is pulled back through.
        runtime: Makes the sessions.

    Attributes:
        classes: C, 2 for a binary classifier of one logit.
        latent_dim: Z.
    """

    def __init__(
        self,
        *,
        classifier_id: str,
        classifier: onnx.ModelProto,
        has_pullback: bool,
        head: onnx.ModelProto,
        also: Sequence[onnx.ModelProto] = (),
        passes: int,
        head_values_per_sample: int = 0,
        bundle: GeneratorBundle,
        runtime: Runtime,
    ) -> None:
        self.classifier_id = classifier_id
        self.latent_dim = bundle.latent_dim
        self._classifier = classifier
        self._has_pullback = has_pullback
        self._head = head
        self._passes = passes
        self._repeats = max(1, passes, head_values_per_sample // _HEAD_VALUES)
        self._bundle = bundle
        self._runtime = runtime
        info = check(classifier, GraphKind.CLASSIFIER)
        self.classes = max(2, info.output_shape[-1])
        self._has_embedding = info.has_embedding
        # The logits are computed from the embedding: the same session gives it, and copies it only where asked for.
        self._score_session = runtime.session(forward(classifier, head, also=also, embedding=True))
        self._scores = ("score", *(f"score_{number}" for number in range(1, len(also) + 1)))
        self._ascent: _Ascent | None = None
        self._lock = threading.Lock()

    def score(
        self,
        x: NDArray[Any],
        *,
        embedding: bool = False,
        prepare: Callable[[NDArray[Any]], NDArray[np.float32]] | None = None,
    ) -> Scored:
        """Score model inputs with the forward part alone.

        Args:
            x: float32 [n, *input_shape], or what ``prepare`` makes that of.
            embedding: Whether to give the classifier's embedding too, where it has one.
            prepare: Called with a few samples at a time, which are then still in a core's cache.

        Raises:
            DowserError: NOT_FINITE if a score is NaN or infinite.
        """
        embeds = embedding and self._has_embedding
        outputs = ("logits", *self._scores, *(("embedding",) if embeds else ()))
        logits, *rest = self._runtime.run_spread(
            self._score_session,
            outputs,
            "x",
            x,
            batch_axes=(1 if self._passes else 0, *([0] * (len(outputs) - 1))),
            repeats=self._repeats,
            prepare=prepare,
        )
        said = dict(zip(outputs[1:], rest, strict=True))
        for name in self._scores:
            _require_finite(said[name], "the classifier's scores of real samples")
        each = _softmax(logits)
        mean = each.mean(axis=0) if self._passes else each
        return Scored(
            scores=said["score"],
            predicted=np.asarray(mean.argmax(axis=1), np.int64),
            probabilities=mean,
            passes=each if self._passes else None,
            further=np.stack([said[name] for name in self._scores[1:]], axis=1) if self._scores[1:] else None,
            embedding=said.get("embedding"),
        )

    @property
    def has_gradient(self) -> bool:
        """Whether the ascent follows a gradient, the classifier's own or one derived from its graph."""
        return self._prepared().has_gradient

    def prepare_ascent(self) -> None:
        """Build the session of the ascent, so that its cost does not count as synthesis."""
        self._prepared()

    def ascend(
        self, z: NDArray[np.float32], *, options: AscentOptions, before_step: Callable[[], None]
    ) -> Ascended:
        """Climb the score from latents z: by Adam, or where there is no gradient by the cross-entropy method.

        Without a gradient only ``options.steps`` is of account.

        Args:
            z: float32 [S, Z]; not changed.
            options: How to climb.
            before_step: Called before every step or generation, on several threads; what it raises ends the ascent.

        Raises:
            DowserError: NOT_FINITE if a gradient or a score is NaN or infinite.
        """
        ascent = self._prepared()
        if not ascent.has_gradient:
            return self._search(ascent.session(), z, steps=options.steps, before_step=before_step)

        def climb(part: NDArray[np.float32]) -> list[NDArray[np.float32]]:
            if ascent.bound is not None:
                return ascent.bound.climb(part, options=options, before_step=before_step)
            return gradient_ascent.climb(ascent.session(), part, options=options, before_step=before_step)

        # Latents that do not know of each other: each thread climbs with its own, and none waits for another's step.
        parts = [climb(z)] if options.repulsion else self._runtime.spread(climb, z)
        x, latents, scores, initial_scores = (np.concatenate(each) for each in zip(*parts, strict=True))
        _require_finite(scores, "the classifier's scores or gradients of synthetic samples")
        return Ascended(x=x, latents=latents, scores=scores, initial_scores=initial_scores)

    def encode(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return matching features float32 [n, D] of model inputs float32 [n, *input_shape]."""
        return self._bundle.encode(x)

    def _search(
        self, session: Session, z: NDArray[np.float32], *, steps: int, before_step: Callable[[], None]
    ) -> Ascended:
        """Climb without a gradient; arguments, results and errors are those of ``ascend``."""

        def score(latents: NDArray[np.float32]) -> NDArray[np.float32]:
            (scores,) = self._runtime.run_spread(session, ("score",), "z", latents)
            _require_finite(scores, "the classifier's scores of synthetic samples")
            return scores

        best, initial_scores = cross_entropy.climb(z, score, steps=steps, before_generation=before_step)
        x, scores = self._runtime.run_spread(session, ("x", "score"), "z", best)
        return Ascended(x=x, latents=best, scores=scores, initial_scores=initial_scores)

    def _prepared(self) -> _Ascent:
        with self._lock:
            if self._ascent is None:
                self._ascent = self._prepare()
            return self._ascent

    def _prepare(self) -> _Ascent:
        on_cpu = self._runtime.device == "cpu"
        generator = self._bundle.generator
        climbed = self._classifier
        own = reads_own_score(self._head)
        if own:  # its pullback is never uploaded: that of the logits says nothing of the score
            climbed = score_as_logits(self._classifier)
        differentiable: onnx.ModelProto | None = climbed
        if own or not self._has_pullback:
            differentiable = derived_pullback(
                climbed,
                classifier_id=self.classifier_id,
                input_shape=self._bundle.input_shape,
                runtime=self._runtime,
            )
        if differentiable is None:
            model = synthesis_forward(generator, self._classifier, self._head, for_cpu=on_cpu)
            return _Ascent(loaded=self._runtime.session(model), bound=None, has_gradient=False)
        model = with_adam(splice(generator, differentiable, self._head, for_cpu=on_cpu))
        if on_cpu:
            return _Ascent(loaded=self._runtime.session(model), bound=None, has_gradient=True)
        bound = BoundAscents(model, self._runtime)
        bound.prepare()
        return _Ascent(loaded=None, bound=bound, has_gradient=True)


@dataclass(frozen=True, kw_only=True)
class _Ascent:
    """What an ascent runs.

    Attributes:
        loaded: A session of a whole optimizer step, or of scores of latents where there is no gradient.
        bound: On a GPU, where there is a gradient, ascents whose state stays there, instead.
        has_gradient: Whether there is one.
    """

    loaded: Session | None
    bound: BoundAscents | None
    has_gradient: bool

    def session(self) -> Session:
        """Return the session."""
        assert self.loaded is not None  # who has bound ascents asks those
        return self.loaded


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return probabilities [..., C] of logits [..., C]; of one logit l, those of (0, l)."""
    if logits.shape[-1] == 1:
        logits = np.concatenate((np.zeros_like(logits), logits), axis=-1)
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(p / p.sum(axis=-1, keepdims=True), np.float32)


def _require_finite(values: NDArray[np.float32], where: str) -> None:
    if not np.isfinite(values).all():
        raise not_finite(where, int(np.argwhere(~np.isfinite(values))[0][0]))
