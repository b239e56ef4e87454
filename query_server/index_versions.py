"""The index versions a server has served: they grow and never go back, over reloads and restarts.

An index's manifest carries the version it was built with, and a rebuilt one may carry the same or a lower number. A
caller that demands ``min_index_version`` relies on the order, so what is served is remembered in the state directory:
the same index keeps its version, any other gets a higher one.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from query_server.errors import corrupt_file
from query_server.files import write_durably

FILE = "index_versions.json"
_REMEDY = "restore it from a snapshot; removed, versions start again at that of the index"


@dataclass(frozen=True, kw_only=True)
class ServedVersion:
    """What was served last of one pool.

    Attributes:
        index: sha256 of the index's manifest, hexadecimal.
        version: The version callers saw.
    """

    index: str
    version: int


class IndexVersions:
    """The versions served last, by pool name, in one small file. Thread-safe.

    Args:
        state: The state directory.
    """

    def __init__(self, state: Path) -> None:
        self._path = state / FILE
        self._lock = threading.Lock()
        self._served = read_versions(self._path)

    def next(self, pool: str, *, index: str, built: int, seen: int = 0) -> int:
        """Return the version to serve an index with; nothing is written.

        Args:
            pool: The pool's name.
            index: sha256 of the index's manifest.
            built: The version in that manifest.
            seen: The highest version callers saw otherwise, as a live pool's journal knows it.
        """
        with self._lock:
            last = self._served.get(pool)
        if last is None:
            return max(built, seen)
        if last.index == index:
            return max(last.version, seen)
        return max(built, last.version + 1, seen + 1)

    def record(self, pool: str, *, index: str, version: int) -> None:
        """Remember what is served from now on; on disk when this returns."""
        with self._lock:
            served = {**self._served, pool: ServedVersion(index=index, version=version)}
            if served != self._served:
                text = json.dumps({name: asdict(each) for name, each in served.items()}, indent=2)
                write_durably(self._path, text.encode())
                self._served = served


def read_versions(path: Path) -> dict[str, ServedVersion]:
    """Read the file; nothing where there is none.

    Raises:
        DowserError: CORRUPT_FILE.
    """
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(pool): ServedVersion(index=str(each["index"]), version=int(each["version"]))
            for pool, each in written.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise corrupt_file(path, f"not readable ({error!r}); {_REMEDY}") from error
