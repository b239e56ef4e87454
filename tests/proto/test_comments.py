"""The API explains itself: every service, method, message, enum and field carries a comment."""

import re
from pathlib import Path

import pytest

SOURCES = sorted((Path(__file__).resolve().parents[2] / "proto" / "dowser" / "v1").glob("*.proto"))
DECLARATION = re.compile(r"\s*(service|rpc|message|enum|(repeated |optional )?[\w.<>, ]+ \w+ = \d+;)")
# An enum's zero says nothing beyond its name, and neither do reasons that take no explanation.
SELF_EXPLAINING = re.compile(r"\s*\w+(_UNSPECIFIED|_UINT8|_FLOAT32|_INT64|_UINT64|_CANCELLED) = \d+;")


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_every_declaration_is_commented(source):
    lines = source.read_text().splitlines()
    bare = [
        line.strip()
        for before, line in zip(["", *lines], lines, strict=False)
        if DECLARATION.match(line) and not SELF_EXPLAINING.match(line) and not before.strip().startswith("//")
    ]
    assert not bare
