"""Puts a snapshot back: everything is verified beside its place before anything is put in place."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

from query_server.errors import corrupt_file, invalid_argument
from query_server.files import sync
from query_server.maintenance.check import check
from query_server.maintenance.databases import SUFFIX, refuse_in_use
from query_server.maintenance.manifest import PARTS, SnapshotManifest
from query_server.maintenance.reading import read_snapshot, snapshot_files
from query_server.maintenance.targets import OnBytes, copy_hashed, partial_of, sync_tree

_REMEDY = "take another snapshot, or use an older one"


def restore(
    source: Path,
    *,
    bundle: Path,
    index: Path,
    state: Path,
    overwrite: bool = False,
    on_bytes: OnBytes = lambda _: None,
) -> SnapshotManifest:
    """Make bundle, index and state directories of a snapshot.

    Each is written beside its place and checked; then the three are renamed. Killed between two renames, it is run
    again with ``overwrite``.

    Args:
        source: A snapshot, directory or tar file.
        bundle: Where the bundle goes.
        index: Where the index goes.
        state: Where the state goes.
        overwrite: Replace what is there.
        on_bytes: Told of the progress.

    Raises:
        DowserError: CORRUPT_FILE for a damaged snapshot, INVALID_ARGUMENT if a place is taken, UNAVAILABLE if a
            server runs on the state.
        OSError: It cannot be written.
    """
    places = dict(zip(PARTS, (bundle.absolute(), index.absolute(), state.absolute()), strict=True))
    _check_places(places, overwrite=overwrite)
    manifest = read_snapshot(source)
    staged = {part: partial_of(place) for part, place in places.items()}
    with ExitStack() as cleanup:
        for folder in staged.values():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        _unpack(source, manifest, staged, on_bytes)
        bad = [
            each
            for each in check(bundle=staged["bundle"], index=staged["index"], state=staged["state"])
            if not each.ok
        ]
        if bad:
            raise corrupt_file(source, f"{bad[0].path}: {bad[0].problem}; {_REMEDY}")
        _put_in_place(staged, places)
    return manifest


def _check_places(places: dict[str, Path], *, overwrite: bool) -> None:
    for part, place in places.items():
        for other, another in places.items():
            if part != other and (place == another or place in another.parents):
                raise invalid_argument(part, place, f"a directory apart from the {other}'s, {another}")
        if place.exists() and not place.is_dir():
            raise invalid_argument(part, place, "a directory, or nothing yet")
        if place.is_dir() and any(place.iterdir()) and not overwrite:
            raise invalid_argument(part, place, "an empty directory or nothing yet; --overwrite replaces it")
    for path in places["state"].rglob(f"*{SUFFIX}"):
        refuse_in_use(path)


def _unpack(source: Path, manifest: SnapshotManifest, staged: dict[str, Path], on_bytes: OnBytes) -> None:
    entries = manifest.entries()
    for name, file in snapshot_files(source, manifest):
        part, _, inside = name.partition("/")
        path = staged[part] / inside
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as out:
            if copy_hashed(file, out, name, on_bytes) != entries[name]:
                raise corrupt_file(source, f"{name} is not what was copied (its sha256 differs); {_REMEDY}")
    for folder in staged.values():
        sync_tree(folder)


def _put_in_place(staged: dict[str, Path], places: dict[str, Path]) -> None:
    """Rename; on an error what was there comes back."""
    aside = {part: place.with_name(f".{place.name}.replaced") for part, place in places.items()}
    with ExitStack() as undo:
        for part, place in places.items():
            if place.exists():
                shutil.rmtree(aside[part], ignore_errors=True)
                place.rename(aside[part])
                undo.callback(aside[part].rename, place)
            staged[part].rename(place)
            undo.callback(shutil.rmtree, place)
            sync(place.parent)
        undo.pop_all()
    for folder in aside.values():  # also what one that was killed had put aside
        if folder.exists():
            shutil.rmtree(folder)
