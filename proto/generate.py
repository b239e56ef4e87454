"""Generate the Python stubs of proto/dowser/v1 beside their sources, or check that they are current.

Usage: ``python proto/generate.py [--check]``. Messages get ``_pb2.py`` and ``.pyi``; files with a service get
``_pb2_grpc.py`` too.
"""

from __future__ import annotations

import filecmp
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent
SOURCES = sorted((ROOT / "dowser" / "v1").glob("*.proto"))
WELL_KNOWN = Path(protoc.__file__).parent / "_proto"


def generate(out: Path) -> None:
    """Write the stubs of every source below ``out``.

    Raises:
        RuntimeError: If protoc refuses a source.
    """
    with_service = [source for source in SOURCES if "\nservice " in source.read_text()]
    base = ["protoc", f"-I{ROOT}", f"-I{WELL_KNOWN}"]
    for options, sources in (
        ([f"--python_out={out}", f"--pyi_out={out}"], SOURCES),
        ([f"--grpc_python_out={out}"], with_service),
    ):
        if protoc.main([*base, *options, *map(str, sources)]) != 0:
            raise RuntimeError("protoc failed; its message stands above")


def stale(fresh: Path) -> list[str]:
    """Name the stubs beside the sources that differ from those below ``fresh``, or that nothing makes any more."""
    made = {path.relative_to(fresh) for path in fresh.rglob("*_pb2*.py*")}
    kept = {path.relative_to(ROOT) for path in (ROOT / "dowser").rglob("*_pb2*.py*") if path.suffix != ".pyc"}
    differing = {name for name in made & kept if not filecmp.cmp(fresh / name, ROOT / name, shallow=False)}
    return sorted(map(str, (made ^ kept) | differing))


def main() -> int:
    """Generate, or with ``--check`` compare; returns the exit status."""
    if "--check" not in sys.argv[1:]:
        generate(ROOT)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        names = stale(Path(folder))
    if names:
        print("stubs out of date, run `make proto`: " + ", ".join(names), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
