"""The commands of `dowser` that keep a campaign's books: corrections, leases, rounds, export and import."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from client.campaign_files import (
    FORMATS,
    dump_campaign,
    import_campaign,
    load_campaign,
    read_campaign,
    save_campaign,
)
from client.cli_files import InputError, read_labels
from client.cli_output import print_json, print_table, print_value
from client.sync_client import Client

Add = Callable[..., argparse.ArgumentParser]


def add_commands(add: Add, commands: Any) -> None:
    """Add the commands on labels and leases."""
    sub = add(commands, "labels", _labels, "list the labels of a campaign")
    sub.add_argument("campaign", help="id or name")
    sub.add_argument("--history", action="store_true", help="all that was ever said, in its order")

    sub = add(commands, "correct", _correct, "give labeled samples other labels")
    sub.add_argument("campaign", help="id or name")
    sub.add_argument("labels", nargs="*", metavar="ID=LABEL")
    sub.add_argument("--csv", metavar="FILE", help="lines of pool_id,label; - is standard input")
    sub.add_argument("--annotator", default="")

    sub = add(commands, "retract", _retract, "take labels back, so that their samples can be selected again")
    sub.add_argument("campaign", help="id or name")
    sub.add_argument("ids", nargs="+", type=int, metavar="ID")
    sub.add_argument("--annotator", default="")

    sub = add(commands, "leases", _leases, "list what was selected and not labeled yet")
    sub.add_argument("campaign", help="id or name")

    sub = add(commands, "extend", _extend, "give leases more time")
    sub.add_argument("campaign", help="id or name")
    which = sub.add_mutually_exclusive_group(required=True)
    which.add_argument("ids", nargs="*", type=int, metavar="ID", default=[])
    which.add_argument("--all", action="store_true", help="everything the campaign has leased")
    sub.add_argument(
        "--seconds", type=float, default=0.0, help="from now on (default: the server's term of new leases)"
    )

    sub = add(commands, "rounds", _rounds, "list the selections of a campaign")
    sub.add_argument("campaign", help="id or name")


def add_campaign_actions(add: Add, campaigns: Any) -> None:
    """Add the actions `export` and `import` of `dowser campaigns`."""
    sub = add(
        campaigns, "export", _export, "write a campaign to a file: JSON Lines all of it, others its labels"
    )
    sub.add_argument("campaign", help="id or name")
    sub.add_argument("--format", choices=FORMATS, help="default: as --out ends, else jsonl")
    sub.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")

    sub = add(campaigns, "import", _import, "make a new campaign of an exported one, all of it or nothing")
    sub.add_argument("file", type=Path)
    sub.add_argument("--format", choices=FORMATS, help="default: as the file's name ends")
    sub.add_argument("--name", default="", help="of the new campaign (default: the exported one's)")
    sub.add_argument("--pool", default="")
    sub.add_argument("--skip-unknown", action="store_true", help="leave out samples the pool does not hold")


def _labels(client: Client, arguments: argparse.Namespace) -> None:
    columns: tuple[str, ...] = ("pool_id", "label", "annotator", "record_time")
    entries: tuple[Any, ...]
    if arguments.history:
        columns = ("change", "pool_id", "label", "previous", "annotator", "time")
        entries = tuple(client.list_label_history(arguments.campaign))
    else:
        entries = tuple(client.list_labels(arguments.campaign))
    if arguments.json:
        return print_json(entries)
    print_table(columns, entries)


def _correct(client: Client, arguments: argparse.Namespace) -> None:
    labels = read_labels(arguments.labels, arguments.csv)
    outcome = client.correct_labels(arguments.campaign, labels, annotator=arguments.annotator)
    print_value(outcome, arguments.json)


def _retract(client: Client, arguments: argparse.Namespace) -> None:
    outcome = client.retract_labels(arguments.campaign, arguments.ids, annotator=arguments.annotator)
    print_value(outcome, arguments.json)


def _leases(client: Client, arguments: argparse.Namespace) -> None:
    terms = client.list_lease_terms(arguments.campaign)
    if arguments.json:
        return print_json(terms)
    print_table(("pool_id", "round", "lease_time", "expire_time"), terms)


def _extend(client: Client, arguments: argparse.Namespace) -> None:
    ids = client.list_leases(arguments.campaign) if arguments.all else arguments.ids
    print_value(client.extend_leases(arguments.campaign, ids, seconds=arguments.seconds), arguments.json)


def _rounds(client: Client, arguments: argparse.Namespace) -> None:
    rounds = client.list_rounds(arguments.campaign)
    if arguments.json:
        return print_json(rounds)
    print_table(("round", "budget", "time"), rounds)


def _export(client: Client, arguments: argparse.Namespace) -> None:
    data = read_campaign(client, arguments.campaign)
    if arguments.out is None:
        sys.stdout.buffer.write(dump_campaign(data, arguments.format or "jsonl"))
        sys.stdout.flush()
        return
    save_campaign(data, arguments.out, format=arguments.format)
    print_value(
        {"file": str(arguments.out), "labels": len(data.labels()), "leases": len(data.leases)}, arguments.json
    )


def _import(client: Client, arguments: argparse.Namespace) -> None:
    data = load_campaign(arguments.file, format=arguments.format)
    if not (arguments.name or data.name):
        raise InputError(f"{arguments.file} does not name its campaign; say --name")
    imported = import_campaign(
        client, data, name=arguments.name, pool=arguments.pool, skip_unknown=arguments.skip_unknown
    )
    if arguments.json:
        return print_json(imported)
    print_value(imported.campaign, False)
    print(f"{imported.skipped} samples skipped that the pool does not hold")
