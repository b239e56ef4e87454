"""What a snapshot is written to, a directory or one tar file; it appears under its name when it is whole."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

from query_server.files import sync, write_durably
from query_server.maintenance.manifest import MANIFEST, SnapshotFile

_CHUNK_BYTES = 1 << 20
#: Told how many bytes were just read; may raise to stop the work.
OnBytes = Callable[[int], None]


class Target(Protocol):
    """Takes files one by one."""

    def add(self, name: str, source: Path, *, immutable: bool, on_bytes: OnBytes) -> SnapshotFile:
        """Take a file; one that never changes may be linked instead of copied."""

    def finish(self, manifest: bytes) -> None:
        """Write the manifest and give everything its name; on disk when this returns."""

    def abandon(self) -> None:
        """Remove what was written."""


class HashingReader(io.RawIOBase):
    """Reads a file and hashes what was read."""

    def __init__(self, file: IO[bytes], on_bytes: OnBytes) -> None:
        self._file = file
        self._on_bytes = on_bytes
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""
        data = self._file.read(size)
        self._digest.update(data)
        self.size_bytes += len(data)
        self._on_bytes(len(data))
        return data

    def entry(self, name: str) -> SnapshotFile:
        """Return what was read, as a file of that name."""
        return SnapshotFile(name=name, size_bytes=self.size_bytes, sha256=self._digest.hexdigest())


class DirectoryTarget:
    """A directory, written beside its name."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._partial = partial_of(out)
        if self._partial.exists():
            shutil.rmtree(self._partial)
        self._partial.mkdir(parents=True)

    def add(self, name: str, source: Path, *, immutable: bool, on_bytes: OnBytes) -> SnapshotFile:
        """Link the file where that can be, or copy it."""
        target = self._partial / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if immutable:
            with contextlib.suppress(OSError):  # another file system, or one without links
                os.link(source.resolve(), target)
        if target.exists():
            with target.open("rb") as file:
                reader = HashingReader(file, on_bytes)
                while reader.read(_CHUNK_BYTES):
                    pass
            return reader.entry(name)
        with source.open("rb") as file, target.open("xb") as copy:
            return copy_hashed(file, copy, name, on_bytes)

    def finish(self, manifest: bytes) -> None:
        """Write the manifest, then rename."""
        write_durably(self._partial / MANIFEST, manifest)
        sync_tree(self._partial)
        self._partial.rename(self._out)
        sync(self._out.parent)

    def abandon(self) -> None:
        """Remove the unfinished directory."""
        shutil.rmtree(self._partial, ignore_errors=True)


class TarTarget:
    """An uncompressed tar file, written beside its name; the manifest comes last."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._partial = partial_of(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        self._partial.unlink(missing_ok=True)
        self._tar = tarfile.open(self._partial, "x", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed by finish

    def add(self, name: str, source: Path, *, immutable: bool, on_bytes: OnBytes) -> SnapshotFile:
        """Append the file, as long as it is now."""
        with source.open("rb") as file:
            reader = HashingReader(file, on_bytes)
            status = os.fstat(file.fileno())
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = status.st_size, int(status.st_mtime), 0o644
            self._tar.addfile(member, reader)  # reads member.size bytes, or raises where there are fewer
        return reader.entry(name)

    def finish(self, manifest: bytes) -> None:
        """Append the manifest, then rename."""
        member = tarfile.TarInfo(MANIFEST)
        member.size = len(manifest)
        self._tar.addfile(member, io.BytesIO(manifest))
        self._tar.close()
        sync(self._partial)
        self._partial.rename(self._out)
        sync(self._out.parent)

    def abandon(self) -> None:
        """Remove the unfinished file."""
        self._tar.close()
        self._partial.unlink(missing_ok=True)


def copy_hashed(source: IO[bytes], out: IO[bytes], name: str, on_bytes: OnBytes) -> SnapshotFile:
    """Copy one open file to another and hash it on the way; on disk when this returns."""
    reader = HashingReader(source, on_bytes)
    while data := reader.read(_CHUNK_BYTES):
        out.write(data)
    out.flush()
    os.fsync(out.fileno())
    return reader.entry(name)


def partial_of(out: Path) -> Path:
    """Return where something is written before it gets its name."""
    return out.with_name(f".{out.name}.partial")


def scratch_of(out: Path) -> Path:
    """Return where databases are copied to on the way into what is being written."""
    return out.with_name(f".{out.name}.databases")


def sync_tree(folder: Path) -> None:
    """Wait until the entries of a directory and of all below it are on disk."""
    for each in (folder, *folder.rglob("*")):
        if each.is_dir():
            sync(each)
