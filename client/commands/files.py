"""What the command line reads: labels from arguments, CSV files and standard input, shares, pool ids, and arrays."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from client.conversion.strategies import candidate_source
from client.errors import InputError
from client.types.acquisition import CandidateSource


def read_labels(arguments: Sequence[str], csv_path: str | None) -> dict[int, int]:
    """Read labels {pool_id: class}.

    Args:
        arguments: "ID=LABEL" each.
        csv_path: A file of lines pool_id,label, with or without a header line; "-" is standard input.

    Raises:
        InputError: There are none, one is no pair of integers, or an id is labeled in two ways.
    """
    pairs = [(f"argument {each!r}", *each.partition("=")[::2]) for each in arguments]
    if csv_path == "-":
        pairs += _csv_pairs("standard input", sys.stdin)
    elif csv_path is not None:
        try:
            with Path(csv_path).open(newline="", encoding="utf-8") as lines:
                pairs += _csv_pairs(csv_path, lines)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read {csv_path}: {error}") from error
    labels: dict[int, int] = {}
    for where, pool_id_text, label_text in pairs:
        try:
            pool_id, label = int(pool_id_text), int(label_text)
        except ValueError as error:
            raise InputError(f"{where}: expected a pool id and a label, both integers") from error
        if labels.setdefault(pool_id, label) != label:
            raise InputError(f"{where}: {pool_id} is labeled {labels[pool_id]} already")
    if not labels:
        raise InputError("no labels; give ID=LABEL arguments or --csv FILE")
    return labels


def read_shares(arguments: Sequence[str]) -> dict[CandidateSource, float]:
    """Read the shares of sources, each "SOURCE=PART".

    Raises:
        InputError: A part is no number, or a source is named twice.
        InvalidArgumentError: There is no such source.
    """
    shares: dict[CandidateSource, float] = {}
    for argument in arguments:
        name, _, part = argument.partition("=")
        source = candidate_source(name)
        if source in shares:
            raise InputError(f"share {argument!r}: {name} has the share {shares[source]:g} already")
        try:
            shares[source] = float(part)
        except ValueError as error:
            raise InputError(f"share {argument!r}: expected SOURCE=PART, PART a number") from error
    return shares


def read_array(path: Path) -> NDArray[Any]:
    """Read a .npy file [n, ...].

    Raises:
        InputError: It is none.
    """
    return _load(path)


def read_ids(path: Path) -> NDArray[np.uint64]:
    """Read pool ids uint64 [n]: a .npy file, or text with white space between them.

    Raises:
        InputError: They cannot be read, or are no pool ids.
    """
    if path.suffix == ".npy":
        ids = read_array(path)
        if ids.ndim != 1 or ids.dtype.kind not in "ui":
            raise InputError(f"{path} holds {ids.dtype} {list(ids.shape)}, not pool ids: integers [n]")
        values: list[int] = ids.tolist()
    else:
        try:
            values = [int(word) for word in path.read_text(encoding="utf-8").split()]
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read pool ids from {path}: {error}") from error
    for value in values:
        if not 0 <= value < 1 << 64:
            raise InputError(f"{path}: pool ids are from 0 to 2^64 - 1, got {value}")
    return np.array(values, np.uint64)


def samples_of(path: Path) -> Callable[[NDArray[np.uint64]], NDArray[Any]]:
    """Map a .npy file [N, ...] and return what reads the samples of pool ids uint64 [n], its row numbers.

    Raises:
        InputError: It is none; or later, an id is not below N.
    """
    array = _load(path, mmap_mode="r")

    def read(pool_ids: NDArray[np.uint64]) -> NDArray[Any]:
        if (pool_ids >= len(array)).any():
            raise InputError(
                f"{path} has {len(array)} samples, and none of the pool id {pool_ids.max()}; "
                "its rows must be the pool ids"
            )
        return array[pool_ids.astype(np.int64)]

    return read


def read_token(path: Path) -> str:
    """Read a bearer token, the file's only word.

    Raises:
        InputError: It cannot be read or holds more or less than one word.
    """
    try:
        words = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {type(error).__name__}") from None
    if len(words) != 1:
        raise InputError(f"{path} must hold a token and nothing else")
    return words[0]


def _csv_pairs(name: str, lines: Iterable[str]) -> list[tuple[str, str, str]]:
    """Read (where, pool_id, label) of each line; empty lines are skipped, and a first line without any number."""
    pairs = []
    for number, row in enumerate(csv.reader(lines), start=1):
        if not row or (number == 1 and not any(map(_is_integer, row))):
            continue
        pairs.append((f"{name} line {number}", row[0], row[1] if len(row) > 1 else ""))
    return pairs


def _is_integer(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True


def _load(path: Path, *, mmap_mode: Literal["r"] | None = None) -> NDArray[Any]:
    try:
        array = np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise InputError(f"cannot read {path} as .npy: {error}") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise InputError(f"{path} is an .npz archive; save the array that is meant as .npy")
    if not array.ndim:
        raise InputError(f"{path} holds a single number, not an array [n, ...]")
    return array
