"""The steps of a container file as plain scripts: no engine, a temporary folder for the root, an empty environment.

Absolute paths in the steps are put below the folder, `python` is a bare virtual environment made for each stage, and a
stage begins with nothing of the one before it but what it copies. What an engine does besides (layers, users, mounts,
capabilities, the base image's own files) is not imitated.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path

from dockerfile_parse import DockerfileParser

# Where packages come from is the machine's business and reaches the steps; nothing else does.
_PASSED_ON = re.compile(
    r"(?i)PIP_(INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|CERT|CONFIG_FILE|TIMEOUT|PROXY)|\w+_PROXY|SSL_CERT_FILE"
)


@dataclass
class Image:
    """What a container file makes of a folder.

    Attributes:
        root: The folder in place of ``/``.
        environment: What ENV set, paths below `root`.
        commands: The exec forms of HEALTHCHECK, ENTRYPOINT and CMD.
        arguments: What ARG set in this stage, for RUN alone.
        user: What USER set.
        stop_signal: What STOPSIGNAL set.
    """

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    commands: dict[str, list[str]] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    user: str = "0"
    stop_signal: str = ""
    workdir: Path = Path("/")

    def inside(self, path: str) -> Path:
        """Return where an absolute path of the image lies; a relative one counts from WORKDIR."""
        return self.root / (self.workdir / path).relative_to("/")

    def rooted(self, text: str) -> str:
        """Put the absolute paths in a step below the root."""
        return re.sub(r"(?<![\w./$}*-])/(?=\w)", f"{self.root}/", text)


def parse(file: Path) -> list[tuple[str, str]]:
    """Return the instructions of a container file, comments left out."""
    parser = DockerfileParser(fileobj=file.open("rb"))
    return [
        (step["instruction"], step["value"]) for step in parser.structure if step["instruction"] != "COMMENT"
    ]


def make(file: Path, *, context: Path, folder: Path) -> Image:
    """Run the steps of `file` in `folder` and return what its last stage is."""
    root = folder / "root"
    stages: dict[str, Path] = {}
    image = Image(root)
    name = ""
    for instruction, value in parse(file):
        if instruction == "FROM":
            if name:
                stages[name] = root.rename(folder / name)
            name = value.split()[-1] if " AS " in value.upper() else "last"
            image = Image(root)
            venv.create(root / "usr/local", with_pip=True)
            image.environment["PATH"] = f"{root / 'usr/local/bin'}:/usr/bin:/bin"
        elif instruction == "ENV":
            for word in shlex.split(value):
                key, _, text = word.partition("=")
                image.environment[key] = image.rooted(text).replace("$PATH", image.environment["PATH"])
        elif instruction == "ARG" and name:  # those before the first FROM say which base images
            key, _, text = value.partition("=")
            image.arguments[key] = text
        elif instruction == "WORKDIR":
            image.workdir = Path(value)
            image.inside(".").mkdir(parents=True, exist_ok=True)
        elif instruction == "COPY":
            _copy(image, shlex.split(value), context, stages)
        elif instruction == "RUN":
            run(image, image.rooted(value))
        elif instruction in ("ENTRYPOINT", "CMD"):
            image.commands[instruction] = json.loads(value)
        elif instruction == "HEALTHCHECK":
            image.commands[instruction] = json.loads(value.partition("CMD ")[2])
        elif instruction == "USER":
            image.user = value
        elif instruction == "STOPSIGNAL":
            image.stop_signal = value
        elif instruction not in ("ARG", "LABEL", "VOLUME", "EXPOSE"):
            raise NotImplementedError(f"{instruction} {value}")
    return image


def run(image: Image, script: str) -> str:
    """Run a script of the shell with the image's environment alone and return what it printed."""
    done = subprocess.run(
        ["/bin/sh", "-ec", script],
        cwd=image.inside("."),
        env={**image.arguments, **environment(image)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def environment(image: Image) -> dict[str, str]:
    """Return the image's environment and where packages come from."""
    passed_on = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
    return {**passed_on, "HOME": str(image.root / "root"), "LANG": "C.UTF-8", **image.environment}


def _copy(image: Image, words: list[str], context: Path, stages: dict[str, Path]) -> None:
    """Copy as COPY does: a folder's content, files into a folder when the target ends with a slash."""
    options = dict(word[2:].split("=") for word in words if word.startswith("--"))
    source = stages[options["from"]] if "from" in options else context
    *names, target = (word for word in words if not word.startswith("--"))
    for name in names:
        origin = source / name.lstrip("/")
        place = image.inside(target)
        if origin.is_dir():
            shutil.copytree(origin, place, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            place = place / origin.name if target.endswith("/") else place
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(origin, place)
        if "chown" in options and os.geteuid() == 0:
            for path in (place, *place.rglob("*")):
                os.chown(path, *map(int, options["chown"].split(":")), follow_symlinks=False)


def index_answers() -> bool:
    """Say whether packages can be had, in a minute at most."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "index", "versions", "hatchling"],
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode == 0
