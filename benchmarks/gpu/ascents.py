"""The ways to climb: on the CPU's threads, on a GPU with the state on the host, on the GPU, and as a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import onnx
from numpy.typing import NDArray

from benchmarks.gpu.networks import LATENT_DIM, Models
from graphs import lower_for_cpu, splice
from query_server.acquisition import acquisition_function
from query_server.ascending import AscentOptions
from query_server.models import GpuRuntimeOptions, Runtime, gradient_ascent
from query_server.models.ascent_graph import with_adam
from query_server.models.bound_ascent import BoundAscents

Float32 = NDArray[np.float32]
Climb = Callable[[Float32, AscentOptions], list[Float32]]
Encode = Callable[[Float32], Float32]


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to climb.

    Attributes:
        name: "cpu", "host" (of a GPU, state on the host), "bound" (there), "captured", or "tf32" (captured where it can
            be, in TF32).
        climb: Returns x, latents, scores and initial scores.
        encode: Returns features of x.
        captures: Whether it still is captured as a CUDA graph.
    """

    name: str
    climb: Climb
    encode: Encode
    captures: Callable[[], bool]


def make_ways(models: Models, device: str, *, threads: int) -> list[Way]:
    """Return the ways of a device, that of the CPU first."""
    on_cpu = Runtime(device="cpu", threads=threads)
    there = Runtime(device=device, threads=1)
    ways = [
        _way("cpu", models, on_cpu),
        _way("host", models, there),
        _way("bound", models, there, bound=True),
    ]
    if there.device == "cpu":
        return ways
    captured = Runtime(device=device, threads=1, gpu=GpuRuntimeOptions(cuda_graphs=True))
    tf32 = Runtime(device=device, threads=1, gpu=GpuRuntimeOptions(cuda_graphs=True, tf32=True))
    return [*ways, _way("captured", models, captured, bound=True), _way("tf32", models, tf32, bound=True)]


def step_ms(way: Way, count: int, steps: int, turns: int) -> float:
    """Return the median time of a step of an ascent of so many latents, the rest of the ascent spread over them."""
    z = starts(count, 0)
    options = AscentOptions(steps=steps)
    way.climb(z, AscentOptions(steps=2))
    seconds = []
    for _ in range(turns):
        started = perf_counter()
        way.climb(z, options)
        seconds.append((perf_counter() - started) / steps)
    return 1000 * float(np.median(seconds))


def starts(count: int, seed: int) -> Float32:
    """Return latents [S, Z] drawn from the generator's prior."""
    return np.random.default_rng(seed).standard_normal((count, LATENT_DIM), dtype=np.float32)


def _way(name: str, models: Models, runtime: Runtime, *, bound: bool = False) -> Way:
    on_cpu = runtime.device == "cpu"
    generator = lower_for_cpu(models.generator) if on_cpu else models.generator
    head = acquisition_function("maximum_entropy").head(2)
    step = with_adam(splice(generator, models.classifier, head, for_cpu=on_cpu))
    encoder = runtime.session(models.encoder)

    def encode(x: Float32) -> Float32:
        (features,) = runtime.run_spread(encoder, ("features",), "x", x)
        return np.asarray(features, np.float32)

    climb = _bound(step, runtime) if bound else _on_host(step, runtime)
    return Way(name=name, climb=climb, encode=encode, captures=lambda: runtime.captures)


def _on_host(step: onnx.ModelProto, runtime: Runtime) -> Climb:
    session = runtime.session(step)

    def climb(z: Float32, options: AscentOptions) -> list[Float32]:
        parts = runtime.spread(
            lambda part: gradient_ascent.climb(session, part, options=options, before_step=lambda: None), z
        )
        return [np.concatenate(each) for each in zip(*parts, strict=True)]

    return climb


def _bound(step: onnx.ModelProto, runtime: Runtime) -> Climb:
    ascents = BoundAscents(step, runtime)
    return lambda z, options: ascents.climb(z, options=options, before_step=lambda: None)
