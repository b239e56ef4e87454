"""``python -m benchmarks datasets``: fetch the data sets of the recipes from OpenML, and where recipes find them.

A recipe looks in the folder that ``DOWSER_DATASETS`` names, ``datasets/`` otherwise, for:

=======================  =====================================================================================
mnist.npz                x_train [60000, 28, 28], y_train, x_test [10000, 28, 28], y_test; uint8, original order
fashion_mnist.npz        the same shapes
usps.npz                 7,291 + 2,007 of 16x16
cifar10_jpegbytes.npz    50,000 + 10,000 RGB 32x32 as JPEG bytes: {train,test}_jpeg, {train,test}_off, y_*, classes
neu_det_gray64.npz       NEU-DET's 1,800 steel defects: x [1800, 64, 64] uint8, y; not fetched
=======================  =====================================================================================
"""

from __future__ import annotations

import argparse
import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.errors import BenchmarkError

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
JPEG_QUALITY = 95

Arrays = Mapping[str, NDArray[Any]]


def datasets_folder() -> Path:
    """Return the folder in which data sets are looked for."""
    return Path(os.environ.get("DOWSER_DATASETS") or "datasets")


def load_dataset(name: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of a data set.

    Raises:
        BenchmarkError: It is not there, or not readable.
    """
    path = datasets_folder() / SOURCES[name].file
    if not path.exists():
        raise BenchmarkError(
            f"{path} is missing. With internet access, `python -m benchmarks datasets {name}` fetches it; otherwise "
            f"put the file there yourself, or name the folder that has it: DOWSER_DATASETS=/path/to/folder"
        )
    try:
        with np.load(path) as file:
            return {key: file[key] for key in file.files}
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"{path}: cannot be read ({error}); delete it and fetch it again") from error


def decode_jpegs(data: NDArray[np.uint8], offsets: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Return RGB images [n, H, W, 3] of concatenated JPEG files, the i-th at data[offsets[i]:offsets[i + 1]]."""
    from PIL import Image

    raw = data.tobytes()
    files = [raw[start:stop] for start, stop in pairwise(offsets.tolist())]
    return np.stack([np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for file in files])


def grayscale_split(side: int, train: int) -> Callable[[NDArray[Any], NDArray[Any]], Arrays]:
    """Return what turns values [n, side * side] of 0..255 and class names into the .npz form."""

    def convert(values: NDArray[Any], target: NDArray[Any]) -> Arrays:
        x = np.rint(values).astype(np.uint8).reshape(-1, side, side)
        y = target.astype(np.uint8)
        return {"x_train": x[:train], "y_train": y[:train], "x_test": x[train:], "y_test": y[train:]}

    return convert


def convert_usps(values: NDArray[Any], target: NDArray[Any]) -> Arrays:
    """Turn USPS as OpenML has it, values in [-1, 1] and classes 1..10, into 0..255 and digits 0..9."""
    digits = target.astype(np.int64)
    return grayscale_split(16, 7291)((values + 1) * 127.5, digits - digits.min())


def convert_cifar10(values: NDArray[Any], target: NDArray[Any]) -> Arrays:
    """Turn rows [n, 3072], red before green before blue, into JPEG bytes with their offsets."""
    from PIL import Image
    from tqdm import tqdm

    images = (
        values.astype(np.uint8).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    )  # [n, C, H, W] -> [n, H, W, C]
    arrays: dict[str, NDArray[Any]] = {"classes": np.array(CIFAR10_CLASSES)}
    for part, rows in (("train", slice(0, 50_000)), ("test", slice(50_000, None))):
        files = []
        for image in tqdm(images[rows], desc=f"cifar10 {part}", unit="image"):
            buffer = io.BytesIO()
            Image.fromarray(np.ascontiguousarray(image)).save(
                buffer, format="JPEG", quality=JPEG_QUALITY, subsampling=0
            )
            files.append(buffer.getvalue())
        arrays[f"{part}_jpeg"] = np.frombuffer(b"".join(files), dtype=np.uint8)
        arrays[f"{part}_off"] = np.concatenate([[0], np.cumsum([len(file) for file in files])]).astype(
            np.int64
        )
        arrays[f"y_{part}"] = target[rows].astype(np.uint8)
    return arrays


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set on OpenML.

    Attributes:
        file: its name here.
        data_id: OpenML's number of it.
        rows: training and test together.
        convert: (values [n, F], classes [n]) -> the arrays of the file.
        zeros: (in training, in test), images of class 0: tells whether the order is the original one.
    """

    file: str
    data_id: int
    rows: int
    convert: Callable[[NDArray[Any], NDArray[Any]], Arrays]
    zeros: tuple[int, int]


SOURCES = {
    "mnist": Source(
        file="mnist.npz", data_id=554, rows=70_000, convert=grayscale_split(28, 60_000), zeros=(5923, 980)
    ),
    "fashion_mnist": Source(
        file="fashion_mnist.npz",
        data_id=40996,
        rows=70_000,
        convert=grayscale_split(28, 60_000),
        zeros=(6000, 1000),
    ),
    "usps": Source(file="usps.npz", data_id=41082, rows=9_298, convert=convert_usps, zeros=(1194, 359)),
    "cifar10": Source(
        file="cifar10_jpegbytes.npz", data_id=40927, rows=60_000, convert=convert_cifar10, zeros=(5000, 1000)
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the names of data sets."""
    parser.add_argument("datasets", nargs="*", metavar="DATASET", help=f"{', '.join(SOURCES)} (default: all)")


def run(options: argparse.Namespace) -> int:
    """Fetch what is missing into the data sets' folder, or into --out."""
    folder: Path = options.out or datasets_folder()
    wanted = options.datasets or (["mnist"] if options.quick else list(SOURCES))
    if unknown := set(wanted) - set(SOURCES):
        raise BenchmarkError(
            f"no such data set: {', '.join(sorted(unknown))}; there are {', '.join(SOURCES)}"
        )
    for name in wanted:
        path = folder / SOURCES[name].file
        if path.exists():
            print(f"{name}: {path} is there already")
            continue
        print(
            f"{name}: fetching OpenML data set {SOURCES[name].data_id} (https://www.openml.org)", flush=True
        )
        save_dataset(path, to_arrays(name, *_fetch(name)))
        print(f"{name}: wrote {path}")
    print(f"datasets fetched={len(wanted)} folder={folder}")
    return 0


def to_arrays(name: str, values: NDArray[Any], target: NDArray[Any]) -> Arrays:
    """Convert what OpenML sent, and check that it is what it should be.

    Raises:
        BenchmarkError: Rows are missing, or not in the original order.
    """
    source = SOURCES[name]
    if len(values) != source.rows or len(target) != source.rows:
        raise BenchmarkError(f"{name}: OpenML sent {len(values)} rows, expected {source.rows}")
    arrays = source.convert(values, target)
    zeros = tuple(int((arrays[part] == 0).sum()) for part in ("y_train", "y_test"))
    if zeros != source.zeros:
        raise BenchmarkError(
            f"{name}: {zeros} images of class 0 in training and test, expected {source.zeros}; OpenML's rows are not "
            "in the original order any more, so no file was written. Get the original files instead"
        )
    return arrays


def save_dataset(path: Path, arrays: Arrays) -> None:
    """Write the .npz whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.tmp.npz")
    np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]  # the stubs take a name for allow_pickle
    temporary.replace(path)


def _fetch(name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    from http.client import HTTPException

    from sklearn.datasets import fetch_openml

    try:
        fetched = fetch_openml(data_id=SOURCES[name].data_id, as_frame=False, parser="liac-arff", n_retries=1)
    except (OSError, HTTPException, ValueError) as error:  # URLError and HTTPError are OSErrors
        raise BenchmarkError(
            f"{name}: OpenML could not be reached or refused ({error}). Nothing was written. Check the internet "
            f"connection and try again; or make {SOURCES[name].file} on another machine with `python -m benchmarks "
            "datasets` and name its folder in DOWSER_DATASETS"
        ) from error
    return np.asarray(fetched.data, dtype=np.float32), np.asarray(fetched.target)
