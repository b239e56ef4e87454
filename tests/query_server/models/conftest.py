"""A small real generator, and worker processes with limits that a test reaches soon."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from benchmarks.hostile.making import Maker
from query_server.models.sandbox import Sandbox, SandboxConfig, SandboxedClassifiers
from query_server.models.sandbox.jobs import GeneratorAlone

_GENERATOR = """
<ir_version: 10, opset_import: ["" : 20]>
generator (float[B, 64] z, float[B, 1, 8, 8] dx) => (float[B, 1, 8, 8] x, float[B, 64] dz) {
    image = Constant <value_ints = [-1, 1, 8, 8]> ()
    flat = Constant <value_ints = [-1, 64]> ()
    x = Reshape (z, image)
    dz = Reshape (dx, flat)
}
"""


@pytest.fixture(scope="session")
def pixel_generator():
    """A generator that only shapes its latents into images, x = z [B, 1, 8, 8]."""
    return GeneratorAlone(input_shape=(1, 8, 8), latent_dim=64, generator=onnx.parser.parse_model(_GENERATOR))


@pytest.fixture(scope="session")
def sound_bytes():
    return Maker(shape=(1, 8, 8), classes=10).model().SerializeToString()


@pytest.fixture(scope="session")
def samples():
    return np.random.default_rng(0).standard_normal((600, 1, 8, 8), dtype=np.float32)


@pytest.fixture
def make_sandbox(pixel_generator, tmp_path):
    """Starts workers of a test's own; returns them and the classifiers they run."""
    made = []

    def make(**limits):
        defaults = {"workers": 1, "threads": 2, "memory_bytes": 2**29, "check_seconds": 60, "job_seconds": 60}
        sandbox = Sandbox(SandboxConfig(**(defaults | limits)), pixel_generator)
        made.append(sandbox)
        folder = tmp_path / f"classifiers{len(made)}"
        return sandbox, SandboxedClassifiers(folder, bundle=pixel_generator, sandbox=sandbox)

    yield make
    for sandbox in made:
        sandbox.close()
