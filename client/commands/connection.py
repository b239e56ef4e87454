"""The options every command takes: where the server is, how it is reached, and how answers are printed."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from client.commands.files import read_token
from client.sync_client import Client
from client.transport import DEFAULT_TIMEOUT_SECONDS, TlsConfig

DEFAULT_TARGET = "127.0.0.1:50051"


def options(*, inherited: bool = False) -> argparse.ArgumentParser:
    """Return a parser of these options, to be the parent of others.

    Args:
        inherited: For the actions of a command that takes the options too: what is not given to the action stays as it
            was given to the command.
    """
    common = argparse.ArgumentParser(add_help=False)
    group = common.add_argument_group("connection and output")

    def add(flag: str, **settings: Any) -> None:
        action = group.add_argument(flag, **settings)
        if inherited:
            action.default = argparse.SUPPRESS

    add("--json", action="store_true", help="print JSON instead of a table")
    add(
        "--target",
        default=os.environ.get("DOWSER_TARGET") or DEFAULT_TARGET,
        help=f"host:port of the server (default: $DOWSER_TARGET or {DEFAULT_TARGET})",
    )
    add(
        "--timeout",
        type=float,
        default=DEFAULT_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help=f"longest wait for an answer, retries included (default: {DEFAULT_TIMEOUT_SECONDS:.0f})",
    )
    add("--tls", action="store_true", help="connect with TLS, trusting the system's authorities")
    for flag, text in (
        ("ca", "authorities to trust; implies --tls"),
        ("certificate", "the client's certificate; implies --tls"),
        ("key", "its private key"),
    ):
        variable = f"DOWSER_TLS_{flag.upper()}"
        add(
            f"--tls-{flag}",
            type=Path,
            metavar="PEM",
            default=os.environ.get(variable) or None,
            help=f"{text} (default: ${variable})",
        )
    add(
        "--tls-server-name",
        metavar="NAME",
        help="the name in the server's certificate, where it is not the target's; implies --tls",
    )
    add("--token-file", type=Path, metavar="FILE", help="file with the bearer token (default: $DOWSER_TOKEN)")
    add("--allow-insecure-token", action="store_true", help="send it to another machine without TLS")
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
    given = (
        arguments.tls_ca,
        arguments.tls_certificate,
        arguments.tls_key,
        arguments.tls_server_name,
    )
    if not (arguments.tls or any(given)):
        return None
    return TlsConfig(
        ca_certificates=arguments.tls_ca,
        client_certificate=arguments.tls_certificate,
        client_key=arguments.tls_key,
        server_name=arguments.tls_server_name,
    )
