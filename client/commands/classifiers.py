"""Classifiers: upload and show them."""

from __future__ import annotations

import argparse
from pathlib import Path

from client.commands.output import print_value
from client.commands.subcommands import Subcommands, add_pool_option
from client.sync_client import Client


def add_classifiers(commands: Subcommands) -> None:
    """Add `classifiers upload` and `classifiers get`."""
    classifiers = commands.add_group("classifiers", "upload and get classifiers")
    sub = classifiers.add("upload", _classifiers_upload, "upload an ONNX classifier")
    sub.add_argument("file", type=Path, help="an ONNX file")
    add_pool_option(sub)
    classifiers.add("get", _classifiers_get, "show a classifier").add_argument("classifier", help="its id")


def _classifiers_upload(client: Client, arguments: argparse.Namespace) -> None:
    print_value(client.upload_classifier(arguments.file, pool=arguments.pool), arguments.json)


def _classifiers_get(client: Client, arguments: argparse.Namespace) -> None:
    print_value(client.get_classifier(arguments.classifier), arguments.json)
