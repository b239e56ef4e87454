"""Uploaded classifiers on disk: named by what they contain, durable before their id is known."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from pathlib import Path

from query_server.errors import classifier_not_found
from query_server.files import remove_unfinished, write_durably

_LOG = logging.getLogger(__name__)
_ID = re.compile(r"sha256:[0-9a-f]{64}")


def id_of(data: bytes) -> str:
    """Return ``"sha256:"`` and the hexadecimal digest."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


class ClassifierFiles:
    """A folder of classifiers, one file each.

    Args:
        folder: Made where it is missing; what a crash left half written there is removed.
        max_files: Files kept; the least recently used is dropped for a new one.
    """

    def __init__(self, folder: Path, *, max_files: int = 1024) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        remove_unfinished(folder)
        self._folder = folder
        self._max_files = max_files

    def __contains__(self, classifier_id: str) -> bool:
        return self._path(classifier_id).exists()

    def note_use(self, classifier_id: str) -> None:
        """Note that a classifier was used, so that others go before it.

        Raises:
            DowserError: CLASSIFIER_NOT_FOUND.
        """
        try:
            os.utime(self._path(classifier_id))
        except FileNotFoundError:
            raise classifier_not_found(classifier_id) from None

    def find(self, classifier_id: str) -> Path:
        """Return where a classifier's bytes lie.

        Raises:
            DowserError: CLASSIFIER_NOT_FOUND.
        """
        path = self._path(classifier_id)
        if not path.exists():
            raise classifier_not_found(classifier_id)
        return path

    def read(self, classifier_id: str) -> bytes:
        """Return a classifier's bytes and note that it was used.

        Raises:
            DowserError: CLASSIFIER_NOT_FOUND.
        """
        path = self._path(classifier_id)
        try:
            data = path.read_bytes()
            os.utime(path)
        except FileNotFoundError:
            raise classifier_not_found(classifier_id) from None
        return data

    def write(self, classifier_id: str, data: bytes) -> None:
        """Keep a classifier, durably, and drop the least recently used above the limit."""
        kept = self._path(classifier_id)
        write_durably(kept, data)
        files = sorted(self._folder.glob("*.onnx"), key=_last_use)
        for file in files[: max(0, len(files) - self._max_files)]:
            if file != kept:
                file.unlink(missing_ok=True)
                _LOG.info("dropped classifier %s, the least recently used of %d", file.stem, len(files))

    def _path(self, classifier_id: str) -> Path:
        if not _ID.fullmatch(classifier_id):
            raise classifier_not_found(classifier_id)
        return self._folder / f"{classifier_id.removeprefix('sha256:')}.onnx"


def _last_use(file: Path) -> float:
    """Return when a file was used, Unix seconds; 0 where another upload has just dropped it."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
