"""Features of samples the generator makes, before any classifier has moved them: what an index is tuned with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from query_server.models.bundle import Bundle

_ROWS = 64  # samples made at a time
_SEED = 0  # one bundle gives one set of queries


def synthetic_features(bundle: Bundle, count: int) -> NDArray[np.float32]:
    """Return features float32 [count, D] of generator(z), z ~ N(0, 1), the same at every call."""
    rng = np.random.default_rng(_SEED)
    session = bundle.runtime.session(bundle.generator)
    takes_cotangent = any(given.name == "dx" for given in bundle.generator.graph.input)
    features = []
    for start in range(0, count, _ROWS):
        rows = min(_ROWS, count - start)
        inputs = {"z": rng.standard_normal((rows, bundle.latent_dim), dtype=np.float32)}
        if takes_cotangent:
            inputs["dx"] = np.zeros((rows, *bundle.input_shape), np.float32)
        (x,) = session.run(["x"], inputs)
        features.append(bundle.encode(x))
    return np.concatenate(features)
