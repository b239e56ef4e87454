"""Labels of some of the pool: a CSV of pool_id,label lines, an .npz with pool_ids and labels, or a campaign's export.

Exports of campaigns are CSV files with further columns behind those two, or JSON Lines, of whose events the last of
each sample counts.
"""

from __future__ import annotations

import csv
import hashlib
import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samples import SampleSource
from trainer.errors import TrainerError

_MAX_DIGITS = 20  # of a pool id
_SHOWN = 200  # characters of a wrong line


@dataclass(frozen=True, kw_only=True)
class Labels:
    """L labeled samples of a pool.

    Attributes:
        rows: int64 [L], distinct rows of the pool.
        classes: int64 [L] in 0…C-1.
        names: C labels as text, sorted.
    """

    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
    names: tuple[str, ...]

    def digest(self) -> str:
        """Return what tells these labels from others, hex."""
        hashed = hashlib.sha256(repr(self.names).encode())
        for values in (self.rows, self.classes):
            hashed.update(values.astype("<i8").tobytes())
        return hashed.hexdigest()

    def numbered_as(self, names: Sequence[str]) -> Labels:
        """Return the same labels with the classes of a conditional run.

        Raises:
            TrainerError: if the run does not know one.
        """
        new = sorted(set(self.names) - set(names))
        if new:
            raise TrainerError(
                f"the run's generator knows no class {', '.join(new)}; train a new conditional one with these labels"
            )
        numbers = np.array([list(names).index(name) for name in self.names], np.int64)
        return Labels(rows=self.rows, classes=numbers[self.classes], names=tuple(names))


def read_labels(path: Path, source: SampleSource) -> Labels:
    """Read labels and find their rows in the pool.

    Args:
        path: .npz with `pool_ids` and `labels`, .jsonl as campaigns are exported, else a CSV with or without a header
            line; a label is any text.
        source: the pool; its pool ids, or its row numbers where the file has none, as in an index.

    Raises:
        TrainerError: if the file cannot be read, is empty, names an id the pool lacks, or labels one in two ways.
    """
    if not path.is_file():
        raise TrainerError(f"{path}: no such file")
    read = {".npz": _read_npz, ".jsonl": _read_campaign}.get(path.suffix, _read_csv)
    pool_ids, labels = read(path)
    if not len(pool_ids):
        raise TrainerError(f"{path}: holds no labels; expected lines of pool_id,label")
    pool_ids, first, inverse = np.unique(pool_ids, return_index=True, return_inverse=True)
    names, classes = np.unique(labels, return_inverse=True)
    contradicted = np.flatnonzero(classes[first][inverse] != classes)
    if len(contradicted):
        raise TrainerError(
            f"{path}: {pool_ids[inverse[contradicted[0]]]} is labeled in two ways; keep one of them"
        )
    return Labels(
        rows=_rows_of(path, pool_ids, source),
        classes=classes[first].astype(np.int64),
        names=tuple(names.tolist()),
    )


def _rows_of(path: Path, pool_ids: NDArray[np.uint64], source: SampleSource) -> NDArray[np.int64]:
    known = np.arange(len(source), dtype=np.uint64) if source.pool_ids is None else source.pool_ids
    order = np.argsort(known, kind="stable")
    at = np.minimum(np.searchsorted(known[order], pool_ids), len(known) - 1)
    rows: NDArray[np.int64] = order[at].astype(np.int64)
    missing = pool_ids[known[rows] != pool_ids]
    if len(missing):
        raise TrainerError(
            f"{path}: {len(missing)} of {len(pool_ids)} pool ids are not in {source.path} (such as {missing[0]}); "
            "leave them out, or name a pool that has what a server added, as an .npz with pool_ids"
        )
    return rows


def _read_npz(path: Path) -> tuple[NDArray[np.uint64], NDArray[np.str_]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            pool_ids, labels = arrays["pool_ids"], arrays["labels"]
    except (ValueError, OSError, EOFError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise TrainerError(
            f"{path}: expected an .npz with the arrays pool_ids and labels: {error}"
        ) from error
    if pool_ids.ndim != 1 or labels.shape != pool_ids.shape or pool_ids.dtype.kind not in "iu":
        raise TrainerError(
            f"{path}: expected integer pool_ids [L] and labels [L], got {pool_ids.dtype} {list(pool_ids.shape)} and "
            f"{list(labels.shape)}"
        )
    if pool_ids.dtype.kind == "i" and pool_ids.size and pool_ids.min() < 0:
        raise TrainerError(f"{path}: pool_ids must not be negative, got {pool_ids.min()}")
    return pool_ids.astype(np.uint64), labels.astype(np.str_)


def _read_csv(path: Path) -> tuple[NDArray[np.uint64], NDArray[np.str_]]:
    pool_ids: list[int] = []
    labels: list[str] = []
    columns = 2
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets put a mark in front
            reader = csv.reader(file)
            for cells in reader:
                if not cells or (reader.line_num == 1 and not cells[0].strip().isdecimal()):
                    if cells[:2] == ["pool_id", "label"]:
                        columns = len(cells)  # an exported campaign says who labeled, and when
                    continue
                pool_id = cells[0].strip()
                known = len(cells) == columns and pool_id.isdecimal() and len(pool_id) <= _MAX_DIGITS
                if not known or int(pool_id) >= 2**64 or not cells[1].strip():
                    raise TrainerError(
                        f"{path}: line {reader.line_num} is no pool_id,label: {','.join(cells)[:_SHOWN]}"
                    )
                pool_ids.append(int(pool_id))
                labels.append(cells[1].strip())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TrainerError(f"{path}: cannot be read as CSV: {error}") from error
    return np.array(pool_ids, dtype=np.uint64), np.array(labels, dtype=np.str_)


def _read_campaign(path: Path) -> tuple[NDArray[np.uint64], NDArray[np.str_]]:
    """Read the labels that the events of an exported campaign end with; a retracted one is none."""
    labels: dict[int, str] = {}
    number = 0
    try:
        # Not splitlines, which also breaks at separators that may stand within a JSON string.
        for line in path.read_text(encoding="utf-8").split("\n"):
            number += 1
            entry = json.loads(line) if line.strip() else {}
            if entry.get("kind") != "event":
                continue
            pool_id, label = int(entry["pool_id"]), entry["label"]
            if label is None:
                labels.pop(pool_id, None)
            else:
                labels[pool_id] = str(int(label))
    except (OSError, UnicodeDecodeError) as error:
        raise TrainerError(f"{path}: cannot be read: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainerError(f"{path}: line {number} is not one of an exported campaign: {error}") from error
    return np.array(list(labels), dtype=np.uint64), np.array(list(labels.values()), dtype=np.str_)
