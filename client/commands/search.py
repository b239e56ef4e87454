"""What is near what in a pool."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from client.commands.files import read_array
from client.commands.output import print_json, print_table
from client.commands.subcommands import Subcommands, add_pool_option
from client.sync_client import Client


def add_search(commands: Subcommands) -> None:
    """Add `search`."""
    sub = commands.add("search", _search, "find the nearest samples of a pool")
    query = sub.add_mutually_exclusive_group(required=True)
    query.add_argument("--ids", nargs="+", type=int, metavar="ID", help="samples of the pool")
    query.add_argument("--samples", type=Path, metavar="NPY", help="raw samples or model inputs [n, ...]")
    query.add_argument("--features", type=Path, metavar="NPY", help="features [n, D]")
    sub.add_argument("-k", type=int, default=10, help="neighbors per query (default: 10)")
    sub.add_argument("--campaign", help="id or name: leave out what is labeled or leased there")
    add_pool_option(sub)


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
