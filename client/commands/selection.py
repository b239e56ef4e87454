"""Selecting, by the server's scores or by some made here."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from client.commands.explain import explain
from client.commands.files import read_shares, samples_of
from client.commands.output import items, print_json, print_table
from client.commands.subcommands import Subcommands
from client.conversion.strategies import PROPOSERS
from client.errors import InputError
from client.local_scoring import OnnxScorer
from client.sync_client import Client
from client.types.acquisition import Acquisition
from client.types.classifiers import ClassifierInfo
from client.types.selection import Selection
from client.types.strategies import Batch, BatchRule, Dowser, Exhaustive, Random, RandomSubset, Strategy

# The options that each strategy takes.
_TAKEN: dict[str, tuple[str, ...]] = {
    "dowser": ("max_scored", "share", "random_floor", "latents", "steps", "step_size"),
    "exhaustive": (),
    "random": (),
    "random-subset": ("max_scored",),
}


def add_select(commands: Subcommands) -> None:
    """Add `select`."""
    sub = commands.add("select", _select, "pick the samples to label next and lease them")
    sub.add_argument("campaign", help="id or name")
    sub.add_argument("--budget", type=int, required=True, help="how many samples")
    sub.add_argument(
        "--classifier", metavar="ID|FILE", help="an uploaded classifier, or an ONNX file to upload"
    )
    sub.add_argument(
        "--samples",
        type=Path,
        metavar="NPY",
        help="score here, on the raw samples of this file [N, ...] whose rows are the pool ids, and not on the server",
    )
    sub.add_argument(
        "--acquisition",
        choices=list(map(str, Acquisition)),
        default=str(Acquisition.MARGIN),
        help="what counts as informative (default: margin)",
    )
    sub.add_argument(
        "--strategy",
        choices=tuple(_TAKEN),
        default="dowser",
        help="how candidates are found (default: dowser)",
    )
    sub.add_argument(
        "--max-scored",
        type=int,
        metavar="SAMPLES",
        help="real samples scored at most; with dowser 0 is plain ASAL (default: 1000)",
    )
    sub.add_argument(
        "--share",
        action="append",
        metavar="SOURCE=PART",
        help=f"fix a source's part of what is scored; repeatable; sources: {', '.join(PROPOSERS)} (default: learned)",
    )
    sub.add_argument(
        "--random-floor",
        type=float,
        metavar="PART",
        help="least part drawn uniformly while shares are learned (default: 0.5)",
    )
    sub.add_argument(
        "--batch",
        choices=list(map(str, BatchRule)),
        help="how the batch is drawn of what was scored (default: class_balanced with dowser, else top)",
    )
    sub.add_argument(
        "--coldness", type=float, metavar="NUMBER", help="of the batch rules power and gibbs (default: 1)"
    )
    sub.add_argument(
        "--class-prior-weight",
        type=float,
        default=0.0,
        metavar="EXPONENT",
        help="multiply scores by the rarity of the class, to this power (default: 0)",
    )
    sub.add_argument(
        "--explain", action="store_true", help="print what each source was worth, and the diagnosis"
    )
    sub.add_argument(
        "--latents",
        type=int,
        metavar="NUMBER",
        help="latents optimized together (default: 16 or a smaller budget, with --max-scored 0 the budget)",
    )
    sub.add_argument("--steps", type=int, metavar="NUMBER", help="steps of the ascent (default: 100)")
    sub.add_argument(
        "--step-size", type=float, metavar="NUMBER", help="step size of the ascent (default: 0.05)"
    )
    sub.add_argument(
        "--seed",
        type=int,
        help="same seed, same campaign state, same picks (default: of the campaign's and the round)",
    )


def _select(client: Client, arguments: argparse.Namespace) -> None:
    classifier: ClassifierInfo | str | None = arguments.classifier
    if arguments.samples is not None and str(classifier or "sha256:").startswith("sha256:"):
        raise InputError("--samples scores here, and needs --classifier FILE to do it with")
    if isinstance(classifier, str) and not classifier.startswith("sha256:"):
        pool = client.get_campaign(arguments.campaign).pool
        classifier = client.upload_classifier(Path(classifier), pool=pool)
    select = client.select_samples if arguments.samples is None else _scoring_here(client, arguments)
    selection = select(
        arguments.campaign,
        classifier=classifier,
        budget=arguments.budget,
        acquisition=arguments.acquisition,
        strategy=_strategy(arguments),
        batch=Batch(rule=arguments.batch, coldness=arguments.coldness),
        class_prior_weight=arguments.class_prior_weight,
        seed=arguments.seed,
    )
    if arguments.json:
        return print_json({"pool_ids": selection.pool_ids} | items(selection))
    columns = (
        "pool_id",
        "score",
        "predicted_class",
        "source",
        "synthetic_index",
        "synthetic_score",
        "distance",
    )
    print_table(columns, selection.picks)
    print(
        f"\nround {selection.round}: {len(selection.picks)} picked, {selection.scored} scored, "
        f"{selection.visited} visited in {selection.total_seconds:.3f} s"
    )
    if arguments.explain:
        print(f"\n{explain(selection)}")


def _scoring_here(client: Client, arguments: argparse.Namespace) -> Callable[..., Selection]:
    """Return what selects by scoring the samples of a file with the classifier of another."""
    pool = client.get_pool(client.get_campaign(arguments.campaign).pool)
    samples = samples_of(arguments.samples)
    return partial(
        client.select_by_scoring,
        score=OnnxScorer(Path(arguments.classifier), pool, samples, arguments.acquisition),
    )


def _strategy(arguments: argparse.Namespace) -> Strategy:
    """Return the strategy that the options describe.

    Raises:
        InputError: An option is given that the strategy does not take.
    """
    taken = _TAKEN[arguments.strategy]
    for option in _TAKEN["dowser"]:
        if getattr(arguments, option) is not None and option not in taken:
            takers = " and ".join(name for name, options in _TAKEN.items() if option in options)
            raise InputError(
                f"--{option.replace('_', '-')} does nothing with --strategy {arguments.strategy}; {takers} takes it"
            )
    max_scored = 1000 if arguments.max_scored is None else arguments.max_scored
    match arguments.strategy:
        case "exhaustive":
            return Exhaustive()
        case "random":
            return Random()
        case "random-subset":
            return RandomSubset(max_scored=max_scored)
    return Dowser(
        max_scored=max_scored,
        shares=read_shares(arguments.share) if arguments.share else None,
        random_floor=arguments.random_floor,
        latents=arguments.latents,
        steps=arguments.steps,
        step_size=arguments.step_size,
    )
