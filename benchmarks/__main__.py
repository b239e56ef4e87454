"""The door to every recipe: ``python -m benchmarks NAME [--out DIR] [--quick]``."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common.errors import BenchmarkError
from client.errors import DowserError

# Name -> (module with add_arguments(parser) and run(options), default folder, what it shows).
RECIPES = {
    "demo": (
        "benchmarks.demo",
        "out/demo",
        "active learning on scikit-learn's digits, with a report in pictures",
    ),
    "asal-mnist": (
        "benchmarks.asal_mnist",
        "benchmarks/results/asal-mnist",
        "ASAL §5.5 through the real server",
    ),
    "label-efficiency": (
        "benchmarks.label_efficiency",
        "benchmarks/results/label-efficiency",
        "labels each strategy needs, on a portfolio of pools",
    ),
    "papers": (
        "benchmarks.papers",
        "benchmarks/results/papers",
        "the claims of five papers, put to the test",
    ),
    "capture": (
        "benchmarks.capture",
        "benchmarks/results/capture",
        "how near a bounded search comes to the highest scores of the pool",
    ),
    "ground": (
        "benchmarks.ground",
        "benchmarks/results/ground",
        "surrogates, cells, task-aware features and relevance graphs, each tried",
    ),
    "latency": (
        "benchmarks.latency",
        "benchmarks/results/latency",
        "one selection, timed, beside plain PyTorch",
    ),
    "throughput": (
        "benchmarks.throughput",
        "benchmarks/results/throughput",
        "rounds a second as callers grow in number, and whether each gets its share",
    ),
    "growth": (
        "benchmarks.growth",
        "benchmarks/results/growth",
        "the time of one selection as the pool grows",
    ),
    "batch": (
        "benchmarks.batch",
        "benchmarks/results/batch",
        "a whole pool scored as a job, beside bare ONNX Runtime",
    ),
    "crash": (
        "benchmarks.crash",
        "benchmarks/results/crash",
        "kill the server at random instants and hold it to what it acknowledged",
    ),
    "soak": ("benchmarks.soak", "benchmarks/results/soak", "mixed load for as long as asked"),
    "hostile": (
        "benchmarks.hostile",
        "benchmarks/results/hostile",
        "hostile classifiers sent to a server that others use",
    ),
    "durability": (
        "benchmarks.durability",
        "benchmarks/results/durability",
        "what the ledger costs a selection",
    ),
    "fuzz": (
        "benchmarks.fuzz",
        "benchmarks/results/fuzz",
        "malformed calls and bytes against a live server",
    ),
    "datasets": ("benchmarks.datasets", "", "fetch MNIST, Fashion-MNIST, USPS and CIFAR-10 from OpenML"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a recipe; return 0, or 1 with the reason on stderr."""
    given = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, (module, out, text) in RECIPES.items():
        command = commands.add_parser(name, help=text, description=text)
        default = Path(out) if out else None
        command.add_argument(
            "--out", type=Path, default=default, help=f"folder of the results ({out or 'none'})"
        )
        command.add_argument(
            "--quick", action="store_true", help="the smallest run that goes through every step"
        )
        if given[:1] == [name]:  # the others' modules need not be loaded to run this one
            importlib.import_module(module).add_arguments(command)
    options = parser.parse_args(given)
    try:
        return int(importlib.import_module(RECIPES[options.name][0]).run(options))
    except (BenchmarkError, DowserError) as error:
        print(f"{options.name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{options.name}: stopped; run it again to go on from what is finished", file=sys.stderr)
        return 130


def _exit_on_sigterm(*_: object) -> None:
    sys.exit(143)  # as an exception, so that servers and workers are ended on the way out


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _exit_on_sigterm)
    sys.exit(main())
