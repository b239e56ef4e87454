"""What is handed out: list it, give it more time, give it back."""

from __future__ import annotations

import argparse

import numpy as np

from client.commands.output import print_json, print_table, print_value
from client.commands.subcommands import Subcommands
from client.conversion.requests.chunks import ENTRIES_PER_CALL
from client.sync_client import Client
from client.types.leases import LeasesExtended
from client.types.pools import PoolIds


def add_leases(commands: Subcommands) -> None:
    """Add `leases`."""
    sub = commands.add("leases", _leases, "list what was selected and not labeled yet")
    sub.add_argument("campaign", help="id or name")


def add_extend(commands: Subcommands) -> None:
    """Add `extend`."""
    sub = commands.add("extend", _extend, "give leases more time")
    sub.add_argument("campaign", help="id or name")
    _add_which(sub)
    sub.add_argument(
        "--seconds", type=float, default=0.0, help="from now on (default: the server's term of new leases)"
    )


def add_release(commands: Subcommands) -> None:
    """Add `release`."""
    sub = commands.add("release", _release, "give leased samples back unlabeled")
    sub.add_argument("campaign", help="id or name")
    _add_which(sub)


def _add_which(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("ids", nargs="*", type=int, metavar="ID", default=[], help="pool ids")
    which.add_argument("--all", action="store_true", help="everything the campaign has leased")


def _leases(client: Client, arguments: argparse.Namespace) -> None:
    terms = client.list_lease_terms(arguments.campaign)
    if arguments.json:
        return print_json(terms)
    print_table(("pool_id", "round", "lease_time", "expire_time"), terms)


def _extend(client: Client, arguments: argparse.Namespace) -> None:
    parts = [
        client.extend_leases(arguments.campaign, ids, seconds=arguments.seconds)
        for ids in _ids(client, arguments)
    ]
    outcome = LeasesExtended(
        extended=sum(part.extended for part in parts),
        not_leased=np.concatenate([part.not_leased for part in parts]),
    )
    print_value(outcome, arguments.json)


def _release(client: Client, arguments: argparse.Namespace) -> None:
    released = sum(client.release_samples(arguments.campaign, ids) for ids in _ids(client, arguments))
    print_value({"released": released}, arguments.json)


def _ids(client: Client, arguments: argparse.Namespace) -> list[PoolIds]:
    """Return the ids that were meant, as many lists as calls are needed; at least one, which may be empty."""
    ids: PoolIds = client.list_leases(arguments.campaign) if arguments.all else arguments.ids
    starts = range(0, max(len(ids), 1), ENTRIES_PER_CALL)
    return [ids[start : start + ENTRIES_PER_CALL] for start in starts]
