"""Labels: record, list, correct and retract them."""

from __future__ import annotations

import argparse
from typing import Any

from client.commands.files import read_labels
from client.commands.output import print_json, print_table, print_value
from client.commands.subcommands import Subcommands
from client.sync_client import Client


def add_label(commands: Subcommands) -> None:
    """Add `label`."""
    _add_label_arguments(commands.add("label", _label, "record labels, all of them or none"))


def add_labels(commands: Subcommands) -> None:
    """Add `labels`."""
    sub = commands.add("labels", _labels, "list the labels of a campaign")
    sub.add_argument("campaign", help="id or name")
    sub.add_argument("--history", action="store_true", help="all that was ever said, in its order")


def add_correct(commands: Subcommands) -> None:
    """Add `correct`."""
    _add_label_arguments(commands.add("correct", _correct, "give labeled samples other labels"))


def add_retract(commands: Subcommands) -> None:
    """Add `retract`."""
    sub = commands.add("retract", _retract, "take labels back, so that their samples can be selected again")
    sub.add_argument("campaign", help="id or name")
    sub.add_argument("ids", nargs="+", type=int, metavar="ID", help="pool ids")
    _add_annotator(sub)


def _add_label_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("campaign", help="id or name")
    parser.add_argument(
        "labels", nargs="*", metavar="ID=LABEL", help="a pool id and its class, both integers"
    )
    parser.add_argument("--csv", metavar="FILE", help="lines of pool_id,label; - is standard input")
    _add_annotator(parser)


def _add_annotator(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--annotator", default="", metavar="NAME", help="who says so, written beside each label"
    )


def _label(client: Client, arguments: argparse.Namespace) -> None:
    labels = read_labels(arguments.labels, arguments.csv)
    print_value(
        client.record_labels(arguments.campaign, labels, annotator=arguments.annotator), arguments.json
    )


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
