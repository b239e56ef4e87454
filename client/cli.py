"""The console script `dowser`: a server's pools, campaigns and selections from the shell.

Exit code 0 on success, 1 where the server or a file refuses (one line on stderr), 2 for a wrong command line.
`--json` prints one JSON document instead of a table.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from client.cli_campaigns import add_campaign_actions, add_commands
from client.cli_files import InputError, read_array, read_labels, read_shares, read_token, samples_of
from client.cli_output import items, print_json, print_table, print_value
from client.cli_scoring import add_commands as add_scoring
from client.errors import DowserError, MissingExtraError, UnavailableError
from client.explain import explain
from client.local_scoring import OnnxScorer
from client.sync_client import Client
from client.transport import DEFAULT_TIMEOUT_SECONDS, TlsConfig
from client.types.acquisition import Acquisition
from client.types.classifiers import ClassifierInfo
from client.types.selection import Selection
from client.types.strategies import Batch, BatchRule, Dowser, Exhaustive, Random, RandomSubset, Strategy

DEFAULT_TARGET = "127.0.0.1:50051"
# One call adds all or none, is held in memory by the server, and has its limits.
ADDED_AT_A_TIME = 50_000
ADDED_BYTES_AT_A_TIME = 64 << 20
STRATEGIES = ("dowser", "exhaustive", "random", "random-subset")

Command = Callable[[Client, argparse.Namespace], None]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = _parser().parse_args(argv)
    command: Command = arguments.command
    try:
        with Client.connect(
            arguments.target,
            timeout_seconds=arguments.timeout,
            tls=_tls(arguments),
            token=read_token(arguments.token_file)
            if arguments.token_file
            else os.environ.get("DOWSER_TOKEN") or None,
            allow_insecure_token=arguments.allow_insecure_token,
        ) as client:
            command(client, arguments)
    except UnavailableError as error:
        print(f"dowser: no server answers at {arguments.target}: {error}", file=sys.stderr)
        return 1
    except (DowserError, InputError, MissingExtraError) as error:
        print(f"dowser: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader (head, less) has seen enough; keep the interpreter from flushing into it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _tls(arguments: argparse.Namespace) -> TlsConfig | None:
    if not (arguments.tls or arguments.tls_ca or arguments.tls_certificate or arguments.tls_key):
        return None
    return TlsConfig(
        ca_certificates=arguments.tls_ca,
        client_certificate=arguments.tls_certificate,
        client_key=arguments.tls_key,
        server_name=arguments.tls_server_name,
    )


def _pools(client: Client, arguments: argparse.Namespace) -> None:
    pools = client.list_pools()
    if arguments.json:
        return print_json(pools)
    columns = ("name", "size", "raw_shape", "input_shape", "feature_dim", "index_factory", "recall_at_10")
    print_table(columns, pools)


def _pool_add(client: Client, arguments: argparse.Namespace) -> None:
    values = read_array(arguments.file)
    ids = read_array(arguments.ids) if arguments.ids is not None else None
    if ids is not None and len(ids) != len(values):
        raise InputError(f"{arguments.ids} holds {len(ids)} ids, {arguments.file} {len(values)} samples")
    rows = max(1, min(ADDED_AT_A_TIME, ADDED_BYTES_AT_A_TIME // max(1, values[:1].nbytes)))
    calls = []
    for start in range(0, len(values), rows):
        part = values[start : start + rows]
        try:
            added = client.add_samples(
                None if arguments.features else part,
                features=part if arguments.features else None,
                pool_ids=None if ids is None else ids[start : start + rows],
                pool=arguments.pool,
            )
        except DowserError:
            if start:
                print(f"dowser: the first {start} samples of {arguments.file} were added", file=sys.stderr)
            raise
        calls.append(
            {
                "added": len(added.pool_ids),
                "first_id": added.pool_ids[0],
                "last_id": added.pool_ids[-1],
                "index_version": added.index_version,
                "size": added.size,
            }
        )
    if arguments.json:
        return print_json(calls)
    print_table(("added", "first_id", "last_id", "index_version", "size"), calls)


def _pool_remove(client: Client, arguments: argparse.Namespace) -> None:
    print_value(client.remove_samples(arguments.ids, pool=arguments.pool), arguments.json)


def _campaigns_list(client: Client, arguments: argparse.Namespace) -> None:
    campaigns = client.list_campaigns(pool=arguments.pool)
    if arguments.json:
        return print_json(campaigns)
    columns = ("campaign_id", "name", "pool", "rounds", "labeled", "leased", "unlabeled", "create_time")
    print_table(columns, campaigns)


def _campaigns_create(client: Client, arguments: argparse.Namespace) -> None:
    campaign = client.create_campaign(arguments.name, pool=arguments.pool, seed=arguments.seed)
    print_value(campaign, arguments.json)


def _campaigns_get(client: Client, arguments: argparse.Namespace) -> None:
    print_value(client.get_campaign(arguments.campaign), arguments.json)


def _campaigns_delete(client: Client, arguments: argparse.Namespace) -> None:
    client.delete_campaign(arguments.campaign)
    print_value({"deleted": arguments.campaign}, arguments.json)


def _classifiers_upload(client: Client, arguments: argparse.Namespace) -> None:
    print_value(client.upload_classifier(arguments.file, pool=arguments.pool), arguments.json)


def _classifiers_get(client: Client, arguments: argparse.Namespace) -> None:
    print_value(client.get_classifier(arguments.classifier), arguments.json)


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
    match arguments.strategy:
        case "exhaustive":
            return Exhaustive()
        case "random":
            return Random()
        case "random-subset":
            return RandomSubset(max_scored=arguments.max_scored)
    return Dowser(
        max_scored=arguments.max_scored,
        shares=read_shares(arguments.share) if arguments.share else None,
        random_floor=arguments.random_floor,
        latents=arguments.latents,
        steps=arguments.steps,
        step_size=arguments.step_size,
    )


def _label(client: Client, arguments: argparse.Namespace) -> None:
    labels = read_labels(arguments.labels, arguments.csv)
    print_value(
        client.record_labels(arguments.campaign, labels, annotator=arguments.annotator), arguments.json
    )


def _release(client: Client, arguments: argparse.Namespace) -> None:
    ids = client.list_leases(arguments.campaign) if arguments.all else arguments.ids
    print_value({"released": client.release_samples(arguments.campaign, ids)}, arguments.json)


def _search(client: Client, arguments: argparse.Namespace) -> None:
    def array(path: Path | None) -> NDArray[Any] | None:
        return read_array(path) if path is not None else None

    found = client.search_neighbors(
        samples=array(arguments.samples),
        features=array(arguments.features),
        pool_ids=arguments.ids,
        k=arguments.k,
        campaign=arguments.campaign,
        pool=arguments.pool,
    )
    if arguments.json:
        return print_json(found)
    names = arguments.ids if arguments.ids is not None else range(len(found.pool_ids))
    rows = [
        {"query": query, "rank": rank, "pool_id": pool_id, "distance": distance}
        for query, ids, distances in zip(names, found.pool_ids, found.distances, strict=True)
        for rank, (pool_id, distance) in enumerate(zip(ids, distances, strict=True), start=1)
    ]
    print_table(("query", "rank", "pool_id", "distance"), rows)


def _admin_reload(client: Client, arguments: argparse.Namespace) -> None:
    print_value(client.reload(), arguments.json)


def _admin_compact(client: Client, arguments: argparse.Namespace) -> None:
    print_value(client.compact_pool(pool=arguments.pool), arguments.json)


def _admin_snapshot(client: Client, arguments: argparse.Namespace) -> None:
    print_value(client.snapshot(arguments.name), arguments.json)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    group = common.add_argument_group("connection and output")
    group.add_argument("--json", action="store_true", help="print JSON instead of a table")
    group.add_argument(
        "--target",
        default=os.environ.get("DOWSER_TARGET") or DEFAULT_TARGET,
        help=f"host:port of the server (default: $DOWSER_TARGET or {DEFAULT_TARGET})",
    )
    group.add_argument("--timeout", type=float, default=DEFAULT_TIMEOUT_SECONDS, metavar="SECONDS")
    group.add_argument("--tls", action="store_true", help="connect with TLS")
    for flag, text in (
        ("ca", "authorities to trust; implies --tls"),
        ("certificate", "the client's certificate; implies --tls"),
        ("key", "its private key"),
    ):
        variable = f"DOWSER_TLS_{flag.upper()}"
        group.add_argument(
            f"--tls-{flag}",
            type=Path,
            metavar="PEM",
            default=os.environ.get(variable) or None,
            help=f"{text} (default: ${variable})",
        )
    group.add_argument("--tls-server-name", metavar="NAME", help="the server's name, where not the target's")
    group.add_argument(
        "--token-file", type=Path, metavar="FILE", help="file with the bearer token (default: $DOWSER_TOKEN)"
    )
    group.add_argument(
        "--allow-insecure-token", action="store_true", help="send it to another machine without TLS"
    )

    parser = argparse.ArgumentParser(
        prog="dowser",
        description="Ask a Dowser server which samples to label next.",
        epilog="A bearer token is read from --token-file or $DOWSER_TOKEN; on a command line others would see it.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        parent: Any, name: str, command: Command, description: str, aliases: Sequence[str] = ()
    ) -> argparse.ArgumentParser:
        sub: argparse.ArgumentParser = parent.add_parser(
            name, help=description, description=description, parents=[common], aliases=aliases
        )
        sub.set_defaults(command=command)
        return sub

    def add_group(name: str, description: str) -> Any:
        return commands.add_parser(name, help=description).add_subparsers(required=True, metavar="ACTION")

    add(commands, "pools", _pools, "list the pools of the server")

    pool = add_group("pool", "add samples to a pool that is served, and remove some")
    sub = add(pool, "add", _pool_add, "add samples; they can be selected at once")
    sub.add_argument("file", type=Path, help=".npy of raw samples [n, ...]")
    sub.add_argument(
        "--features", action="store_true", help="the file holds features [n, D], for a pool without samples"
    )
    sub.add_argument("--ids", type=Path, metavar="NPY", help="their pool ids [n] (default: the next ones)")
    sub.add_argument("--pool", default="")
    sub = add(pool, "remove", _pool_remove, "remove samples for good")
    sub.add_argument("ids", nargs="+", type=int, metavar="ID")
    sub.add_argument("--pool", default="")

    # Without an action, `dowser campaigns` lists, as `dowser pools` does.
    listing = add(
        commands,
        "campaigns",
        _campaigns_list,
        "list, create, get, delete, export and import campaigns",
        aliases=("campaign",),
    )
    listing.set_defaults(pool="")
    campaigns = listing.add_subparsers(metavar="ACTION")
    add(campaigns, "list", _campaigns_list, "list campaigns").add_argument("--pool", default="")
    sub = add(campaigns, "create", _campaigns_create, "create a campaign")
    sub.add_argument("name")
    sub.add_argument("--pool", default="")
    sub.add_argument("--seed", type=int, default=0)
    add(campaigns, "get", _campaigns_get, "show a campaign").add_argument("campaign", help="id or name")
    sub = add(campaigns, "delete", _campaigns_delete, "delete a campaign with its labels and leases")
    sub.add_argument("campaign", help="id or name")
    add_campaign_actions(add, campaigns)

    classifiers = add_group("classifiers", "upload and get classifiers")
    sub = add(classifiers, "upload", _classifiers_upload, "upload an ONNX classifier")
    sub.add_argument("file", type=Path)
    sub.add_argument("--pool", default="")
    add(classifiers, "get", _classifiers_get, "show a classifier").add_argument("classifier", help="its id")

    sub = add(commands, "select", _select, "pick the samples to label next and lease them")
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
    sub.add_argument("--acquisition", choices=list(Acquisition), default=Acquisition.MARGIN)
    sub.add_argument("--strategy", choices=STRATEGIES, default="dowser")
    sub.add_argument(
        "--max-scored", type=int, default=1000, help="real samples scored at most (default: 1000)"
    )
    sub.add_argument(
        "--share",
        action="append",
        metavar="SOURCE=PART",
        help="fix a source's part of what is scored; repeatable (default: learned)",
    )
    sub.add_argument(
        "--random-floor",
        type=float,
        metavar="PART",
        help="least part drawn uniformly while shares are learned (default: the server's)",
    )
    sub.add_argument("--batch", choices=list(BatchRule), help="how the batch is drawn of what was scored")
    sub.add_argument("--coldness", type=float, help="of the batch rules power and gibbs (default: 1)")
    sub.add_argument(
        "--class-prior-weight", type=float, default=0.0, help="favor classes with few labels (default: 0)"
    )
    sub.add_argument(
        "--explain", action="store_true", help="print what each source was worth, and the diagnosis"
    )
    sub.add_argument("--latents", type=int, help="latents optimized together (default: the budget)")
    sub.add_argument("--steps", type=int, help="steps of the ascent (default: the server's)")
    sub.add_argument("--step-size", type=float, help="step size of the ascent (default: the server's)")
    sub.add_argument("--seed", type=int)

    sub = add(commands, "label", _label, "record labels")
    sub.add_argument("campaign", help="id or name")
    sub.add_argument("labels", nargs="*", metavar="ID=LABEL")
    sub.add_argument("--csv", metavar="FILE", help="lines of pool_id,label; - is standard input")
    sub.add_argument("--annotator", default="")

    add_commands(add, commands)
    add_scoring(add, commands)

    sub = add(commands, "release", _release, "give leased samples back unlabeled")
    sub.add_argument("campaign", help="id or name")
    which = sub.add_mutually_exclusive_group(required=True)
    which.add_argument("ids", nargs="*", type=int, metavar="ID", default=[])
    which.add_argument("--all", action="store_true", help="everything the campaign has leased")

    sub = add(commands, "search", _search, "find the nearest samples of a pool")
    query = sub.add_mutually_exclusive_group(required=True)
    query.add_argument("--ids", nargs="+", type=int, metavar="ID", help="samples of the pool")
    query.add_argument("--samples", type=Path, metavar="NPY", help="raw samples or model inputs [n, ...]")
    query.add_argument("--features", type=Path, metavar="NPY", help="features [n, D]")
    sub.add_argument("-k", type=int, default=10, help="neighbors per query (default: 10)")
    sub.add_argument("--campaign", help="leave out what is labeled or leased there")
    sub.add_argument("--pool", default="")

    admin = add_group("admin", "reload, compact and copy what the server serves")
    add(admin, "reload", _admin_reload, "open bundle and index anew and serve them")
    sub = add(admin, "compact", _admin_compact, "fold what was added and removed into a new index")
    sub.add_argument("--pool", default="")
    sub = add(admin, "snapshot", _admin_snapshot, "copy bundle, index and state into the snapshots directory")
    sub.add_argument("name", help="of the copy; one that ends in .tar makes one file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
