"""The options every command takes: where the server is, how it is reached, and how answers are printed."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from client.commands.files import read_token
from client.sync_client import Client
from client.transport import DEFAULT_TIMEOUT_SECONDS, TlsConfig

DEFAULT_TARGET = "127.0.0.1:50051"


def options() -> argparse.ArgumentParser:
    """Return a parser of these options, to be the parent of others."""
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
    return common


def connect(arguments: argparse.Namespace) -> Client:
    """Prepare the connection that the options name.

    Raises:
        InputError: The token's file cannot be read.
        InvalidArgumentError: An option makes no sense.
    """
    return Client.connect(
        arguments.target,
        timeout_seconds=arguments.timeout,
        tls=_tls(arguments),
        token=read_token(arguments.token_file)
        if arguments.token_file
        else os.environ.get("DOWSER_TOKEN") or None,
        allow_insecure_token=arguments.allow_insecure_token,
    )


def _tls(arguments: argparse.Namespace) -> TlsConfig | None:
    if not (arguments.tls or arguments.tls_ca or arguments.tls_certificate or arguments.tls_key):
        return None
    return TlsConfig(
        ca_certificates=arguments.tls_ca,
        client_certificate=arguments.tls_certificate,
        client_key=arguments.tls_key,
        server_name=arguments.tls_server_name,
    )
