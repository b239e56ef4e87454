"""The console script `dowser`: a server's pools, campaigns and selections from the shell.

Exit code 0 on success, 1 where the server or a file refuses (one line on stderr), 2 for a wrong command line.
`--json` prints one JSON document instead of a table.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from client.commands import (
    admin,
    campaigns,
    classifiers,
    connection,
    labels,
    leases,
    pools,
    scoring,
    search,
    selection,
)
from client.commands.subcommands import Command, Subcommands
from client.errors import DowserError, InputError, MissingExtraError, UnauthenticatedError, UnavailableError

# In the order in which --help lists them.
_COMMANDS = (
    pools.add_pools,
    pools.add_pool,
    campaigns.add_campaigns,
    classifiers.add_classifiers,
    selection.add_select,
    labels.add_label,
    labels.add_labels,
    labels.add_correct,
    labels.add_retract,
    leases.add_leases,
    leases.add_extend,
    leases.add_release,
    campaigns.add_rounds,
    scoring.add_score,
    scoring.add_jobs,
    search.add_search,
    admin.add_admin,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = _parser().parse_args(argv)
    command: Command = arguments.command
    try:
        with connection.connect(arguments) as client:
            command(client, arguments)
    except UnavailableError as error:
        print(f"dowser: no server answers at {arguments.target}: {error}", file=sys.stderr)
        return 1
    except UnauthenticatedError as error:
        print(f"dowser: {error}; name its file with --token-file, or set $DOWSER_TOKEN", file=sys.stderr)
        return 1
    except (DowserError, InputError, MissingExtraError) as error:
        print(f"dowser: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader (head, less) has seen enough; keep the interpreter from flushing into it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dowser",
        description="Ask a Dowser server which samples to label next.",
        epilog="A bearer token is read from --token-file or $DOWSER_TOKEN; on a command line others would see it.",
    )
    commands = Subcommands(parser, connection.options(), connection.options(inherited=True))
    for add in _COMMANDS:
        add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
