"""Opens sample files: .npy, .npz, idx (also .gz) and folders of images.

Memory-mapped where the format allows it (.npy, plain idx, uncompressed .npz); compressed files load whole.
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samples.errors import SampleError
from samples.images import open_image_folder
from samples.sources import ArraySource, SampleSource

SAMPLE_KEYS = ("x", "x_train", "samples", "images", "features", "data")
LABEL_KEYS = ("y", "y_train", "labels")

# http://yann.lecun.com/exdb/mnist: two zero bytes, the type, the rank, then big-endian sizes.
_IDX_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_FORMATS = ".npy, .npz, idx (also .gz) or a folder of images"
_UNREADABLE = (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error)


def open_samples(path: Path, key: str | None = None, size: int | None = None) -> SampleSource:
    """Open a sample file or a folder of images.

    Args:
        path: .npy, .npz, an idx file (`*idx3-ubyte`, also .gz) or a folder of images.
        key: the array of an .npz; by default the first of `SAMPLE_KEYS` it has, or its only array.
        size: for folders of images: resize each to size x size px.

    Raises:
        SampleError: if the path is missing, unknown, empty or holds something that is not samples.
    """
    path = Path(path)
    if not path.exists():
        raise SampleError(f"{path}: no such file or folder")
    if size is not None and not path.is_dir():
        raise SampleError(f"{path}: size= resizes folders of images only")
    if key is not None and path.suffix != ".npz":
        raise SampleError(f"{path}: key={key!r} names an array of an .npz file, which this is not")
    if path.is_dir():
        return open_image_folder(path, size)
    if path.suffix == ".npy":
        return ArraySource(path, _load_npy(path))
    if path.suffix == ".npz":
        return _open_npz(path, key)
    if path.suffix == ".gz" or _is_idx(path):
        return ArraySource(path, _load_idx(path))
    raise SampleError(f"{path}: unknown format; expected {_FORMATS}")


def _load_npy(path: Path) -> NDArray[np.generic]:
    try:
        array: NDArray[np.generic] | np.lib.npyio.NpzFile = np.load(path, mmap_mode="r", allow_pickle=False)
    except _UNREADABLE as error:
        raise SampleError(f"{path}: not a readable .npy file: {error}") from error
    if isinstance(array, np.lib.npyio.NpzFile):
        array.close()
        raise SampleError(f"{path}: holds several arrays as an .npz file does; rename it to .npz")
    return array


def _open_npz(path: Path, key: str | None) -> ArraySource:
    try:
        opened: NDArray[np.generic] | np.lib.npyio.NpzFile = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(opened, np.lib.npyio.NpzFile):
            raise SampleError(f"{path}: holds one array as an .npy file does; rename it to .npy")
        with opened as arrays:
            key = _choose_key(path, arrays.files, key)
            samples = _map_npz_member(path, f"{key}.npy")
            if samples is None:
                samples = arrays[key]
            labels = _find_labels(arrays, key, len(samples) if samples.ndim else 0)
            pool_ids = (
                _check_pool_ids(path, arrays["pool_ids"], len(samples))
                if "pool_ids" in arrays.files
                else None
            )
    except SampleError:
        raise
    except _UNREADABLE as error:
        raise SampleError(f"{path}: not a readable .npz file: {error}") from error
    return ArraySource(path, samples, pool_ids, labels)


def _choose_key(path: Path, names: Sequence[str], key: str | None) -> str:
    if key is not None:
        if key not in names:
            raise SampleError(f"{path}: has no array {key!r}; it has {', '.join(names) or 'none'}")
        return key
    for candidate in SAMPLE_KEYS:
        if candidate in names:
            return candidate
    others = [name for name in names if name != "pool_ids"]
    if len(others) == 1:
        return others[0]
    raise SampleError(
        f"{path}: cannot tell which of its arrays ({', '.join(names) or 'none'}) holds samples; pass key="
    )


def _map_npz_member(path: Path, member: str) -> NDArray[np.generic] | None:
    """Memory-map one array of an uncompressed .npz; None where it is compressed."""
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
        if info.compress_type != zipfile.ZIP_STORED:
            return None
        with archive.open(info) as stream:
            version = np.lib.format.read_magic(stream)
            if version not in ((1, 0), (2, 0)):
                return None
            read_header = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, fortran_order, dtype = read_header(stream)
            header_bytes = stream.tell()
    if dtype.hasobject or 0 in shape or not shape:
        return None
    with path.open("rb") as file:
        # The local header's own name and extra lengths count: they may differ from the central directory's.
        file.seek(info.header_offset + 26)
        name_bytes = int.from_bytes(file.read(2), "little")
        extra_bytes = int.from_bytes(file.read(2), "little")
    offset = info.header_offset + 30 + name_bytes + extra_bytes + header_bytes
    return np.memmap(
        path, dtype=dtype, mode="r", offset=offset, shape=shape, order="F" if fortran_order else "C"
    )


def _find_labels(arrays: np.lib.npyio.NpzFile, key: str, count: int) -> NDArray[np.generic] | None:
    """Labels of the array `key`: y_test for x_test, else the first of `LABEL_KEYS` of equal length."""
    names = [f"y{key[1:]}", *LABEL_KEYS] if key.startswith("x") else list(LABEL_KEYS)
    for name in names:
        if name in arrays.files and name != key:
            labels: NDArray[np.generic] = arrays[name]
            if labels.ndim == 1 and len(labels) == count:
                return labels
    return None


def _check_pool_ids(path: Path, pool_ids: NDArray[np.generic], count: int) -> NDArray[np.uint64]:
    if pool_ids.dtype.kind not in "iu" or pool_ids.shape != (count,):
        raise SampleError(
            f"{path}: pool_ids must be integers [{count}], got {pool_ids.dtype} {pool_ids.shape}"
        )
    if pool_ids.dtype.kind == "i" and count and int(pool_ids.min()) < 0:
        raise SampleError(f"{path}: pool_ids must not be negative, got {pool_ids.min()}")
    if len(np.unique(pool_ids)) != count:
        raise SampleError(f"{path}: pool_ids must be unique, {count - len(np.unique(pool_ids))} are repeated")
    return pool_ids.astype(np.uint64)


def _is_idx(path: Path) -> bool:
    with path.open("rb") as file:
        magic = file.read(4)
    return len(magic) == 4 and magic[:2] == b"\0\0" and magic[2] in _IDX_DTYPES and 1 <= magic[3] <= 4


def _load_idx(path: Path) -> NDArray[np.generic]:
    compressed = path.suffix == ".gz"
    try:
        with gzip.open(path, "rb") if compressed else path.open("rb") as file:
            magic = file.read(4)
            if (
                len(magic) < 4
                or magic[:2] != b"\0\0"
                or magic[2] not in _IDX_DTYPES
                or not 1 <= magic[3] <= 4
            ):
                raise SampleError(f"{path}: unknown format; expected {_FORMATS}")
            shape = tuple(int(n) for n in np.frombuffer(file.read(4 * magic[3]), ">u4"))
            dtype = np.dtype(_IDX_DTYPES[magic[2]])
            content = file.read() if compressed else b""
    except (OSError, EOFError, zlib.error) as error:
        raise SampleError(f"{path}: not a readable idx file: {error}") from error
    header_bytes = 4 + 4 * magic[3]
    expected = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    found = len(content) if compressed else path.stat().st_size - header_bytes
    if len(shape) != magic[3] or found != expected:
        raise SampleError(
            f"{path}: its header promises {expected} bytes of values for {shape}, it has {found}"
        )
    if expected == 0:
        return np.empty(shape, dtype)
    if compressed:
        return np.frombuffer(content, dtype).reshape(shape)
    return np.memmap(path, dtype=dtype, mode="r", offset=header_bytes, shape=shape)
