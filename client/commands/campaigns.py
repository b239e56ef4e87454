"""Campaigns: make, list, show, delete, export and import them, and list their rounds."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from client.campaign_files import (
    FORMATS,
    dump_campaign,
    import_campaign,
    load_campaign,
    read_campaign,
    save_campaign,
)
from client.commands.output import print_json, print_table, print_value
from client.commands.subcommands import Subcommands, add_pool_option
from client.errors import InputError
from client.sync_client import Client


def add_campaigns(commands: Subcommands) -> None:
    """Add `campaigns` with its actions."""
    # Without an action, `dowser campaigns` lists, as `dowser pools` does.
    listing = commands.add(
        "campaigns",
        _campaigns_list,
        "list, create, get, delete, export and import campaigns",
        aliases=("campaign",),
    )
    listing.set_defaults(pool="")
    campaigns = commands.actions_of(listing)
    sub = campaigns.add("list", _campaigns_list, "list campaigns")
    sub.add_argument("--pool", default="", metavar="NAME", help="of this pool alone (default: of all)")
    sub = campaigns.add("create", _campaigns_create, "create a campaign")
    sub.add_argument("name", help="1 to 128 characters, and no other campaign's")
    add_pool_option(sub)
    sub.add_argument(
        "--seed", type=int, default=0, help="selections that name none derive theirs from it (default: 0)"
    )
    campaigns.add("get", _campaigns_get, "show a campaign").add_argument("campaign", help="id or name")
    sub = campaigns.add("delete", _campaigns_delete, "delete a campaign with its labels and leases")
    sub.add_argument("campaign", help="id or name")

    sub = campaigns.add(
        "export", _export, "write a campaign to a file: JSON Lines all of it, others its labels"
    )
    sub.add_argument("campaign", help="id or name")
    sub.add_argument("--format", choices=FORMATS, help="default: as --out ends, else jsonl")
    sub.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")

    sub = campaigns.add("import", _import, "make a new campaign of an exported one, all of it or nothing")
    sub.add_argument("file", type=Path, help="what `campaigns export` wrote")
    sub.add_argument("--format", choices=FORMATS, help="default: as the file's name ends")
    sub.add_argument("--name", default="", help="of the new campaign (default: the exported one's)")
    add_pool_option(sub)
    sub.add_argument("--skip-unknown", action="store_true", help="leave out samples the pool does not hold")


def add_rounds(commands: Subcommands) -> None:
    """Add `rounds`."""
    sub = commands.add("rounds", _rounds, "list the selections of a campaign")
    sub.add_argument("campaign", help="id or name")


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


def _rounds(client: Client, arguments: argparse.Namespace) -> None:
    rounds = client.list_rounds(arguments.campaign)
    if arguments.json:
        return print_json(rounds)
    print_table(("round", "budget", "time"), rounds)
