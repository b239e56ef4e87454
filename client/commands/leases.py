"""What is handed out: list it, give it more time, give it back."""

from __future__ import annotations

import argparse

from client.commands.output import print_json, print_table, print_value
from client.commands.subcommands import Subcommands
from client.sync_client import Client


def add_leases(commands: Subcommands) -> None:
    """Add `leases`."""
    sub = commands.add("leases", _leases, "list what was selected and not labeled yet")
    sub.add_argument("campaign", help="id or name")


def add_extend(commands: Subcommands) -> None:
    """Add `extend`."""
    sub = commands.add("extend", _extend, "give leases more time")
    sub.add_argument("campaign", help="id or name")
    which = sub.add_mutually_exclusive_group(required=True)
    which.add_argument("ids", nargs="*", type=int, metavar="ID", default=[])
    which.add_argument("--all", action="store_true", help="everything the campaign has leased")
    sub.add_argument(
        "--seconds", type=float, default=0.0, help="from now on (default: the server's term of new leases)"
    )


def add_release(commands: Subcommands) -> None:
    """Add `release`."""
    sub = commands.add("release", _release, "give leased samples back unlabeled")
    sub.add_argument("campaign", help="id or name")
    which = sub.add_mutually_exclusive_group(required=True)
    which.add_argument("ids", nargs="*", type=int, metavar="ID", default=[])
    which.add_argument("--all", action="store_true", help="everything the campaign has leased")


def _leases(client: Client, arguments: argparse.Namespace) -> None:
    terms = client.list_lease_terms(arguments.campaign)
    if arguments.json:
        return print_json(terms)
    print_table(("pool_id", "round", "lease_time", "expire_time"), terms)


def _extend(client: Client, arguments: argparse.Namespace) -> None:
    ids = client.list_leases(arguments.campaign) if arguments.all else arguments.ids
    print_value(client.extend_leases(arguments.campaign, ids, seconds=arguments.seconds), arguments.json)


def _release(client: Client, arguments: argparse.Namespace) -> None:
    ids = client.list_leases(arguments.campaign) if arguments.all else arguments.ids
    print_value({"released": client.release_samples(arguments.campaign, ids)}, arguments.json)
