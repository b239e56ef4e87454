"""Adam in latent space with the state on the device from the first step to the last.

Two sets of tensors hold latents, Adam's averages and the last mean scores. Each step reads one and writes the other by
ONNX Runtime's IOBinding, so nothing crosses to the host but what says whether to stop, every ``CHECK_EVERY`` steps. The
same code runs on the CPU, where the tensors lie in its memory.

With CUDA graphs a session is made for one number of latents, and each of the two directions is captured once and
replayed; the addresses stay, because the tensors do.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from query_server.ascending import AscentOptions
from query_server.models.ascent_loop import SETTINGS, STATES, WINDOW, with_loop
from query_server.models.runtime import CAPTURES_OFF, Runtime, Session

Float32 = NDArray[np.float32]

CHECK_EVERY = 5
"""Steps between two looks at the scores; an ascent stops up to so many later than one that looks at each."""

_MOST_KEPT = 8  # sizes of batches whose tensors stay
_CAPTURE_RUNS = 3  # ONNX Runtime captures at the third run of a graph at the latest


class BoundAscents:
    """Ascents of one step graph, for any number of latents; one ascent at a time.

    Args:
        step: The step graph with Adam's update.
        runtime: Makes the sessions, and says on which device.
    """

    def __init__(self, step: onnx.ModelProto, runtime: Runtime) -> None:
        self._step = step
        self._runtime = runtime
        self._sessions: dict[tuple[bool, int | None], Session] = {}
        self._ascents: OrderedDict[tuple[bool, int], BoundAscent] = OrderedDict()
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Load the graph without repulsion, where it does not depend on the number of latents."""
        with self._lock:
            if not self._runtime.captures:
                self._session(False, None)

    def climb(self, z: Float32, *, options: AscentOptions, before_step: Callable[[], None]) -> list[Float32]:
        """Climb from latents z [S, Z]; arguments and results are those of ``gradient_ascent.climb``."""
        with self._lock:
            return self._ascent(bool(options.repulsion), *z.shape).climb(
                z, options=options, before_step=before_step
            )

    def _ascent(self, repulsion: bool, count: int, latent_dim: int) -> BoundAscent:
        key = (repulsion, count)
        if key not in self._ascents:
            self._ascents[key] = self._made(repulsion, count, latent_dim)
        self._ascents.move_to_end(key)
        while len(self._ascents) > _MOST_KEPT:
            dropped, _ = self._ascents.popitem(last=False)
            self._sessions.pop(dropped, None)
        return self._ascents[key]

    def _made(self, repulsion: bool, count: int, latent_dim: int) -> BoundAscent:
        device = self._runtime.device
        if self._runtime.captures:
            try:
                session = self._session(repulsion, count)
                ascent = BoundAscent(session, count, latent_dim, device=device, repulsion=repulsion)
                ascent.rehearse(_CAPTURE_RUNS)
                return ascent
            except Exception as error:  # ONNX Runtime raises classes of its own that share no public base
                self._sessions.pop((repulsion, count), None)
                self._runtime.stop_capturing(error)
        session = self._session(repulsion, None)
        return BoundAscent(session, count, latent_dim, device=device, repulsion=repulsion)

    def _session(self, repulsion: bool, count: int | None) -> Session:
        """Return the session, of one number of latents where it is to be captured."""
        key = (repulsion, count)
        if key not in self._sessions:
            graph = with_loop(self._step, repulsion=repulsion)
            self._sessions[key] = self._runtime.session(
                graph, captured_rows=count, tf32=self._runtime.gpu.tf32
            )
        return self._sessions[key]


class BoundAscent:
    """The tensors of ascents of one number of latents, bound to a session of the loop's graph. One caller at a time.

    Args:
        session: Of ``ascent_loop.with_loop``.
        count: S.
        latent_dim: Z.
        device: "cpu" or "cuda".
        repulsion: Whether the graph has the repulsion.
    """

    def __init__(
        self, session: Session, count: int, latent_dim: int, *, device: str, repulsion: bool
    ) -> None:
        shapes = {
            **dict.fromkeys(("z", "mean", "variance"), (count, latent_dim)),
            **dict.fromkeys(("first", "second", *SETTINGS), (1,)),
            "means": (WINDOW + 1,),
        }
        self._session = session
        self._settings = SETTINGS if repulsion else SETTINGS[:-1]
        self._given = {name: session.tensor(shapes[name], device) for name in self._settings}
        self._state = tuple({name: session.tensor(shapes[name], device) for name in STATES} for _ in range(2))
        self._score = session.tensor((count,), device)
        self._steps = tuple(self._bound(source, 1 - source) for source in range(2))
        self._ends = tuple(self._bound(source, None) for source in range(2))
        self._runs = tuple(session.run_options(captured_as=1 + source) for source in range(2))
        self._last_run = session.run_options(captured_as=CAPTURES_OFF)

    def climb(self, z: Float32, *, options: AscentOptions, before_step: Callable[[], None]) -> list[Float32]:
        """Climb from latents z [S, Z]; arguments and results are those of ``gradient_ascent.climb``."""
        self._load(z, options)
        initial: Float32 | None = None
        done = 0
        while done < options.steps:
            before_step()
            self._session.run_bound(self._steps[done % 2], self._runs[done % 2])
            done += 1
            if initial is None:
                initial = _read(self._score)
            if options.early_stop and done > WINDOW and done % CHECK_EVERY == 0:
                means = _read(self._state[done % 2]["means"])
                before, now = float(means[0]), float(means[-1])
                if now - before < options.early_stop * abs(now):
                    break
        assert initial is not None  # an ascent has a step at least
        end = self._ends[done % 2]
        self._session.run_bound(end, self._last_run)
        x, scores = (np.array(each) for each in end.copy_outputs_to_cpu())
        latents = _read(self._state[done % 2]["z"])
        # A gradient that is not finite stays in the latent from its step on, but need not show in the score.
        return [x, latents, np.where(np.isfinite(latents).all(axis=1), scores, np.float32(np.nan)), initial]

    def rehearse(self, runs: int) -> None:
        """Run both directions on zeros, so that they are captured before somebody waits."""
        shape = self._state[0]["z"].shape()
        self._load(np.zeros(shape, np.float32), AscentOptions())
        for _ in range(runs):
            for binding, options in zip(self._steps, self._runs, strict=True):
                self._session.run_bound(binding, options)

    def _load(self, z: Float32, options: AscentOptions) -> None:
        first = self._state[0]
        first["z"].update_inplace(np.ascontiguousarray(z, np.float32))
        for name in STATES[1:]:
            first[name].update_inplace(np.zeros(first[name].shape(), np.float32))
        given = {
            "step_size": options.step_size,
            "prior": options.latent_prior,
            "repulsion": options.repulsion,
        }
        for name in self._settings:
            self._given[name].update_inplace(np.array([given[name]], np.float32))

    def _bound(self, source: int, target: int | None) -> Any:
        """Bind a step from one state to the other, or without a target the samples and scores of a state."""
        binding = self._session.binding()
        for name, tensor in (self._state[source] | self._given).items():
            binding.bind_ortvalue_input(name, tensor)
        if target is None:
            for name in ("x", "score"):
                binding.bind_output(name)
            return binding
        for name, tensor in self._state[target].items():
            binding.bind_ortvalue_output(f"{name}_next", tensor)
        binding.bind_ortvalue_output("score", self._score)
        return binding


def _read(tensor: Any) -> Float32:
    """Return a copy of a tensor in the host's memory."""
    return np.array(tensor.numpy(), np.float32)
