"""What README and its siblings show is there: commands and their options, files, settings of `serve`."""

from __future__ import annotations

import ast
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import client.cli
import query_server.cli
import trainer.cli
from benchmarks.__main__ import RECIPES
from benchmarks.papers.registry import PAPERS
from query_server.settings import ServeSettings

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("README.md", "deploy/README.md", "benchmarks/README.md")
PARSERS = {
    "dowser": client.cli._parser,
    "dowser-server": query_server.cli._parser,
    "dowser-trainer": trainer.cli._parser,
}


def commands(document: str) -> Iterator[list[str]]:
    """Yield the words of each command in a document's indented blocks; what stands in for others is left out."""
    text = (ROOT / document).read_text().replace("\\\n", " ")
    for line in re.findall(
        r"^    (?:sudo )?((?:dowser|dowser-server|dowser-trainer|python -m benchmarks) .*)$", text, re.M
    ):
        words = shlex.split(re.sub(r"[\[\]…]|\.\.\.", " ", line), comments=True)
        yield words[: words.index("&&")] if "&&" in words else words


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_shown_can_be_parsed(document: str) -> None:
    shown = [words for words in commands(document) if words[0] in PARSERS]
    for program, *arguments in shown:
        try:
            PARSERS[program]().parse_args(arguments)
        except SystemExit:
            pytest.fail(f"{document}: {program} {shlex.join(arguments)}")
    assert shown or document == "benchmarks/README.md"


def test_every_recipe_is_in_the_table_once_and_every_one_shown_exists() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "benchmarks/README.md").read_text(), re.M)
    assert sorted(rows) == sorted(RECIPES)
    for document in DOCUMENTS:
        for words in commands(document):
            if words[0] == "python":
                assert words[3] in RECIPES, f"{document}: {words}"
                if "--paper" in words:
                    assert words[words.index("--paper") + 1] in PAPERS


def test_every_setting_named_is_one_of_serve() -> None:
    settings = {f"--{name.replace('_', '-')}" for name in ServeSettings.model_fields}
    tables = re.findall(r"^\| setting of `serve` \|.*?\n\n", (ROOT / "README.md").read_text(), re.M | re.S)
    named = {flag for table in tables for flag in re.findall(r"^\| `(--[a-z0-9-]+)` \|", table, re.M)}
    assert len(named) >= 10
    assert named <= settings


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file(document: str) -> None:
    text = (ROOT / document).read_text()
    links = {link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link}
    missing = [link for link in links if not ((ROOT / document).parent / link).exists()]
    assert not missing


def test_the_tree_names_folders_that_are_there_and_leaves_out_no_room() -> None:
    text = (ROOT / "README.md").read_text()
    tree = text.partition("## Where things are\n")[2].partition("[DESIGN.md]")[0]
    named: set[str] = set()
    above: list[str] = []
    for line in textwrap.dedent(tree.strip("\n")).splitlines():
        indent, name = re.match(r"( *)(\S+)", line).groups()
        if name.endswith("/"):
            above = [*above[: len(indent) // 2], name]
            named.add("".join(above).rstrip("/"))
    missing = [name for name in named if not (ROOT / name).is_dir()]
    assert not missing
    rooms = {path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("*/__init__.py")}
    assert rooms <= named


def test_every_python_block_is_python() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    for block in blocks:
        # Only a call may have an ellipsis for an argument in front of a named one.
        ast.parse(re.sub(r"\.\.\., ", "*(), ", block))
    assert blocks
