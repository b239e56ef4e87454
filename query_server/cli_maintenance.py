"""``dowser-server check``, ``snapshot`` and ``restore``: upkeep while no server runs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any


def add_commands(commands: Any) -> None:
    """Add the three commands to the parser's."""
    check = commands.add_parser("check", help="verify every file against its checksums")
    _add_places(check, state_required=False)
    check.add_argument("--json", action="store_true", help="print one JSON document")
    check.set_defaults(run=_check)

    snapshot = commands.add_parser(
        "snapshot",
        help="copy bundle, index and state of a server that does not run",
        description="Copy bundle, index and state of a server that does not run; a running one makes its own: "
        "dowser admin snapshot.",
    )
    _add_places(snapshot)
    snapshot.add_argument(
        "--out", type=Path, required=True, help="a new directory, or one file where it ends in .tar"
    )
    snapshot.set_defaults(run=_snapshot)

    restore = commands.add_parser("restore", help="make bundle, index and state of a snapshot")
    _add_places(restore)
    restore.add_argument("--from", dest="source", type=Path, required=True, help="the snapshot")
    restore.add_argument("--overwrite", action="store_true", help="replace what is there")
    restore.set_defaults(run=_restore)


def _add_places(parser: argparse.ArgumentParser, *, state_required: bool = True) -> None:
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--index", type=Path, required=True, help="the index's folder")
    parser.add_argument("--state", type=Path, required=state_required, help="the server's state directory")


def _check(arguments: argparse.Namespace) -> int:
    from query_server.maintenance import check, size_of

    folders = [arguments.bundle, arguments.index]
    if arguments.state is not None:
        folders.append(arguments.state)
    with _progress("check", size_of(*folders)) as on_bytes:
        findings = check(
            bundle=arguments.bundle, index=arguments.index, state=arguments.state, on_bytes=on_bytes
        )
    bad = [each for each in findings if not each.ok]
    if arguments.json:
        print(json.dumps({"ok": not bad, "files": [{**asdict(each), "ok": each.ok} for each in findings]}))
    else:
        for each in findings:
            print(f"{each.path}: {each.problem or 'ok'}")
        print(f"{len(findings)} checked, {len(bad)} wrong")
    return 1 if bad else 0


def _snapshot(arguments: argparse.Namespace) -> int:
    from query_server.maintenance import offline_sources, size_of, write_snapshot

    sources = offline_sources(bundle=arguments.bundle, index=arguments.index, state=arguments.state)
    with _progress("snapshot", size_of(sources.bundle, sources.index, sources.state)) as on_bytes:
        made = write_snapshot(arguments.out, sources, on_bytes=on_bytes)
    print(
        f"{made.files} files, {made.size_bytes} bytes, index version {made.index_version} in {arguments.out}"
    )
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    from query_server.maintenance import read_snapshot, restore

    with _progress("restore", read_snapshot(arguments.source).size_bytes) as on_bytes:
        made = restore(
            arguments.source,
            bundle=arguments.bundle,
            index=arguments.index,
            state=arguments.state,
            overwrite=arguments.overwrite,
            on_bytes=on_bytes,
        )
    print(f"pool {made.pool}, index version {made.index_version}: {made.files} files verified and in place")
    return 0


@contextmanager
def _progress(what: str, total_bytes: int) -> Iterator[Callable[[int], None]]:
    from tqdm import tqdm

    shown = {"unit": "B", "unit_scale": True, "file": sys.stderr, "disable": not sys.stderr.isatty()}
    with tqdm(desc=what, total=total_bytes, **shown) as bar:
        yield bar.update
