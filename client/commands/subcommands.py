"""How a command is added to the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from client.sync_client import Client

Command = Callable[[Client, argparse.Namespace], None]


class Subcommands:
    """The commands below a parser, each with `shared` options besides its own."""

    def __init__(
        self,
        parser: argparse.ArgumentParser,
        shared: argparse.ArgumentParser,
        *,
        metavar: str = "COMMAND",
        required: bool = True,
    ) -> None:
        self._parsers = parser.add_subparsers(required=required, metavar=metavar)
        self._shared = shared

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
        return Subcommands(self._parsers.add_parser(name, help=description), self._shared, metavar="ACTION")

    def actions_of(self, parser: argparse.ArgumentParser) -> Subcommands:
        """Return the actions of a command that does something without one, too."""
        return Subcommands(parser, self._shared, metavar="ACTION", required=False)
