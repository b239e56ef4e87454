"""What a worker does: exactly what the server would do itself, with ``models`` as they are.

Each job is a function of a header and arrays; what it needs of earlier jobs is in ``Workbench``, which the server keeps
account of: it says under which key a compiled classifier is kept, when its bytes come along, and which are to go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NoReturn

import numpy as np
import onnx
from numpy.typing import NDArray

from query_server.ascending import AscentOptions
from query_server.models.checking import probe, read_classifier
from query_server.models.compiled import CompiledClassifier
from query_server.models.runtime import Runtime
from samples.preprocess import Preprocessing

Arrays = dict[str, NDArray[Any]]
Answer = tuple[dict[str, Any], Arrays]


@dataclass(frozen=True, kw_only=True)
class GeneratorAlone:
    """The part of the bundle that a worker has; its encoder stays with the server."""

    input_shape: tuple[int, ...]
    latent_dim: int
    generator: onnx.ModelProto

    def encode(self, x: NDArray[np.float32]) -> NoReturn:
        """Refuse: nothing in a worker needs features."""
        raise RuntimeError("a worker has no encoder")


class WrongShapeError(Exception):
    """A classifier whose results are not of the shape that it declares."""


@dataclass(kw_only=True)
class Workbench:
    """What a worker keeps between jobs.

    Attributes:
        runtime: Makes the sessions.
        bundle: What classifiers are spliced with.
        max_bytes: Largest upload.
        compiled: Compiled classifiers by the server's keys.
    """

    runtime: Runtime
    bundle: GeneratorAlone
    max_bytes: int
    compiled: dict[str, CompiledClassifier] = field(default_factory=dict)

    def run(self, header: Mapping[str, Any], arrays: Arrays) -> Answer:
        """Do one job.

        Raises:
            WrongShapeError: If the results are not what the server expects.
        """
        answer, results = self._run(header, arrays)
        got = {name: [str(array.dtype), list(array.shape)] for name, array in results.items()}
        if got != header["expected"]:
            raise WrongShapeError(f"it made {got}, not {header['expected']}")
        return answer, results

    def _run(self, header: Mapping[str, Any], arrays: Arrays) -> Answer:
        for key in header.get("drop", ()):
            self.compiled.pop(key, None)
        match header["job"]:
            case "check":
                return self._check(header, arrays["classifier"].tobytes())
            case "compile":
                self._compiled(header, arrays)
                return {}, {}
            case "score":
                classifier = self._compiled(header, arrays)
                raw = header.get("preprocessing")
                said = classifier.score(
                    arrays["x"],
                    embedding=header["embedding"],
                    prepare=None if raw is None else _preprocessing(raw).to_input,
                )
                named = {"passes": said.passes, "further": said.further, "embedding": said.embedding}
                return {}, {
                    "scores": said.scores,
                    "predicted": said.predicted,
                    "probabilities": said.probabilities,
                    **{name: array for name, array in named.items() if array is not None},
                }
            case "prepare":
                classifier = self._compiled(header, arrays)
                classifier.prepare_ascent()
                return {"has_gradient": classifier.has_gradient}, {}
            case "ascend":
                ended = self._compiled(header, arrays).ascend(
                    arrays["z"], options=AscentOptions(**header["options"]), before_step=lambda: None
                )
                return {}, {
                    name: getattr(ended, name) for name in ("x", "latents", "scores", "initial_scores")
                }
            case job:
                raise ValueError(f"there is no job {job}")

    def _check(self, header: Mapping[str, Any], data: bytes) -> Answer:
        model, info = self._read(header["classifier_id"], data)
        if header["probe"]:
            probe(model, info, self.runtime)
        return {"info": asdict(info)}, {}

    def _read(self, classifier_id: str, data: bytes) -> tuple[onnx.ModelProto, Any]:
        return read_classifier(
            classifier_id, data, input_shape=self.bundle.input_shape, max_bytes=self.max_bytes
        )

    def _compiled(self, header: Mapping[str, Any], arrays: Arrays) -> CompiledClassifier:
        key = header["key"]
        if "classifier" in arrays:
            model, info = self._read(header["classifier_id"], arrays["classifier"].tobytes())
            self.compiled[key] = CompiledClassifier(
                classifier_id=header["classifier_id"],
                classifier=model,
                has_pullback=info.has_pullback,
                head=onnx.load_model_from_string(arrays["head"].tobytes()),
                also=[
                    onnx.load_model_from_string(arrays[f"head_{number}"].tobytes())
                    for number in range(1, header["heads"])
                ],
                head_values_per_sample=header["head_values_per_sample"],
                passes=info.passes,
                bundle=self.bundle,
                runtime=self.runtime,
            )
        return self.compiled[key]


def _preprocessing(said: Mapping[str, Any]) -> Preprocessing:
    return Preprocessing(**{**said, "raw_shape": tuple(said["raw_shape"])})
