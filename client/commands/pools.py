"""Pools: list them, add samples to one, remove some."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from client.commands.files import read_array, read_ids
from client.commands.output import print_json, print_table, print_value
from client.commands.subcommands import Subcommands, add_pool_option
from client.errors import DowserError, InputError
from client.sync_client import Client

# One call adds all or none, is held in memory by the server, and has its limits.
ADDED_AT_A_TIME = 50_000
ADDED_BYTES_AT_A_TIME = 64 << 20


def add_pools(commands: Subcommands) -> None:
    """Add `pools`."""
    commands.add("pools", _pools, "list the pools of the server")


def add_pool(commands: Subcommands) -> None:
    """Add `pool add` and `pool remove`."""
    pool = commands.add_group("pool", "add samples to a pool that is served, and remove some")
    sub = pool.add("add", _pool_add, "add samples; they can be selected at once")
    sub.add_argument("file", type=Path, help=".npy of raw samples [n, ...]")
    sub.add_argument(
        "--features", action="store_true", help="the file holds features [n, D], for a pool without samples"
    )
    sub.add_argument(
        "--ids", type=Path, metavar="FILE", help=".npy or lines of their pool ids (default: the next ones)"
    )
    add_pool_option(sub)
    sub = pool.add("remove", _pool_remove, "remove samples for good")
    sub.add_argument("ids", nargs="+", type=int, metavar="ID", help="pool ids; they are never used again")
    add_pool_option(sub)


def _pools(client: Client, arguments: argparse.Namespace) -> None:
    pools = client.list_pools()
    if arguments.json:
        return print_json(pools)
    columns = ("name", "size", "raw_shape", "input_shape", "feature_dim", "index_factory", "recall_at_10")
    print_table(columns, pools)


def _pool_add(client: Client, arguments: argparse.Namespace) -> None:
    values = read_array(arguments.file)
    ids = read_ids(arguments.ids) if arguments.ids is not None else None
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
