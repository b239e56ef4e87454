"""What the server's administrator does."""

from __future__ import annotations

import argparse

from client.commands.output import print_value
from client.commands.subcommands import Subcommands, add_pool_option
from client.sync_client import Client


def add_admin(commands: Subcommands) -> None:
    """Add `admin reload`, `admin compact` and `admin snapshot`."""
    admin = commands.add_group("admin", "reload, compact and copy what the server serves")
    admin.add("reload", _admin_reload, "open bundle and index anew and serve them")
    sub = admin.add(
        "compact",
        _admin_compact,
        "fold what was added and removed into a new index, and wait for it as long as --timeout says",
    )
    add_pool_option(sub)
    sub = admin.add("snapshot", _admin_snapshot, "copy bundle, index and state into the snapshots directory")
    sub.add_argument("name", help="of the copy; one that ends in .tar makes one file")


def _admin_reload(client: Client, arguments: argparse.Namespace) -> None:
    print_value(client.reload(), arguments.json)


def _admin_compact(client: Client, arguments: argparse.Namespace) -> None:
    print_value(client.compact_pool(pool=arguments.pool), arguments.json)


def _admin_snapshot(client: Client, arguments: argparse.Namespace) -> None:
    print_value(client.snapshot(arguments.name), arguments.json)
