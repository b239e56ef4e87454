"""Every setting of a training run, in one frozen value; the run folder keeps it as config.json."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from trainer.errors import TrainerError

GENERATORS = (
    *("wgan-gp", "dcgan", "wgan-gp-resnet", "wgan-ct-resnet", "mlp", "gaussian"),
    *("vae", "acgan", "vae-acgan", "m2"),
)
RESIDUAL = ("wgan-gp-resnet", "wgan-ct-resnet")
JOINT = ("acgan", "vae-acgan", "m2")
"""Generators that are trained together with a classifier: on labeled samples alone, m2 on the whole pool."""
FOR_IMAGES = ("wgan-gp", "dcgan", *RESIDUAL, *JOINT)
INFERRING = ("vae", "vae-acgan", "m2")
"""Generators that come with an encoder from samples to latents."""
FEATURES = ("pixels", "autoencoder", "critic", "latent")
DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "float32", "bfloat16")

# Settings that may differ between the two halves of an interrupted run without changing its result.
_FREE_ON_RESUME = frozenset(
    {
        "features",
        "out",
        "run",
        "resume",
        "feature_dim",
        "autoencoder_iterations",
        "preview_every",
        "log_every",
    }
    | {"iterations", "checkpoint_every", "threads"}
    | {"data", "labels"}  # which may have been moved; the checkpoint knows what they held
)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Settings of one run. None means "the default that fits `generator`", filled in by `resolved`.

    Attributes:
        data: the pool: .npy, .npz, idx or a folder of images.
        out: the bundle's folder to write; must not exist.
        generator: "wgan-gp", "dcgan", "wgan-gp-resnet", "wgan-ct-resnet" (images), "mlp" (vectors, also images),
            "gaussian" (anything, no training), "vae" (anything), "acgan" or "vae-acgan" (images; trained with a
            classifier on what `labels` names), or "m2" (images; likewise, and on the rest of the pool without
            labels).
        features: what the encoder measures before its PCA: "pixels", "autoencoder", "critic", or "latent": the mean of
            the latents that a generator's own encoder infers.
        key: array of an .npz; None finds it.
        image_size: resize a folder of images to this many px; None keeps their size.
        run: folder of checkpoints, metrics and sample grids; None is `out` with "-run" appended.
        resume: go on from the last checkpoint in `run`.
        seed: of every random draw.
        labels: of some of the pool: .csv of pool_id,label, .npz of pool_ids and labels, or a campaign's export; draws
            real samples by how rare their class seems (`trainer.rarity`). None draws uniformly. Of jointly trained
            generators acgan and vae-acgan see these samples and no others, m2 the whole pool too.
        rarity: exponent of that weight: 0 draws uniformly, 1 undoes the imbalance.
        conditional: make the class, as the labels suggest it, part of the generator.
        classes: C of a jointly trained generator, whose labels are 0 to C - 1; None is the largest label and one.
        iterations: generator updates; None is 10000 for wgan-gp and the residual ones, 20000 for dcgan, 5000 for the
            others.
        batch_size: real samples in each critic update.
        latent_dim: Z; None is 128 for GANs, 33 for gaussian (one draws the component, the rest its coordinates), 20 for
            vae, 42 for m2.
        width: channels (images) or hidden units (mlp, vae) that scale the networks; None is 32 for images, 64 for the
            residual networks (128 in the paper), 256 for mlp, 400 for vae and m2 (32 on color images).
        learning_rate: of the Adam optimizers; None is 1e-4 for wgan-gp and mlp, 2e-4 for dcgan, the residual and the
            jointly trained ones, 1e-3 for vae and m2.
        feature_dim: D of the encoder, cut to what the data allows.
        components: of the Gaussian mixture, cut to a tenth of the samples.
        autoencoder_iterations: updates of the auto-encoder, if `features` wants one.
        preview_every: iterations between sample grids; 0 draws only the last.
        checkpoint_every: iterations between checkpoints; 0 saves only the last.
        log_every: iterations a line of metrics.jsonl averages over.
        threads: CPU threads of torch; None leaves torch's own choice.
        device: "auto" takes cuda where there is one.
        precision: of the convolutional GANs' forward and backward passes; weights, losses and optimizer stay
            float32. "auto" takes bfloat16 where the device multiplies it in hardware (about twice as fast).
    """

    data: Path
    out: Path
    generator: str = "wgan-gp"
    features: str = "pixels"
    key: str | None = None
    image_size: int | None = None
    run: Path | None = None
    resume: bool = False
    seed: int = 0
    labels: Path | None = None
    rarity: float = 0.5
    conditional: bool = False
    classes: int | None = None
    iterations: int | None = None
    batch_size: int = 64
    latent_dim: int | None = None
    width: int | None = None
    learning_rate: float | None = None
    feature_dim: int = 50
    components: int = 60
    autoencoder_iterations: int = 3000
    preview_every: int = 500
    checkpoint_every: int = 500
    log_every: int = 50
    threads: int | None = None
    device: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        """Validate once, here at the edge."""
        for name, allowed in (
            ("generator", GENERATORS),
            ("features", FEATURES),
            ("device", DEVICES),
            ("precision", PRECISIONS),
        ):
            if getattr(self, name) not in allowed:
                raise TrainerError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        least = {
            "iterations": 1,
            "batch_size": 2,
            "latent_dim": 2,
            "width": 1,
            "feature_dim": 1,
            "components": 1,
            "classes": 2,
        }
        least |= {
            "autoencoder_iterations": 1,
            "preview_every": 0,
            "checkpoint_every": 0,
            "log_every": 1,
            "threads": 1,
        }
        for name, minimum in least.items():
            value = getattr(self, name)
            if value is not None and value < minimum:
                raise TrainerError(f"{name} must be at least {minimum}, got {value}")
        if not 0 <= self.seed < 2**63:
            raise TrainerError(f"seed must lie in [0, 2^63), got {self.seed}")
        if self.learning_rate is not None and not 0 < self.learning_rate < 1:
            raise TrainerError(f"learning_rate must lie in (0, 1), got {self.learning_rate}")
        if not 0 <= self.rarity <= 2:
            raise TrainerError(f"rarity must lie in [0, 2], got {self.rarity}")
        if self.conditional and self.labels is None:
            raise TrainerError("a conditional generator needs labels; pass --labels FILE")
        if self.generator in ("gaussian", "vae", "m2") and self.features == "critic":
            raise TrainerError(
                f"a {self.generator} generator has no critic; choose features pixels or autoencoder"
            )
        if self.features == "latent" and self.generator not in INFERRING:
            raise TrainerError(
                f"{self.generator} has no encoder to its latents, {' and '.join(INFERRING)} do; choose other features"
            )
        if self.generator in JOINT and self.labels is None:
            raise TrainerError(f"{self.generator} is trained on labeled samples; pass --labels FILE")
        if self.conditional and self.generator in (*JOINT, "vae"):
            raise TrainerError(
                f"--conditional is not for {self.generator}: jointly trained generators know classes, a vae none"
            )

    @property
    def run_folder(self) -> Path:
        """The run's folder, also where `run` was not given."""
        return self.run if self.run is not None else self.out.with_name(f"{self.out.name}-run")

    def resolved(self) -> TrainConfig:
        """Return a copy with every None that has a default filled in."""
        defaults: dict[str, Any] = {
            "iterations": {
                "dcgan": 20_000,
                "gaussian": 1,
                **dict.fromkeys(("mlp", "vae", *JOINT), 5_000),
            }.get(self.generator, 10_000),
            "latent_dim": {"gaussian": 33, "vae": 20, "m2": 42}.get(self.generator, 128),
            # that of a vae or m2 hangs on the samples
            "width": {"mlp": 256, "vae": None, "m2": None, **dict.fromkeys(RESIDUAL, 64)}.get(
                self.generator, 32
            ),
            "learning_rate": {
                **dict.fromkeys(("dcgan", *RESIDUAL, *JOINT), 2e-4),
                "vae": 1e-3,
                "m2": 1e-3,
            }.get(self.generator, 1e-4),
            "run": self.run_folder,
        }
        return replace(
            self, **{name: value for name, value in defaults.items() if getattr(self, name) is None}
        )

    def flat(self) -> dict[str, str]:
        """Return the settings as strings, as the bundle's manifest carries them; paths and None are left out."""
        left_out = {"data", "out", "run", "resume", "labels"}
        if self.labels is None or self.generator in JOINT:
            left_out |= {"rarity", "conditional"}
        return {k: str(v) for k, v in asdict(self).items() if k not in left_out and v is not None}

    def to_json(self) -> str:
        """Return the settings as JSON, paths as absolute ones: a run may be gone on with from another folder."""
        plain = {k: str(v.absolute()) if isinstance(v, Path) else v for k, v in asdict(self).items()}
        return json.dumps(plain, indent=2)

    @classmethod
    def from_json(cls, text: str) -> TrainConfig:
        """Read what `to_json` wrote.

        Raises:
            TrainerError: if the text is not such JSON.
        """
        try:
            plain = json.loads(text)
            known = {field.name for field in fields(cls)}
            if not isinstance(plain, dict) or set(plain) - known:
                raise TrainerError("has settings this version does not know; use the version that wrote it")
            paths = {
                k: Path(v)
                for k, v in plain.items()
                if k in ("data", "out", "run", "labels") and v is not None
            }
            return cls(**{**plain, **paths})
        except (json.JSONDecodeError, TypeError) as error:
            raise TrainerError(f"is not a training configuration: {error}") from error

    def check_resumes(self, saved: TrainConfig) -> None:
        """Raise TrainerError unless going on from `saved` gives what one uninterrupted run would have given."""
        for field in fields(self):
            if field.name in _FREE_ON_RESUME:
                continue
            mine, theirs = getattr(self, field.name), getattr(saved, field.name)
            if mine != theirs:
                raise TrainerError(
                    f"cannot resume: the run was started with {field.name}={theirs}, now {field.name}={mine}; "
                    "pass the same, or start another run folder"
                )
