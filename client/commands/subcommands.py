"""How a command is added to the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from client.sync_client import Client

Command = Callable[[Client, argparse.Namespace], None]


class Subcommands:
    """The commands below a parser, each with `shared` options besides its own.

    Args:
        parser: The parser.
        shared: The options, with their defaults.
        inherited: The same without defaults, for the actions of a command that takes them too.
        metavar: What a command is called in the usage line.
        required: Whether one must be named.
    """

    def __init__(
        self,
        parser: argparse.ArgumentParser,
        shared: argparse.ArgumentParser,
        inherited: argparse.ArgumentParser,
        *,
        metavar: str = "COMMAND",
        required: bool = True,
    ) -> None:
        self._parsers = parser.add_subparsers(required=required, metavar=metavar)
        self._shared = shared
        self._inherited = inherited

    def add(
        self, name: str, command: Command, description: str, aliases: Sequence[str] = ()
    ) -> argparse.ArgumentParser:
        """Add a command and return its parser, for its arguments."""
        parser = self._parsers.add_parser(
            name, help=description, description=description, parents=[self._shared], aliases=aliases
        )
        parser.set_defaults(command=command)
        return parser

    def add_group(self, name: str, description: str) -> Subcommands:
        """Add a command that does nothing without an action, and return its actions."""
        parser = self._parsers.add_parser(name, help=description, description=description)
        return Subcommands(parser, self._shared, self._inherited, metavar="ACTION")

    def actions_of(self, parser: argparse.ArgumentParser) -> Subcommands:
        """Return the actions of a command that does something without one, too."""
        return Subcommands(parser, self._inherited, self._inherited, metavar="ACTION", required=False)


def add_pool_option(parser: argparse.ArgumentParser) -> None:
    """Add `--pool`, which most servers leave no choice of."""
    parser.add_argument(
        "--pool", default="", metavar="NAME", help="the pool (default: the server's only one)"
    )
