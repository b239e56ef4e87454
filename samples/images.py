"""Folders of images: found recursively, in sorted order, decoded with Pillow when read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samples.errors import SampleError
from samples.sources import MAX_IMAGE_SIZE, MIN_IMAGE_SIZE, ImageFolderSource

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
)
_GRAY_MODES = frozenset({"1", "L", "LA", "La"})
_WIDE_MODES = ("I", "F")  # 16 and 32 bits a pixel: Pillow would clip these to 8


def open_image_folder(path: Path, size: int | None = None) -> ImageFolderSource:
    """Open all images below `path`, sorted by their relative path; gray is [H, W], color [H, W, 3], uint8.

    Args:
        path: the folder.
        size: resize each image to size x size px, 8 to 64.

    Raises:
        SampleError: if there is no image, or the first cannot be used; others are checked when they are read.
    """
    if size is not None and not MIN_IMAGE_SIZE <= size <= MAX_IMAGE_SIZE:
        raise SampleError(f"size must be {MIN_IMAGE_SIZE} to {MAX_IMAGE_SIZE} px, got {size}")
    files = sorted(
        (file for file in path.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()),
        key=lambda file: file.relative_to(path).as_posix(),
    )
    if not files:
        raise SampleError(
            f"{path}: no images ({', '.join(sorted(IMAGE_SUFFIXES))}) in this folder or below it"
        )
    return ImageFolderSource(path, files, lambda file: _decode(file, size))


def _decode(file: Path, size: int | None) -> NDArray[np.uint8]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            if image.mode.startswith(_WIDE_MODES):
                raise SampleError(
                    f"{file}: mode {image.mode} has more than 8 bits a pixel; convert it, or use .npy"
                )
            plain = image.convert("L" if image.mode in _GRAY_MODES else "RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise SampleError(f"{file}: not a readable image: {error}") from error
    if size is not None and plain.size != (size, size):
        plain = plain.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(plain, dtype=np.uint8)
