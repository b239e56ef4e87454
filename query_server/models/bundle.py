"""The bundle a trainer exported: verified before anything in it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from dowser.v1 import bundle_pb2
from graphs import GraphError, GraphInfo, GraphKind, check
from query_server.errors import DowserError, corrupt_file
from query_server.files import check_entries, read_manifest, sha256_of
from query_server.models.reconstruction import Reconstructor
from query_server.models.runtime import Runtime, Session
from samples.errors import SampleError
from samples.preprocess import Preprocessing

MANIFEST = "manifest.json"
GENERATOR = "generator.onnx"
ENCODER = "encoder.onnx"
POSTERIOR = "posterior.onnx"
FORMAT = 1
_REMEDY = "restore the bundle or export it again with dowser-trainer"


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A generator and an encoder fitted to one kind of sample.

    Attributes:
        path: The bundle's folder.
        digest: sha256 of its manifest, hexadecimal.
        manifest: As the trainer wrote it.
        preprocessing: From raw samples to x.
        input_shape: Shape of x without the batch.
        latent_dim: Z.
        feature_dim: D.
        generator: z [B, Z], dx [B, …] -> x [B, …], dz [B, Z].
        encoder: x [B, …] -> features [B, D].
        reconstructor: Makes x' of x, through the generator's latents; None where the bundle cannot.
        runtime: Runs the encoder.
    """

    path: Path
    digest: str
    manifest: bundle_pb2.BundleManifest
    preprocessing: Preprocessing
    input_shape: tuple[int, ...]
    latent_dim: int
    feature_dim: int
    generator: onnx.ModelProto
    encoder: Session
    reconstructor: Reconstructor | None
    runtime: Runtime

    @classmethod
    def open(cls, path: Path, runtime: Runtime) -> Bundle:
        """Verify every file of a bundle against its manifest and load it.

        Raises:
            DowserError: CORRUPT_FILE, naming the file.
        """
        manifest_path = path / MANIFEST
        manifest = read_manifest(
            manifest_path, bundle_pb2.BundleManifest(), known_format=FORMAT, remedy=_REMEDY
        )
        check_entries(
            manifest_path,
            manifest.files,
            required=(GENERATOR, ENCODER, *((POSTERIOR,) if manifest.posterior_dim else ())),
            verify=True,
            remedy=_REMEDY,
        )
        try:
            preprocessing = Preprocessing.from_proto(manifest.preprocessing)
        except SampleError as error:
            raise _corrupt(manifest_path, str(error)) from None
        input_shape = tuple(manifest.input_shape)
        generator, made = _graph(path / GENERATOR, GraphKind.GENERATOR)
        encoder, encoded = _graph(path / ENCODER, GraphKind.ENCODER)
        inferring = _graph(path / POSTERIOR, GraphKind.ENCODER) if manifest.posterior_dim else None
        expected = [
            (preprocessing.input_shape, input_shape, manifest_path, "preprocessing makes inputs"),
            (made.output_shape, input_shape, path / GENERATOR, "makes samples"),
            (made.input_shape, (manifest.latent_dim,), path / GENERATOR, "takes latents"),
            (encoded.input_shape, input_shape, path / ENCODER, "takes samples"),
            (encoded.output_shape, (manifest.feature_dim,), path / ENCODER, "makes features"),
        ]
        if inferring is not None:
            inferred, known = inferring[1], len(manifest.class_names)
            expected += [
                (inferred.input_shape, input_shape, path / POSTERIOR, "takes samples"),
                (inferred.output_shape, (manifest.posterior_dim,), path / POSTERIOR, "infers latents"),
                (
                    (manifest.posterior_dim + known,),
                    (manifest.latent_dim,),
                    manifest_path,
                    "posterior and classes make latents",
                ),
            ]
        for got, wanted, file, what in expected:
            if tuple(got) != tuple(wanted):
                raise _corrupt(file, f"{what} of shape {list(got)}, the manifest says {list(wanted)}")
        return cls(
            path=path,
            digest=sha256_of(manifest_path),
            manifest=manifest,
            preprocessing=preprocessing,
            input_shape=input_shape,
            latent_dim=manifest.latent_dim,
            feature_dim=manifest.feature_dim,
            generator=generator,
            encoder=runtime.session(encoder),
            reconstructor=None
            if inferring is None
            else Reconstructor(inferring[0], generator, tuple(manifest.class_names), runtime),
            runtime=runtime,
        )

    @property
    def encoder_sha256(self) -> str:
        """sha256 of encoder.onnx, hexadecimal: what binds an index to this bundle and to its refreshed ones."""
        return next(entry.sha256 for entry in self.manifest.files if entry.name == ENCODER)

    def encode(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return features float32 [n, D] of model inputs float32 [n, *input_shape]."""
        (features,) = self.runtime.run_spread(self.encoder, ("features",), "x", x)
        return features


def _graph(path: Path, kind: GraphKind) -> tuple[onnx.ModelProto, GraphInfo]:
    try:
        model = onnx.load_from_string(path.read_bytes())
        return model, check(model, kind)
    except GraphError as error:
        raise _corrupt(path, f"breaks its contract: {error}") from None
    except Exception as error:  # protobuf's DecodeError has no public home that all versions share
        raise _corrupt(path, f"is not an ONNX graph ({type(error).__name__})") from None


def _corrupt(path: Path, what: str) -> DowserError:
    return corrupt_file(path, f"{what}; {_REMEDY}")
