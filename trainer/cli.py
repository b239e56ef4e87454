"""`dowser-trainer train`, `dowser-trainer export` and `dowser-trainer refresh`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import MISSING, fields
from pathlib import Path

from samples import SampleError
from trainer.config import DEVICES, FEATURES, GENERATORS, PRECISIONS, TrainConfig
from trainer.errors import TrainerError

_DEFAULTS = {field.name: field.default for field in fields(TrainConfig) if field.default is not MISSING}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 0, 1 for a user's error, 130 when interrupted."""
    arguments = _parser().parse_args(argv)
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # as the server's Runtime
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("trainer").setLevel(logging.INFO)  # not the libraries' own
    try:
        path: Path = arguments.run_command(arguments)
    except (TrainerError, SampleError) as error:
        print(f"dowser-trainer: error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(
            f"dowser-trainer: error: {error.name} is not installed; install the trainer with: "
            'pip install "dowser-al[trainer]"',
            file=sys.stderr,
        )
        return 1
    except OSError as error:
        advice = "mend that and run the same again, with --resume where a run was begun"
        print(f"dowser-trainer: error: {error}; {advice}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        goes_on = "the same with --resume goes on from the last checkpoint"
        advice = goes_on if hasattr(arguments, "resume") else "nothing was written; run the same again"
        print(f"dowser-trainer: interrupted; {advice}", file=sys.stderr)
        return 130
    print(path)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dowser-trainer",
        description="Train a generator and an encoder on a pool, and bundle them for the server.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_train(commands.add_parser("train", help="train on a pool and write a bundle"))
    _add_export(
        commands.add_parser("export", help="write another bundle of a trained run, with other features")
    )
    _add_refresh(
        commands.add_parser(
            "refresh", help="go on with a run's generator as labels ask, and keep its encoder"
        )
    )
    return parser


def _add_train(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--data", type=Path, required=True, help="the pool: .npy, .npz, idx (also .gz), or a folder of images"
    )
    add("--key", help="array of an .npz (default: x, x_train, samples, ... or the only one)")
    add("--image-size", type=int, metavar="PX", help="resize a folder of images to this many px")
    add("--generator", choices=GENERATORS, default=_DEFAULTS["generator"], help="default %(default)s")
    add("--features", choices=FEATURES, default=_DEFAULTS["features"], help="default %(default)s")
    add("--out", type=Path, required=True, help="folder of the bundle; must not exist")
    add("--run", type=Path, help="folder of checkpoints, metrics and sample grids (default: OUT-run)")
    add("--resume", action="store_true", help="go on from the last checkpoint in the run folder")
    add("--seed", type=int, default=_DEFAULTS["seed"], help="default %(default)s")
    _add_labels(parser, of_a_run=False)
    add(
        "--conditional",
        action="store_true",
        help="make the class that --labels suggest part of the generator",
    )
    add(
        "--classes",
        type=int,
        help="of acgan, vae-acgan and m2, labels 0 to C - 1 (default: the largest and one)",
    )
    add("--iterations", type=int, help="generator updates (default: wgan… 10000, dcgan 20000, others 5000)")
    add("--batch-size", type=int, default=_DEFAULTS["batch_size"], help="default %(default)s")
    add("--latent-dim", type=int, help="Z (default: 128, gaussian 33, vae 20, m2 42)")
    add(
        "--width",
        type=int,
        help="channels or hidden units (default: 32 for images, 64 residual, 256 for mlp, 400 for vae and m2)",
    )
    add(
        "--learning-rate",
        type=float,
        help="of Adam (default: 1e-4; dcgan, residual, acgan and vae-acgan 2e-4; vae and m2 1e-3)",
    )
    add(
        "--feature-dim",
        type=int,
        default=_DEFAULTS["feature_dim"],
        help="D of the encoder, default %(default)s",
    )
    add("--components", type=int, default=_DEFAULTS["components"], help="of gaussian, default %(default)s")
    add(
        "--autoencoder-iterations",
        type=int,
        default=_DEFAULTS["autoencoder_iterations"],
        help="updates of the auto-encoder, default %(default)s",
    )
    add(
        "--preview-every",
        type=int,
        default=_DEFAULTS["preview_every"],
        help="iterations between sample grids, default %(default)s; 0: only the last",
    )
    add(
        "--checkpoint-every",
        type=int,
        default=_DEFAULTS["checkpoint_every"],
        help="iterations between checkpoints, default %(default)s; 0: only the last",
    )
    add(
        "--log-every",
        type=int,
        default=_DEFAULTS["log_every"],
        help="iterations a line of metrics, default %(default)s",
    )
    add("--threads", type=int, help="CPU threads (default: torch's choice)")
    add("--device", choices=DEVICES, default=_DEFAULTS["device"], help="default %(default)s")
    add(
        "--precision",
        choices=PRECISIONS,
        default=_DEFAULTS["precision"],
        help="of the passes, default %(default)s",
    )
    _add_quiet(parser)
    parser.set_defaults(run_command=_train)


def _add_export(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--run", type=Path, required=True, help="folder of a run of `train`")
    add("--features", choices=FEATURES, required=True)
    add("--out", type=Path, required=True, help="folder of the bundle; must not exist")
    add("--data", type=Path, help="the pool, if it was moved since")
    add("--threads", type=int, help="CPU threads (default: torch's choice)")
    _add_quiet(parser)
    parser.set_defaults(run_command=_export)


def _add_refresh(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--run", type=Path, required=True, help="folder of a run of `train` or `refresh`; left as it is")
    _add_labels(parser, of_a_run=True)
    add("--iterations", type=int, help="further generator updates (default: a tenth of the run's)")
    add(
        "--out",
        type=Path,
        required=True,
        help="folder of the bundle; must not exist. The run goes on in OUT-run",
    )
    add("--bundle", type=Path, help="the bundle whose encoder is kept (default: the run's own)")
    add("--data", type=Path, help="the pool, if it was moved since")
    add("--resume", action="store_true", help="go on with an interrupted refresh")
    add("--threads", type=int, help="CPU threads (default: torch's choice)")
    add("--device", choices=DEVICES, help="default the run's")
    _add_quiet(parser)
    parser.set_defaults(run_command=_refresh)


def _add_labels(parser: argparse.ArgumentParser, *, of_a_run: bool) -> None:
    """Add what says which labels and how much they weigh; a run that is gone on with has its own rarity."""
    add = parser.add_argument
    add(
        "--labels",
        type=Path,
        required=of_a_run,
        metavar="FILE",
        help="draw samples by how rare these labels say they are, or train acgan, vae-acgan, m2 on them: .csv of "
        "pool_id,label, .npz of pool_ids, labels, or an exported campaign (.csv, .jsonl)",
    )
    add(
        "--rarity",
        type=float,
        default=None if of_a_run else _DEFAULTS["rarity"],
        metavar="EXPONENT",
        help="0: draw uniformly, 1: undo the imbalance; default "
        + ("the run's" if of_a_run else "%(default)s"),
    )


def _add_quiet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def _train(arguments: argparse.Namespace) -> Path:
    from trainer import train

    settings = {k: v for k, v in vars(arguments).items() if k not in ("run_command", "quiet")}
    return train(TrainConfig(**settings), show_progress=not arguments.quiet)


def _export(arguments: argparse.Namespace) -> Path:
    from trainer import export

    return export(
        arguments.run,
        arguments.features,
        arguments.out,
        data=arguments.data,
        threads=arguments.threads,
        show_progress=not arguments.quiet,
    )


def _refresh(arguments: argparse.Namespace) -> Path:
    from trainer import refresh

    return refresh(
        arguments.run,
        arguments.labels,
        arguments.out,
        iterations=arguments.iterations,
        rarity=arguments.rarity,
        bundle=arguments.bundle,
        data=arguments.data,
        resume=arguments.resume,
        threads=arguments.threads,
        device=arguments.device,
        show_progress=not arguments.quiet,
    )
